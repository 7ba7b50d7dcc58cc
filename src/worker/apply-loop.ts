// Inbox → applied, organization by organization: several at a time, each in order, since one round takes one batch of each.
import { applyBatch, type BatchResult, pendingPartitions, type SettledEvent } from '../apply/apply-batch.ts';
import type { Db } from '../db/client.ts';
import type { Logger } from '../log.ts';
import type { Counts, Tracing } from '../model/telemetry.ts';

export interface ApplyStepDeps {
  db: Db;
  log: Logger;
  /** Organizations at a time. */
  concurrency: number;
  requestImports: boolean;
  /** The change log has grown. */
  onChanges: () => void;
  counts: Pick<Counts, 'applied'>;
  tracing: Tracing;
}

/** A step for lib/loop.ts. */
export function createApplyStep({
  db,
  log,
  concurrency,
  requestImports,
  onChanges,
  counts,
  tracing,
}: ApplyStepDeps): (signal: AbortSignal) => Promise<'again' | 'idle'> {
  function tell(events: readonly SettledEvent[], startMs: number): void {
    const applied = events.filter(({ status }) => status === 'APPLIED');
    for (const [type, { length }] of Map.groupBy(applied, (event) => event.type)) counts.applied(type, length);
    if (!tracing.on) return;
    for (const { id, type, traceId, status } of events) {
      if (traceId) tracing.stage('apply', { traceId, startMs, attributes: { 'event.id': id, 'event.type': type, status } });
    }
  }

  const applyOne = (partition: string): Promise<BatchResult> =>
    tracing.span('apply batch', { partition }, (link) => {
      const startMs = Date.now();
      const onSettled = (events: readonly SettledEvent[]): void => {
        link(events.flatMap(({ traceId }) => traceId || []));
        tell(events, startMs);
      };
      return applyBatch(db, partition, { requestImports, onSettled });
    });

  return async (signal) => {
    const waiting = await pendingPartitions(db);
    let more = false;
    const lane = async (): Promise<void> => {
      for (let partition = waiting.shift(); partition !== undefined && !signal.aborted; partition = waiting.shift()) {
        const result = await applyOne(partition);
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
