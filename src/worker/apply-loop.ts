// Inbox → applied, organization by organization: several at a time, each in order, since one round takes one batch of each.
import { applyBatch, pendingPartitions } from '../apply/apply-batch.ts';
import type { Db } from '../db/client.ts';
import type { Logger } from '../log.ts';

export interface ApplyStepDeps {
  db: Db;
  log: Logger;
  /** Organizations at a time. */
  concurrency: number;
  requestImports: boolean;
  /** The change log has grown. */
  onChanges: () => void;
}

/** A step for lib/loop.ts. */
export function createApplyStep({
  db,
  log,
  concurrency,
  requestImports,
  onChanges,
}: ApplyStepDeps): (signal: AbortSignal) => Promise<'again' | 'idle'> {
  return async (signal) => {
    const waiting = await pendingPartitions(db);
    let more = false;
    const lane = async (): Promise<void> => {
      for (let partition = waiting.shift(); partition !== undefined && !signal.aborted; partition = waiting.shift()) {
        const result = await applyBatch(db, partition, { requestImports });
        if (result.changes > 0) onChanges();
        if (result.quarantined > 0)
          log.error({ partition, events: result.quarantined }, 'events were quarantined; see directoryEvents(statuses: [QUARANTINED])');
        more ||= result.more;
      }
    };
    // All of them end before the next round begins, also when one has failed.
    const ends = await Promise.allSettled(Array.from({ length: concurrency }, lane));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    return more ? 'again' : 'idle';
  };
}
