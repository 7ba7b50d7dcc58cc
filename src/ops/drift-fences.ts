// What a read as of some version can say nothing about: whatever an event names that is newer than the read, or not yet
// applied, and accounts that were read again on their own since. Asked for after the rows that are compared, so that an event
// that comes in between fences too much rather than too little.
import type { Tx } from '../db/client.ts';

export interface ReadMoment {
  directoryId: string;
  version: string;
  startedAt: Date;
}

/** Ids of unusable envelopes are no versions. */
const NEWER = "e.id > $2 AND e.id < 'event`'";

// By (user_id, id); refresh_task by primary key; state_read by the index on entity_ids. A refresh asked for before the read
// began is answered by it.
const ACCOUNTS = `
  SELECT e.user_id AS id FROM directory_event e WHERE e.user_id = ANY($1::text[]) AND (${NEWER} OR e.status = 'PENDING')
  UNION SELECT user_id FROM refresh_task WHERE user_id = ANY($1::text[]) AND requested_at >= $3::timestamptz
  UNION SELECT entity_ids[1] FROM state_read WHERE entity_ids && $1::text[] AND kind IN ('USER_GROUPS', 'USER_GONE') AND version > $2`;

// By (directory_id, id), and by (status, partition, id) for what waits. `whole`: an event about the group itself, which may
// concern every member.
const GROUPS = `
  SELECT id, bool_or(whole) AS whole FROM (
    SELECT e.group_id AS id, e.user_id IS NULL AS whole FROM directory_event e WHERE e.directory_id = $1 AND e.group_id IS NOT NULL AND ${NEWER}
    UNION ALL SELECT e.group_id, e.user_id IS NULL FROM directory_event e WHERE e.status = 'PENDING' AND e.directory_id = $1 AND e.group_id IS NOT NULL
  ) AS touched GROUP BY id`;

// By the index of events about the directory itself.
const DIRECTORY = `
  SELECT e.id FROM directory_event e WHERE e.directory_id = $1 AND e.user_id IS NULL AND e.group_id IS NULL AND (${NEWER} OR e.status = 'PENDING')
    AND e.type IN ('dsync.activated', 'dsync.deactivated', 'dsync.deleted') LIMIT 1`;

// By (directory_id, id).
const TOUCHED = `
  SELECT count(DISTINCT e.user_id)::int AS users, count(DISTINCT e.group_id)::int AS groups FROM directory_event e WHERE e.directory_id = $1 AND ${NEWER}`;

export async function fencedAccounts(tx: Tx, { version, startedAt }: ReadMoment, userIds: readonly string[]): Promise<Set<string>> {
  const rows = await tx.$queryRawUnsafe<{ id: string }[]>(ACCOUNTS, userIds, version, startedAt.toISOString());
  return new Set(rows.map(({ id }) => id));
}

// By primary key; usually there is no unfinished change.
const COMPUTED_AGAIN = `
  SELECT u.id FROM directory_user u JOIN wide_change w ON w.organization_id = u.organization_id AND w.finished_at IS NULL WHERE u.id = ANY($1::text[])`;

/** Of these, whose stored access may lag behind a change of the catalog that is still under way. */
export const accountsComputedAgain = async (tx: Tx, userIds: readonly string[]): Promise<Set<string>> =>
  new Set((await tx.$queryRawUnsafe<{ id: string }[]>(COMPUTED_AGAIN, userIds)).map(({ id }) => id));

/** `whole`: their memberships too. */
export async function fencedGroups(tx: Tx, { directoryId, version }: ReadMoment): Promise<{ named: Set<string>; whole: Set<string> }> {
  const rows = await tx.$queryRawUnsafe<{ id: string; whole: boolean }[]>(GROUPS, directoryId, version);
  return { named: new Set(rows.map(({ id }) => id)), whole: new Set(rows.flatMap(({ id, whole }) => (whole ? [id] : []))) };
}

/** Whether the directory itself has come, gone or changed since. */
export const isDirectoryFenced = async (tx: Tx, { directoryId, version }: ReadMoment): Promise<boolean> =>
  (await tx.$queryRawUnsafe<unknown[]>(DIRECTORY, directoryId, version)).length > 0;

/** How many users and groups the events since have named. */
export async function countTouched(tx: Tx, { directoryId, version }: ReadMoment): Promise<{ users: number; groups: number }> {
  const [row] = await tx.$queryRawUnsafe<{ users: number; groups: number }[]>(TOUCHED, directoryId, version);
  return row ?? { users: 0, groups: 0 };
}
