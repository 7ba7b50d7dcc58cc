// The loops of `work`, each with one owner, all under one signal: inbox in, inbox applied, changes out, and what keeps them
// true. Every loop is nudged by what feeds it and polls behind that.
import { applyBatch, pendingPartitions } from '../apply/apply-batch.ts';
import type { Db } from '../db/client.ts';
import { expireGrants } from '../entitlements/grants.ts';
import { messageOf } from '../errors.ts';
import type { Poller } from '../ingest/poll-events.ts';
import { runLoop } from '../lib/loop.ts';
import type { Nudge } from '../lib/nudge.ts';
import type { Logger } from '../log.ts';
import { createImporter, type ImportDeps } from '../ops/import-directory.ts';
import { refreshNext } from '../ops/refresh-accounts.ts';
import type { WorkosClient } from '../workos/client.ts';
import { createSyncStep } from './sync-loop.ts';

/** Each is nudged by whoever gives its loop something to do. */
export interface WorkerNudges {
  poll: Nudge;
  apply: Nudge;
  relay: Nudge;
}

export interface WorkerDeps {
  db: Db;
  workos: WorkosClient;
  log: Logger;
  clock: () => Date;
  nudges: WorkerNudges;
  poller: Poller;
  relay: { run(signal: AbortSignal): Promise<void> };
  replays: { run(signal: AbortSignal): Promise<void> };
  initialImport: 'auto' | 'off';
  userRequestsPerSecond: number;
  onWorkosOutcome: (error: unknown) => void;
  pollIntervalMs?: number;
}

const APPLY_INTERVAL_MS = 1_000;
const IMPORT_INTERVAL_MS = 2_000;
const REFRESH_INTERVAL_MS = 1_000;
const EXPIRY_INTERVAL_MS = 1_000;

export function createWorker(deps: WorkerDeps): { run(signal: AbortSignal): Promise<void> } {
  const { db, workos, log, clock, nudges, poller, relay, replays, initialImport, userRequestsPerSecond, pollIntervalMs = 2_000 } = deps;
  const imports: ImportDeps = { db, workos, log, clock, userRequestsPerSecond };
  const importer = createImporter(imports);
  const sync = createSyncStep({
    db,
    log,
    poller,
    imports,
    importer,
    initialImport,
    onStored: nudges.apply.nudge,
    onOutcome: deps.onWorkosOutcome,
  });
  const onError = (loop: string) => (error: unknown, failures: number) =>
    log.warn({ loop, failures, error: messageOf(error) }, 'a loop failed and goes on after a pause');

  async function applyStep(signal: AbortSignal): Promise<'again' | 'idle'> {
    let more = false;
    for (const partition of await pendingPartitions(db)) {
      if (signal.aborted) break;
      const result = await applyBatch(db, partition, { requestImports: initialImport === 'auto' });
      if (result.changes > 0) nudges.relay.nudge();
      if (result.quarantined > 0)
        log.error({ partition, events: result.quarantined }, 'events were quarantined; see directoryEvents(statuses: [QUARANTINED])');
      more ||= result.more;
    }
    return more ? 'again' : 'idle';
  }

  const again = (did: boolean): 'again' | 'idle' => {
    if (did) nudges.relay.nudge();
    return did ? 'again' : 'idle';
  };

  return {
    async run(signal) {
      await Promise.all([
        runLoop(sync, { signal, idleMs: pollIntervalMs, nudge: nudges.poll, onError: onError('sync') }),
        runLoop(applyStep, { signal, idleMs: APPLY_INTERVAL_MS, nudge: nudges.apply, onError: onError('apply') }),
        runLoop(async (s) => again(await importer.step(s)), { signal, idleMs: IMPORT_INTERVAL_MS, onError: onError('import') }),
        runLoop(async (s) => again(await refreshNext({ db, workos, log, clock }, s)), {
          signal,
          idleMs: REFRESH_INTERVAL_MS,
          onError: onError('refresh'),
        }),
        runLoop(async () => again((await expireGrants(db, clock())) > 0), {
          signal,
          idleMs: EXPIRY_INTERVAL_MS,
          onError: onError('expiry'),
        }),
        relay.run(signal),
        replays.run(signal),
      ]);
    },
  };
}
