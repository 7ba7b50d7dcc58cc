// What each process says of its subscribers, so that every node can tell of all of them. A row per process, written every
// few seconds and forgotten when its process is silent. The clock is the database's.
import type { Db, Tx } from '../db/client.ts';
import { messageOf } from '../errors.ts';
import { runLoop } from '../lib/loop.ts';
import type { Logger } from '../log.ts';

export interface FeedStats {
  subscribers: number;
  /** null: there are none. */
  slowestLagSeconds: number | null;
  /** Cut off because they took nothing, since the start. */
  stalledReaders?: number;
}

const INTERVAL_MS = 5_000;
const FORGOTTEN_AFTER_SECONDS = 30;

// By primary key; the table has a row per process. Whoever comes by first takes the forgotten ones away.
const REPORT = `
  WITH forgotten AS (
    DELETE FROM node_status WHERE id IN (SELECT id FROM node_status WHERE seen_at < now() - interval '${FORGOTTEN_AFTER_SECONDS} seconds' AND id <> $1 FOR UPDATE SKIP LOCKED)
  )
  INSERT INTO node_status (id, seen_at, subscribers, slowest_lag_seconds, stalled_readers) VALUES ($1, now(), $2::int, $3::float8, $4::int)
  ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, subscribers = excluded.subscribers,
    slowest_lag_seconds = excluded.slowest_lag_seconds, stalled_readers = excluded.stalled_readers`;

// All of a small table.
const OTHERS = `
  SELECT coalesce(sum(subscribers), 0)::int AS subscribers, max(slowest_lag_seconds) AS "slowestLagSeconds", coalesce(sum(stalled_readers), 0)::int AS "stalledReaders"
  FROM node_status WHERE id <> $1 AND seen_at >= now() - interval '${FORGOTTEN_AFTER_SECONDS} seconds'`;

export async function reportNode(db: Db, id: string, { subscribers, slowestLagSeconds, stalledReaders = 0 }: FeedStats): Promise<void> {
  await db.$executeRawUnsafe(REPORT, id, subscribers, slowestLagSeconds, stalledReaders);
}

/** Until the signal; then the row goes with the process. */
export async function reportNodeWhile(
  { db, id, stats, log }: { db: Db; id: string; stats: () => FeedStats; log: Logger },
  signal: AbortSignal,
): Promise<void> {
  const step = async (): Promise<'idle'> => {
    await reportNode(db, id, stats());
    return 'idle';
  };
  const onError = (error: unknown): void => log.debug({ err: messageOf(error) }, 'this process could not tell of its subscribers');
  await runLoop(step, { signal, idleMs: INTERVAL_MS, onError });
  await db.$executeRawUnsafe('DELETE FROM node_status WHERE id = $1', id).catch(onError);
}

/** Of all processes but one, which knows itself better. */
export async function readOtherNodes(tx: Tx, id: string): Promise<FeedStats> {
  const [row] = await tx.$queryRawUnsafe<FeedStats[]>(OTHERS, id);
  return row ?? { subscribers: 0, slowestLagSeconds: null, stalledReaders: 0 };
}
