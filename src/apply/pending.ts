// The inbox as apply finds it: who has something to do now, and the first events of partitions in event-id order, within bounds.
import type { Db, Tx } from '../db/client.ts';
import { together } from '../db/together.ts';
import type { StoredEvent } from './parse-event.ts';

export interface PendingEvent extends StoredEvent {
  partition: string;
  attempts: number;
  traceId: string;
  /** So many of its partition were waiting, or as many as were asked for. */
  found: number;
  /** The same of all partitions. */
  foundInAll: number;
}

export interface Bounds {
  /** Events of each partition. */
  each: number;
  /** Of JSON text, in all; a single event may be larger. */
  bytes: number;
}

// By (status, partition, id): of each partition so many of the first, and how many there were to choose from; in all as many of the
// first as begin within the bound of bytes. The first by id of all are the first of each.
const PENDING = `
  SELECT id, partition, type, raw, "occurredAt", attempts, "traceId", found, "foundInAll" FROM (
    SELECT first.*, count(*) OVER ()::int AS "foundInAll", sum(octet_length(raw)) OVER (ORDER BY id) - octet_length(raw) AS before
    FROM unnest($1::text[]) AS due(name) CROSS JOIN LATERAL (
      SELECT *, count(*) OVER ()::int AS found FROM (
        SELECT id, partition, type, raw, occurred_at AS "occurredAt", attempts, trace_id AS "traceId" FROM directory_event
        WHERE status = 'PENDING' AND partition = due.name AND (next_attempt_at IS NULL OR next_attempt_at <= now()) ORDER BY id LIMIT $2) AS waiting
      ) AS first
    ) AS measured
  WHERE before < $3 ORDER BY id`;

const PARTITIONS = `
  SELECT partition, count(*)::int AS waiting FROM directory_event WHERE status = 'PENDING' AND (next_attempt_at IS NULL OR next_attempt_at <= now())
  GROUP BY partition ORDER BY partition`;

// While the inbox grows the planner would gather the few rows by a bitmap, which does not mark the entries of rows that are no longer
// pending: every batch would look again at all that was settled since the last vacuum, a fifth of the inbox. An index scan marks them.
// For this statement alone: the one that writes changes and versions read three times as much without bitmaps, and more with every batch.
const INDEX_SCANS_ONLY = 'SET LOCAL enable_bitmapscan = off';
const ANY_SCANS = 'SET LOCAL enable_bitmapscan = DEFAULT';

export async function takePending(tx: Tx, partitions: readonly string[], { each, bytes }: Bounds): Promise<PendingEvent[]> {
  const [, events] = await together(
    tx.$executeRawUnsafe(INDEX_SCANS_ONLY),
    tx.$queryRawUnsafe<PendingEvent[]>(PENDING, partitions, each, bytes),
    tx.$executeRawUnsafe(ANY_SCANS),
  );
  return events;
}

/** Partitions with something to do now, and how many events wait there. */
export const waitingIn = (db: Db): Promise<{ partition: string; waiting: number }[]> => db.$queryRawUnsafe(PARTITIONS);

/** Partitions with something to do now. */
export const pendingPartitions = async (db: Db): Promise<string[]> => (await waitingIn(db)).map(({ partition }) => partition);
