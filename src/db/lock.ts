// Advisory locks of a transaction, held until it ends. Lock order, for everybody: the job's lease, then the environment, then
// partitions in sorted order, then rows, and the row of change_log_head last. Whoever keeps to it cannot deadlock with another.
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
const LOCK_EXCLUSIVE = `SELECT ${BY_INDEX} FROM pg_advisory_xact_lock(hashtextextended('access-service/' || $1, 0))`;

/** Waits until nobody else works on this partition or on the environment. Several partitions: call in sorted order. */
export async function lockPartition(tx: Tx, partition: string): Promise<void> {
  await tx.$queryRawUnsafe(LOCK_WITHIN, ENVIRONMENT, `partition:${partition}`);
}

/** Waits until nobody else works on any partition. */
export async function lockEnvironment(tx: Tx): Promise<void> {
  await tx.$queryRawUnsafe(LOCK_EXCLUSIVE, ENVIRONMENT);
}
