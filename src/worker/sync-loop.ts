// WorkOS → inbox: first a full read where nothing has been read yet, then the Events API page by page, for ever.
import type { Db } from '../db/client.ts';
import type { Poller } from '../ingest/poll-events.ts';
import { readSyncCursor } from '../ingest/sync-cursor.ts';
import type { Logger } from '../log.ts';
import { type ImportDeps, requestFullReads, requestInitialImport } from '../ops/import-directory.ts';

export interface SyncLoopDeps {
  db: Db;
  log: Logger;
  poller: Poller;
  imports: ImportDeps;
  importer: { step(signal: AbortSignal): Promise<boolean> };
  initialImport: 'auto' | 'off';
  /** Something new stands in the inbox. */
  onStored: () => void;
  /** Told after each request round to WorkOS. */
  onOutcome: (error: unknown) => void;
}

/** A step for lib/loop.ts. */
export function createSyncStep(deps: SyncLoopDeps): (signal: AbortSignal) => Promise<'again' | 'idle'> {
  const { db, log, poller, imports, importer, initialImport, onStored, onOutcome } = deps;
  let phase: 'unknown' | 'importing' | 'polling' = initialImport === 'off' ? 'polling' : 'unknown';
  let gapSeen = false;

  async function step(signal: AbortSignal): Promise<'again' | 'idle'> {
    if (phase === 'unknown') {
      const cursor = await readSyncCursor(db);
      const fresh = cursor.eventId === null && cursor.caughtUpAt === null;
      if (fresh) await requestInitialImport(imports, signal);
      phase = fresh ? 'importing' : 'polling';
      return 'again';
    }
    if (phase === 'importing') {
      if (!(await importer.step(signal))) phase = 'polling';
      return 'again';
    }
    const result = await poller.step(signal);
    if (result.gap && !gapSeen && initialImport === 'auto') {
      log.error('events may have been missed: the service was away for longer than WorkOS keeps them; every directory is read again');
      await requestFullReads(imports, signal);
    }
    gapSeen = result.gap && !result.caughtUp;
    if (result.stored > 0) onStored();
    return result.caughtUp ? 'idle' : 'again';
  }

  return async (signal) => {
    try {
      const next = await step(signal);
      onOutcome(undefined);
      return next;
    } catch (error) {
      if (!signal.aborted) onOutcome(error);
      throw error;
    }
  };
}
