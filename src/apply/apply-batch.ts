// Inbox → users, groups, memberships, effective access and the change log: one transaction per batch of one partition, in
// event-id order. Reads directory_event, writes everything that follows. A transaction that fails is tried again with half
// the events, so a poison event ends alone (and then in quarantine) while the rest goes on.
import type { Db, Tx } from '../db/client.ts';
import { inTransaction } from '../db/transaction.ts';
import { messageOf } from '../errors.ts';
import type { RecordedChange } from '../model/change.ts';
import { classifyFailure, RETRY_DELAYS_MS } from './failure.ts';
import { isCatalogType } from './parse-event.ts';
import { type PendingEvent, takePending } from './pending.ts';
import { type SettledEvent, settleBatch } from './settle-batch.ts';
import { settleEvents } from './settle-events.ts';
import { lock, underLock } from './under-lock.ts';

/** With a deep backlog: so many that what each transaction and statement costs by itself no longer counts. */
const BATCH_SIZE = 1_000;
/** Of JSON text, so that memory is bounded however large events are; a single one may be larger. */
export const BATCH_BYTES = 2 * 1024 * 1024;

export interface ApplyOptions {
  /** Ask for a full read of directories that are new or known from others' facts only. */
  requestImports: boolean;
  batchSize?: number;
  batchBytes?: number;
  /** Told of what was settled, once it is committed. */
  onSettled?: (events: readonly SettledEvent[]) => void;
}

export interface BatchResult {
  /** Events that left PENDING. */
  settled: number;
  quarantined: number;
  /** Recorded, in the order of the log. */
  changes: readonly RecordedChange[];
  /** There may be more to do for this partition at once. */
  more: boolean;
}

/** The first events that are all of the catalog, or all of the directory: they take different ways. */
function sameKind(events: readonly PendingEvent[]): PendingEvent[] {
  const catalog = isCatalogType(events[0]?.type ?? '');
  const end = events.findIndex((event) => isCatalogType(event.type) !== catalog);
  return end < 0 ? [...events] : events.slice(0, end);
}

/** One batch of one partition. Throws on an outage only. */
export async function applyBatch(db: Db, partition: string, options: ApplyOptions): Promise<BatchResult> {
  const bytes = options.batchBytes ?? BATCH_BYTES;
  let limit = options.batchSize ?? BATCH_SIZE;
  for (;;) {
    let taken: PendingEvent[] = [];
    try {
      const work = async (tx: Tx, within: string | null) => {
        const pending = await takePending(tx, [partition], { each: limit, bytes });
        taken = sameKind(pending);
        const settled = await settleBatch(tx, taken, { ...options, bounded: within !== null });
        const found = pending[0]?.found ?? 0;
        return settled.beyond.size > 0 ? undefined : { ...settled, more: found === limit || taken.length < found };
      };
      const { events, more, ...result } = await underLock(db, partition, work, { rawOnly: true });
      options.onSettled?.(events);
      return { settled: events.length, quarantined: result.quarantined, changes: result.changes, more };
    } catch (error) {
      const failure = classifyFailure(error);
      const [only, ...others] = taken;
      if (failure === 'outage' || !only) throw error;
      if (others.length === 0) return recordFailure(db, only, error, failure === 'refused_by_database');
      limit = Math.ceil(taken.length / 2);
    }
  }
}

const FAILED_ATTEMPT = `
  UPDATE directory_event SET attempts = attempts + 1, error = $2, next_attempt_at = now() + $3 * interval '1 millisecond' WHERE id = $1 AND status = 'PENDING'`;

const LAST_ATTEMPT = `UPDATE directory_event SET attempts = attempts + 1 WHERE id = $1 AND status = 'PENDING'`;

/** Under the lock like any batch, so that the mark on an account is not overwritten, and another worker's success not by our failure. */
async function recordFailure(db: Db, event: PendingEvent, error: unknown, final: boolean): Promise<BatchResult> {
  // The driver's text begins with the statement; what is wrong stands in its last line.
  const reason = (messageOf(error).trim().split('\n').at(-1) ?? 'unknown').slice(0, 500);
  const delayMs = final ? undefined : RETRY_DELAYS_MS[event.attempts];
  return inTransaction(db, async (tx) => {
    await lock(tx, event.partition);
    if (delayMs !== undefined) {
      await tx.$executeRawUnsafe(FAILED_ATTEMPT, event.id, reason, delayMs);
      return { settled: 0, quarantined: 0, changes: [], more: true };
    }
    const settled = await tx.$executeRawUnsafe(LAST_ATTEMPT, event.id);
    if (settled > 0) await settleEvents(tx, [{ id: event.id, status: 'QUARANTINED', error: reason }]);
    return { settled, quarantined: settled, changes: [], more: true };
  });
}
