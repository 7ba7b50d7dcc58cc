// Who has a permission now: by the inverted index on permissions, bound to one organization.
import type { Db } from '../db/client.ts';
import { OPEN_END } from '../model/cursor.ts';

const HOLDS = `
  e.organization_id = $1 AND e.permissions @> ARRAY[$2]::text[] AND e.to_position = ${OPEN_END}
  AND EXISTS (SELECT 1 FROM json_array_elements(e.reasons -> 'permissions' -> $2) AS via
              WHERE coalesce((e.reasons -> 'paths' -> via::text::int ->> 'expiresAt')::timestamptz > now(), true))`;

const PAGE = `SELECT e.user_id AS id FROM effective_entitlement e WHERE ${HOLDS} AND e.user_id > $3 ORDER BY e.user_id LIMIT $4`;
const COUNT = `SELECT count(*)::int AS count FROM effective_entitlement e WHERE ${HOLDS}`;

/** User ids in id order, after `afterUserId` (exclusive). */
export async function usersWithPermission(
  db: Db,
  {
    organizationId,
    permission,
    afterUserId,
    limit,
  }: { organizationId: string; permission: string; afterUserId: string | null; limit: number },
): Promise<string[]> {
  const rows = await db.$queryRawUnsafe<{ id: string }[]>(PAGE, organizationId, permission, afterUserId ?? '', limit);
  return rows.map((row) => row.id);
}

export async function countUsersWithPermission(
  db: Db,
  { organizationId, permission }: { organizationId: string; permission: string },
): Promise<number> {
  const [row] = await db.$queryRawUnsafe<{ count: number }[]>(COUNT, organizationId, permission);
  return row?.count ?? 0;
}
