// Advisory locks of a transaction, held until it ends. Lock order, for everybody: the job's lease, then the environment, then
// partitions in sorted order (or any number at once without waiting), then rows, and the row of change_log_head last. Whoever keeps
// to it cannot deadlock with another.
//
// Applying events of one partition excludes only that partition; a change of the catalog touches every organization and
// excludes all of them by taking the environment for itself.
import type { Tx } from './client.ts';

const ENVIRONMENT = 'environment';

// What is done under a lock finds its rows by key. Plans of prepared statements are kept, and one that was made while the tables
// were small would read them from end to end after they have grown.
const BY_INDEX = "set_config('enable_seqscan', 'off', true) AS plans";

// 64 bits of the name: two partitions that share a key would only wait for each other, and that practically never.
// One round trip; CASE takes the first before the second.
const LOCK_WITHIN = `
  SELECT ${BY_INDEX}, CASE WHEN pg_advisory_xact_lock_shared(hashtextextended('access-service/' || $1, 0))::text IS NOT NULL
              THEN pg_advisory_xact_lock(hashtextextended('access-service/' || $2, 0))::text END AS locked`;
const TRY_LOCK_WITHIN = `
  WITH environment AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(hashtextextended('access-service/' || $1, 0))::text AS held)
  SELECT ${BY_INDEX}, ARRAY(
    SELECT name FROM environment, unnest($2::text[]) AS due(name)
    WHERE CASE WHEN held IS NOT NULL THEN pg_try_advisory_xact_lock(hashtextextended('access-service/partition:' || name, 0)) END) AS locked`;
const LOCK_EXCLUSIVE = `SELECT ${BY_INDEX} FROM pg_advisory_xact_lock(hashtextextended('access-service/' || $1, 0))`;

/** Waits until nobody else works on this partition or on the environment. Several partitions: call in sorted order. */
export async function lockPartition(tx: Tx, partition: string): Promise<void> {
  await tx.$queryRawUnsafe(LOCK_WITHIN, ENVIRONMENT, `partition:${partition}`);
}

/**
 * Those of several partitions that nobody else works on, without waiting for the others; waits for the environment only. Whoever
 * has asked for this must not ask for another partition afterwards.
 */
export async function tryLockPartitions(tx: Tx, partitions: readonly string[]): Promise<Set<string>> {
  const [row] = await tx.$queryRawUnsafe<{ locked: string[] }[]>(TRY_LOCK_WITHIN, ENVIRONMENT, partitions);
  return new Set(row?.locked);
}

/** Waits until nobody else works on any partition. */
export async function lockEnvironment(tx: Tx): Promise<void> {
  await tx.$queryRawUnsafe(LOCK_EXCLUSIVE, ENVIRONMENT);
}
