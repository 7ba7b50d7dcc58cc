// Pages of memberships of many owners at once: the groups of users and the members of groups. Only memberships that count.
import type { Db } from '../src/db/client.ts';

type Side = 'user' | 'group';

const OTHER: Record<Side, Side> = { user: 'group', group: 'user' };

// One index range per owner: membership_pkey (user_id, group_id) or membership_group_id_user_id_idx; at most $3 rows of each.
const PAGE = (owner: Side) => `
  SELECT k.id AS owner, m.other FROM json_to_recordset($1::json) AS k(id text)
  CROSS JOIN LATERAL (
    SELECT ${OTHER[owner]}_id AS other FROM membership
    WHERE ${owner}_id = k.id AND active AND ($2::text IS NULL OR ${OTHER[owner]}_id > $2) AND ($4::text IS NULL OR organization_id = $4)
    ORDER BY ${OTHER[owner]}_id LIMIT $3::int) m
  ORDER BY k.id, m.other`;

const COUNT = (owner: Side) => `
  SELECT ${owner}_id AS owner, count(*)::int AS count FROM membership
  WHERE ${owner}_id = ANY($1::text[]) AND active AND ($2::text IS NULL OR organization_id = $2) GROUP BY 1`;

const SQL = { user: { page: PAGE('user'), count: COUNT('user') }, group: { page: PAGE('group'), count: COUNT('group') } };

/** Owner → ids on the other side, ascending. An owner without any is missing. */
export async function readMembershipPages(
  db: Db,
  o: { owner: Side; ids: readonly string[]; afterId: string | null; limit: number; tenant: string | null },
): Promise<Map<string, string[]>> {
  const keys = JSON.stringify(o.ids.map((id) => ({ id })));
  const rows = await db.$queryRawUnsafe<{ owner: string; other: string }[]>(SQL[o.owner].page, keys, o.afterId, o.limit, o.tenant);
  return new Map([...Map.groupBy(rows, (row) => row.owner)].map(([owner, found]) => [owner, found.map((row) => row.other)]));
}

export async function countMemberships(
  db: Db,
  o: { owner: Side; ids: readonly string[]; tenant: string | null },
): Promise<Map<string, number>> {
  const rows = await db.$queryRawUnsafe<{ owner: string; count: number }[]>(SQL[o.owner].count, o.ids, o.tenant);
  return new Map(rows.map(({ owner, count }) => [owner, count]));
}
