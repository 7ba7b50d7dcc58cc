// Inbox → everything that follows, for several partitions with few events each: one transaction for all of them, since recording
// transactions wait for each other's commits at the row of change_log_head. It never waits for a partition that somebody
// else holds, and whatever does not go smoothly (apply-batch.ts) is left: to be taken by itself, where faults are isolated.
import type { Db, Tx } from '../db/client.ts';
import { tryLockPartitions } from '../db/lock.ts';
import { together } from '../db/together.ts';
import { type ApplyOptions, BATCH_BYTES, type BatchResult } from './apply-batch.ts';
import { isCatalogType } from './parse-event.ts';
import { type PendingEvent, takePending } from './pending.ts';
import { settleBatch } from './settle-batch.ts';
import { applying } from './under-lock.ts';

/** Events of a partition; with more it is worth a transaction of its own. */
export const FEW = 20;
/** Partitions in one transaction: together as many events as a batch of one. */
export const MAX_PARTITIONS = 50;

export interface FewResult extends Omit<BatchResult, 'more'> {
  /** Partitions to be taken by themselves: held by somebody, with more to do, reaching beyond themselves, or all after a failure. */
  left: string[];
  /** What went wrong, if anything: nothing was settled. */
  failure?: unknown;
}

/** The first events about the directory of each partition. Those about the catalog take another way. */
function ofDirectory(pending: readonly PendingEvent[]): PendingEvent[] {
  const ended = new Set<string>();
  return pending.filter(({ partition, type }) => {
    if (isCatalogType(type)) ended.add(partition);
    return !ended.has(partition);
  });
}

/** At most MAX_PARTITIONS, each once. Never throws: what failed is told, and left. */
export async function applyFew(db: Db, partitions: readonly string[], options: Omit<ApplyOptions, 'batchSize'>): Promise<FewResult> {
  const bounds = { each: FEW, bytes: options.batchBytes ?? BATCH_BYTES };
  try {
    const work = async (tx: Tx) => {
      const [locked, pending] = await together(tryLockPartitions(tx, partitions), takePending(tx, partitions, bounds));
      const taken = ofDirectory(pending.filter(({ partition }) => locked.has(partition)));
      const settled = await settleBatch(tx, taken, { ...options, bounded: true });
      const waiting = new Map(pending.map(({ partition, found }) => [partition, found]));
      for (const { partition } of taken) waiting.set(partition, (waiting.get(partition) ?? 0) - 1);
      // Those of which nothing is told have nothing, or no room was left for it.
      const unseen = (pending[0]?.foundInAll ?? 0) > pending.length ? 1 : 0;
      const full = new Set(pending.filter(({ found }) => found === FEW).map(({ partition }) => partition));
      const isFinished = (name: string) => (waiting.get(name) ?? unseen) === 0 && !full.has(name) && !settled.beyond.has(name);
      const finished = [...locked].filter(isFinished);
      return { ...settled, finished };
    };
    const { events, quarantined, changes, finished } = await applying(db, work, { rawOnly: true });
    options.onSettled?.(events);
    return { settled: events.length, quarantined, changes, left: partitions.filter((partition) => !finished.includes(partition)) };
  } catch (failure) {
    return { settled: 0, quarantined: 0, changes: [], left: [...partitions], failure };
  }
}
