// Inbox → applied, organization by organization: those with few events together in one transaction at a time, while it waits for
// the disk the next ones gather; those with more beside it, several at a time, each by itself. Each organization in order. Those
// that are named as having something are taken at once, also while others are under way; the inbox is looked at for the rest, at
// the latest after LOOK_INTERVAL_MS.
import { applyBatch } from '../apply/apply-batch.ts';
import { applyFew, FEW, MAX_PARTITIONS } from '../apply/apply-few.ts';
import { waitingIn } from '../apply/pending.ts';
import type { SettledEvent } from '../apply/settle-batch.ts';
import type { Db } from '../db/client.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { RecordedChange } from '../model/change.ts';
import type { Attributes, Counts, Tracing } from '../model/telemetry.ts';
import type { DuePartitions } from './due-partitions.ts';

export interface ApplyStepDeps {
  db: Db;
  log: Logger;
  /** Organizations at a time, of those that are taken by themselves. */
  concurrency: number;
  requestImports: boolean;
  due: DuePartitions;
  /** The change log has grown, by these. */
  onChanges: (changes: readonly RecordedChange[]) => void;
  counts: Pick<Counts, 'applied'>;
  tracing: Tracing;
}

export const LOOK_INTERVAL_MS = 1_000;

interface Done {
  changes: readonly RecordedChange[];
  quarantined: number;
}

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
  /** With more to do at once. */
  const unfinished = new Set<string>();
  let lookedAt = Number.NEGATIVE_INFINITY;
  const isTimeToLook = (): boolean => performance.now() - lookedAt >= LOOK_INTERVAL_MS;

  function tell(events: readonly SettledEvent[], startMs: number): void {
    const applied = events.filter(({ status }) => status === 'APPLIED');
    for (const [type, { length }] of Map.groupBy(applied, (event) => event.type)) counts.applied(type, length);
    if (!tracing.on) return;
    for (const { id, type, traceId, status } of events) {
      if (traceId) tracing.stage('apply', { traceId, startMs, attributes: { 'event.id': id, 'event.type': type, status } });
    }
  }

  async function told<T extends Done>(
    attributes: Attributes,
    apply: (options: { requestImports: boolean; onSettled: (events: readonly SettledEvent[]) => void }) => Promise<T>,
  ): Promise<T> {
    const done = await tracing.span('apply batch', attributes, (link) => {
      const startMs = Date.now();
      const onSettled = (events: readonly SettledEvent[]): void => {
        link(events.flatMap(({ traceId }) => traceId || []));
        tell(events, startMs);
      };
      return apply({ requestImports, onSettled });
    });
    if (done.changes.length > 0) onChanges(done.changes);
    if (done.quarantined > 0)
      log.error({ ...attributes, events: done.quarantined }, 'events were quarantined; see directoryEvents(statuses: [QUARANTINED])');
    return done;
  }

  async function applyAlone(partition: string): Promise<void> {
    const { more } = await told({ partition }, (options) => applyBatch(db, partition, options));
    // After the others.
    if (more) unfinished.add(partition);
  }

  /** Those that are left, to be taken by themselves. */
  async function applyTogether(partitions: readonly string[]): Promise<readonly string[]> {
    const { left, failure } = await told({ partitions: partitions.length }, (options) => applyFew(db, partitions, options));
    if (failure !== undefined) log.debug({ partitions: left.length, err: messageOf(failure) }, 'not together: each by itself');
    return left;
  }

  /** What is due, and whatever becomes so meanwhile, until it is time to look. */
  async function round(few: Set<string>, alone: Set<string>, signal: AbortSignal): Promise<void> {
    const busy = new Set<string>();
    const lanes = { alone: 0, together: 0 };
    const running = new Set<Promise<unknown>>();
    const failures: unknown[] = [];
    const goesOn = (): boolean => !isTimeToLook() && !due.isElsewhere();

    function takeFrom(waiting: Set<string>): string | undefined {
      for (const partition of waiting) if (!busy.has(partition) && waiting.delete(partition)) return partition;
      return undefined;
    }
    const nextAlone = (): string | undefined => takeFrom(alone) ?? (goesOn() ? takeFrom(unfinished) : undefined);
    function nextFew(): string[] {
      const names = new Set<string>();
      while (names.size < MAX_PARTITIONS) {
        const name = takeFrom(few) ?? (goesOn() ? due.take(busy) : undefined);
        if (name === undefined) break;
        names.add(name);
      }
      return [...names];
    }

    function run(kind: keyof typeof lanes, partitions: readonly string[], work: Promise<void>): void {
      for (const partition of partitions) busy.add(partition);
      lanes[kind] += 1;
      const lane = work
        .catch((error: unknown) => failures.push(error))
        .finally(() => {
          for (const partition of partitions) busy.delete(partition);
          lanes[kind] -= 1;
          running.delete(lane);
          fill();
        });
      running.add(lane);
    }

    function fill(): void {
      if (signal.aborted) return;
      if (lanes.together === 0) {
        const partitions = nextFew();
        const leave = (left: readonly string[]): void => {
          for (const partition of left) alone.add(partition);
        };
        if (partitions.length > 0) run('together', partitions, applyTogether(partitions).then(leave));
      }
      while (lanes.alone < concurrency) {
        const partition = nextAlone();
        if (partition === undefined) return;
        run('alone', [partition], applyAlone(partition));
      }
    }

    due.listen(fill);
    fill();
    // All of them end before the next round begins, also when one has failed.
    while (running.size > 0) await Promise.all(running);
    due.listen(null);
    if (failures.length === 0) return;
    lookedAt = Number.NEGATIVE_INFINITY;
    throw failures[0];
  }

  function takeUnfinished(): Set<string> {
    const taken = new Set(unfinished);
    unfinished.clear();
    return taken;
  }

  return async (signal) => {
    const { partitions, elsewhere } = due.takeAll();
    // Whoever is named does not wait for the look.
    if (partitions.size + unfinished.size > 0) await round(partitions, takeUnfinished(), signal);
    if (elsewhere || isTimeToLook()) {
      const askedAt = performance.now();
      const found = await waitingIn(db);
      lookedAt = askedAt;
      const named = (isFew: boolean) => found.filter(({ waiting }) => waiting < FEW === isFew).map(({ partition }) => partition);
      await round(new Set(named(true)), new Set([...takeUnfinished(), ...named(false)]), signal);
    }
    return unfinished.size > 0 ? 'again' : 'idle';
  };
}
