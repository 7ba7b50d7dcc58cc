// What each process says of its subscribers, so that every node can tell of all of them. A row per process, written every
// few seconds and forgotten when its process is silent. The clock is the database's. A caller that is bound to an organization
// is told of the subscribers that are, and of no others.
import type { Db, Tx } from '../db/client.ts';
import { messageOf } from '../errors.ts';
import { runLoop } from '../lib/loop.ts';
import type { Logger } from '../log.ts';

export interface FeedStats {
  subscribers: number;
  /** null: there are none. */
  slowestLagSeconds: number | null;
  /** Cut off because they took nothing, since the start. */
  stalledReaders: number;
}

/** By the organization that callers are bound to; ALL: of all callers, bound or not. */
export type FeedStatsByTenant = Readonly<Record<string, FeedStats>>;
export const ALL = '';

export const NO_SUBSCRIBERS: FeedStats = { subscribers: 0, slowestLagSeconds: null, stalledReaders: 0 };

const INTERVAL_MS = 5_000;
const FORGOTTEN_AFTER_SECONDS = 30;

// By primary key; the table has a row per process. Whoever comes by first takes the forgotten ones away.
const REPORT = `
  WITH forgotten AS (
    DELETE FROM node_status WHERE id IN (SELECT id FROM node_status WHERE seen_at < now() - interval '${FORGOTTEN_AFTER_SECONDS} seconds' AND id <> $1 FOR UPDATE SKIP LOCKED)
  )
  INSERT INTO node_status (id, seen_at, feed) VALUES ($1, now(), $2::jsonb)
  ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, feed = excluded.feed`;

// All of a small table.
const OTHERS = `
  SELECT feed -> $2 AS stats FROM node_status WHERE id <> $1 AND seen_at >= now() - interval '${FORGOTTEN_AFTER_SECONDS} seconds' AND feed ? $2`;

export async function reportNode(db: Db, id: string, stats: FeedStatsByTenant): Promise<void> {
  await db.$executeRawUnsafe(REPORT, id, JSON.stringify(stats));
}

/** Until the signal; then the row goes with the process. */
export async function reportNodeWhile(
  { db, id, stats, log }: { db: Db; id: string; stats: () => FeedStatsByTenant; log: Logger },
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
export async function readOtherNodes(tx: Tx, id: string, tenant: string | null): Promise<FeedStats> {
  const rows = await tx.$queryRawUnsafe<{ stats: FeedStats }[]>(OTHERS, id, tenant ?? ALL);
  return rows.reduce((sum, { stats }) => addStats(sum, stats), NO_SUBSCRIBERS);
}

export const addStats = (a: FeedStats, b: FeedStats): FeedStats => ({
  subscribers: a.subscribers + b.subscribers,
  slowestLagSeconds:
    a.slowestLagSeconds === null || b.slowestLagSeconds === null
      ? (a.slowestLagSeconds ?? b.slowestLagSeconds)
      : Math.max(a.slowestLagSeconds, b.slowestLagSeconds),
  stalledReaders: a.stalledReaders + b.stalledReaders,
});
