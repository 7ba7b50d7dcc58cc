// Inbox → applied, organization by organization: several at a time, each in order. Those that are named as having something are
// taken at once, also while others are under way; the inbox is looked at for the rest, at the latest after LOOK_INTERVAL_MS.
import { applyBatch, pendingPartitions, type SettledEvent } from '../apply/apply-batch.ts';
import type { Db } from '../db/client.ts';
import type { Logger } from '../log.ts';
import type { RecordedChange } from '../model/change.ts';
import type { Counts, Tracing } from '../model/telemetry.ts';
import type { DuePartitions } from './due-partitions.ts';

export interface ApplyStepDeps {
  db: Db;
  log: Logger;
  /** Organizations at a time. */
  concurrency: number;
  requestImports: boolean;
  due: DuePartitions;
  /** The change log has grown, by these. */
  onChanges: (changes: readonly RecordedChange[]) => void;
  counts: Pick<Counts, 'applied'>;
  tracing: Tracing;
}

export const LOOK_INTERVAL_MS = 1_000;

/** A step for lib/loop.ts. */
export function createApplyStep({
  db,
  log,
  concurrency,
  requestImports,
  due,
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

  async function applyOne(partition: string): Promise<void> {
    const { changes, quarantined, more } = await tracing.span('apply batch', { partition }, (link) => {
      const startMs = Date.now();
      const onSettled = (events: readonly SettledEvent[]): void => {
        link(events.flatMap(({ traceId }) => traceId || []));
        tell(events, startMs);
      };
      return applyBatch(db, partition, { requestImports, onSettled });
    });
    if (changes.length > 0) onChanges(changes);
    if (quarantined > 0)
      log.error({ partition, events: quarantined }, 'events were quarantined; see directoryEvents(statuses: [QUARANTINED])');
    // After the others.
    if (more) unfinished.add(partition);
  }

  /** With more to do at once. */
  const unfinished = new Set<string>();
  let lookedAt = Number.NEGATIVE_INFINITY;
  const isTimeToLook = (): boolean => performance.now() - lookedAt >= LOOK_INTERVAL_MS;

  /** What is due, and whatever becomes so meanwhile, until it is time to look. */
  async function round(waiting: Set<string>, signal: AbortSignal): Promise<void> {
    const busy = new Set<string>();
    const lanes = new Set<Promise<unknown>>();
    const failures: unknown[] = [];

    function next(): string | undefined {
      if (signal.aborted) return undefined;
      for (const partition of waiting) if (waiting.delete(partition)) return partition;
      return isTimeToLook() ? undefined : due.take(busy);
    }

    function fill(): void {
      while (lanes.size < concurrency) {
        const partition = next();
        if (partition === undefined) return;
        busy.add(partition);
        const lane = applyOne(partition)
          .catch((error: unknown) => failures.push(error))
          .finally(() => {
            busy.delete(partition);
            lanes.delete(lane);
            fill();
          });
        lanes.add(lane);
      }
    }

    due.listen(fill);
    fill();
    // All of them end before the next round begins, also when one has failed.
    while (lanes.size > 0) await Promise.all(lanes);
    due.listen(null);
    if (failures.length === 0) return;
    lookedAt = Number.NEGATIVE_INFINITY;
    throw failures[0];
  }

  return async (signal) => {
    const { partitions, elsewhere } = due.takeAll();
    for (const partition of unfinished) partitions.add(partition);
    unfinished.clear();
    // Whoever is named does not wait for the look.
    if (partitions.size > 0) await round(partitions, signal);
    if (elsewhere || isTimeToLook()) {
      const askedAt = performance.now();
      const found = await pendingPartitions(db);
      lookedAt = askedAt;
      await round(new Set(found), signal);
    }
    return unfinished.size > 0 ? 'again' : 'idle';
  };
}
