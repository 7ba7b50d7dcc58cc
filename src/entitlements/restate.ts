// What given users may do, stated once more from the tables, for repairs. Everywhere else a step is measured against the step
// before it; that is exact as long as nothing else writes, and carries on whatever has gone wrong. Here three things are held
// against each other instead: what follows from the rows, what is stored, and what the change log has told (I2).
//
// Where stored and told differ, some callers have the one (who asked, who took a snapshot) and some the other (who follows the
// log). A change repeats what any of them may lack and takes back what any of them may hold, so all end with the same.
import type { Tx } from '../db/client.ts';
import type { Cause } from '../model/change.ts';
import { OPEN_END } from '../model/cursor.ts';
import { type Effective, NO_ACCESS } from '../model/entitlement.ts';
import { diffEffective, sameEffective } from './diff.ts';
import { type DerivableUser, readDerivable } from './recompute.ts';
import type { MembershipTransition, Transition } from './transition.ts';

/** What the change log makes of one user in one organization. */
interface Told {
  userId: string;
  organizationId: string;
  directoryId: string;
  roles: string[];
  permissions: string[];
}

// Of each role and permission the last word counts: changes by (user_id, position). What was told before the oldest change that
// is kept stands in the version that held then: by (user_id, to_position).
const TOLD = `
  WITH forgotten AS (
    SELECT coalesce((SELECT min(position) - 1 FROM entitlement_change), (SELECT position FROM change_log_head WHERE id = 1)) AS position
  ), said AS (
    SELECT e.user_id, e.organization_id, e.directory_id, 0::bigint AS position, e.roles AS granted_roles, '{}'::text[] AS revoked_roles,
           e.permissions AS granted_permissions, '{}'::text[] AS revoked_permissions
    FROM effective_entitlement e, forgotten f WHERE e.user_id = ANY($1::text[]) AND e.from_position <= f.position AND e.to_position > f.position
    UNION ALL SELECT user_id, organization_id, directory_id, position, granted_roles, revoked_roles, granted_permissions, revoked_permissions
    FROM entitlement_change WHERE user_id = ANY($1::text[])
  ), words AS (
    SELECT user_id, organization_id, directory_id, position, 'role' AS kind, unnest(granted_roles) AS item, true AS held FROM said
    UNION ALL SELECT user_id, organization_id, directory_id, position, 'role', unnest(revoked_roles), false FROM said
    UNION ALL SELECT user_id, organization_id, directory_id, position, 'permission', unnest(granted_permissions), true FROM said
    UNION ALL SELECT user_id, organization_id, directory_id, position, 'permission', unnest(revoked_permissions), false FROM said
  ), last AS (
    SELECT DISTINCT ON (user_id, organization_id, kind, item) * FROM words ORDER BY user_id, organization_id, kind, item, position DESC
  )
  SELECT user_id AS "userId", organization_id AS "organizationId", max(directory_id) AS "directoryId",
         coalesce(array_agg(item ORDER BY item COLLATE "C") FILTER (WHERE kind = 'role'), '{}') AS roles,
         coalesce(array_agg(item ORDER BY item COLLATE "C") FILTER (WHERE kind = 'permission'), '{}') AS permissions
  FROM last WHERE held GROUP BY user_id, organization_id ORDER BY user_id, organization_id`;

/** A membership that counts without an interval that says so, or the other way round, or in another organization. */
interface Misplaced {
  userId: string;
  groupId: string;
  begunIn: string | null;
  countsIn: string | null;
}

// Both by primary key prefix (user_id).
const MISPLACED = `
  SELECT user_id AS "userId", group_id AS "groupId", i.organization_id AS "begunIn", m.organization_id AS "countsIn"
  FROM (SELECT user_id, group_id, organization_id FROM membership_interval WHERE user_id = ANY($1::text[]) AND to_position = ${OPEN_END}) i
  FULL JOIN (SELECT user_id, group_id, organization_id FROM membership WHERE user_id = ANY($1::text[]) AND active) m USING (user_id, group_id)
  WHERE i.organization_id IS DISTINCT FROM m.organization_id ORDER BY user_id, group_id`;

/** Only what has to be written. The caller holds the lock of the users' partition, and has written their rows. */
export async function restateUsers(tx: Tx, userIds: readonly string[], cause: Cause): Promise<Transition[]> {
  const users = await readDerivable(tx, userIds);
  const told = Map.groupBy(await tx.$queryRawUnsafe<Told[]>(TOLD, userIds), ({ userId }) => userId);
  const misplaced = Map.groupBy(await tx.$queryRawUnsafe<Misplaced[]>(MISPLACED, userIds), ({ userId }) => userId);
  return users.flatMap((user) => restate(user, told.get(user.id) ?? [], misplaced.get(user.id) ?? [], cause));
}

/** Pure. */
function restate(user: DerivableUser, told: readonly Told[], misplaced: readonly Misplaced[], cause: Cause): Transition[] {
  const { id: userId, organizationId, directoryId, effective } = user;
  const elsewhere = told.filter((one) => one.organizationId !== organizationId);
  // Where the log tells of another organization too, the stored access moves from there, and begins here.
  const moves = effective !== null && elsewhere.some((one) => one.organizationId === effective.organizationId);
  const stored = effective === null || moves ? NO_ACCESS : effective;
  const after = user.derive(stored, cause);
  const before = { ...stored, ...asAnyoneHolds(stored, told.find((one) => one.organizationId === organizationId) ?? NO_ACCESS, after) };
  const isPlaced = effective === null || (effective.organizationId === organizationId && effective.directoryId === directoryId);
  const isRight = isPlaced && sameEffective(stored, after) && !diffEffective(before, after);

  const membership = (groupId: string, active: boolean, place: string): MembershipTransition => ({
    kind: 'membership',
    userId,
    groupId,
    organizationId: place,
    active,
    cause,
  });
  return [
    ...misplaced.flatMap(({ groupId, begunIn }) => (begunIn === null ? [] : [membership(groupId, false, begunIn)])),
    ...elsewhere.map((one): Transition => {
      const held = effective?.organizationId === one.organizationId ? effective : NO_ACCESS;
      const lost = { ...NO_ACCESS, ...asAnyoneHolds(held, one, NO_ACCESS) };
      const place = { userId, organizationId: one.organizationId, directoryId: one.directoryId };
      return { kind: 'access', ...place, before: lost, after: NO_ACCESS, cause, anew: true };
    }),
    ...misplaced.flatMap(({ groupId, countsIn }) => (countsIn === null ? [] : [membership(groupId, true, countsIn)])),
    ...(isRight ? [] : [{ kind: 'access' as const, userId, organizationId, directoryId, before, after, cause, anew: true as const }]),
  ];
}

type Lists = Pick<Effective, 'roles' | 'permissions'>;

/** Of what is right the part that all have, of what is not the part that anyone has. */
function asAnyoneHolds(stored: Lists, told: Lists, right: Lists): Lists {
  const merge = (list: keyof Lists): string[] => {
    const [a, b, wanted] = [new Set(stored[list]), new Set(told[list]), new Set(right[list])];
    return [...new Set([...a, ...b])].filter((item) => (a.has(item) && b.has(item)) || !wanted.has(item));
  };
  return { roles: merge('roles'), permissions: merge('permissions') };
}
