// A page of users of one organization whose access may follow from an altered catalog, with all that it is computed from, in
// one statement and as text: most users share their groups, roles and reasons with others, so a page has far fewer different
// lines than users, and only different ones are taken apart.
import type { Tx } from '../db/client.ts';
import { OPEN_END } from '../model/cursor.ts';
import { type Effective, NO_ACCESS } from '../model/entitlement.ts';
import type { AccessFacts } from './compute.ts';
import { MAPPINGS_OF, ROLES_OF, type RoleAndMappingRows } from './organization-catalog.ts';
import { FIELD, LINE } from './text-rows.ts';

/** Holders of the roles, and members of the groups, in one organization. */
export interface Reach {
  organizationId: string;
  roles: readonly string[];
  groupIds: readonly string[];
}

export interface UserLine {
  userId: string;
  directoryId: string;
  /** What else is known of the user, as text: the same text gives the same access. */
  facts: string;
}

export interface UserPage {
  lines: UserLine[];
  /** Group id → name, of those that a line may name. */
  groupNames: ReadonlyMap<string, string>;
  /** As stored, as text. */
  catalog: string;
  /** Of the last user that was looked at; null: nobody is left. */
  last: string | null;
}

// Users by (organization_id, id), and that alone; then, from each user, rows by primary keys and grants by (user_id): lateral, each
// at most one row, because the planner takes a page for a part of the company that is worth reading whole tables for. Groups of the
// organization that are mapped, or were.
const PAGE = `
  WITH seen AS MATERIALIZED (
    SELECT id FROM directory_user WHERE organization_id = $1 AND id > $2 ORDER BY organization_id, id LIMIT $3
  ), relevant AS MATERIALIZED (
    SELECT g.id, g.name FROM directory_group g WHERE g.organization_id = $1 AND (g.id = ANY($5::text[])
      OR g.id IN (SELECT group_id FROM group_mapping WHERE organization_id = $1) OR g.name IN (SELECT group_name FROM group_mapping WHERE organization_id = $1))
  )
  SELECT (SELECT max(id) FROM seen) AS last,
    (SELECT coalesce(json_object_agg(id, name), '{}')::text FROM relevant) AS "groupNames",
    json_build_object('roles', (SELECT coalesce(json_agg(r), '[]') FROM (${ROLES_OF('ARRAY[$1]')}) r),
      'mappings', (SELECT coalesce(json_agg(m), '[]') FROM (${MAPPINGS_OF('ARRAY[$1]')}) m))::text AS catalog,
    (SELECT string_agg(concat(to_json(u.id), '${FIELD}', to_json(u.directory_id), '${FIELD}', u.in_force, '${FIELD}', to_json(u.directory_roles), '${FIELD}', b.groups, '${FIELD}',
        g.grants, '${FIELD}',
        to_json(e.roles), '${FIELD}', to_json(e.permissions), '${FIELD}', e.reasons), '${LINE}' ORDER BY u.id)
     FROM seen CROSS JOIN LATERAL (
       SELECT u.id, u.directory_id, u.directory_roles,
         u.state = 'ACTIVE' AND (SELECT state = 'ACTIVE' FROM directory WHERE id = u.directory_id) AND NOT (SELECT deleted FROM organization WHERE id = $1) AS in_force
       FROM directory_user u WHERE u.id = seen.id LIMIT 1
     ) u CROSS JOIN LATERAL (
       SELECT to_json(array_agg(m.group_id ORDER BY m.group_id))::text AS groups, bool_or(m.group_id = ANY($5::text[])) AS reached
       FROM membership m WHERE m.user_id = seen.id AND m.active AND (m.group_id IN (SELECT id FROM relevant)) IS TRUE
     ) b CROSS JOIN LATERAL (
       SELECT jsonb_agg(jsonb_build_object('id', t.id, 'role', t.role, 'expiresAt', t.expires_at) ORDER BY t.id)::text AS grants
       FROM "grant" t WHERE t.user_id = seen.id AND t.organization_id = $1 AND t.revoked_at IS NULL
     ) g LEFT JOIN LATERAL (
       SELECT e.roles, e.permissions, e.reasons FROM effective_entitlement e WHERE e.user_id = seen.id AND e.to_position = ${OPEN_END} LIMIT 1
     ) e ON true
     WHERE b.reached OR e.roles && $4::text[]) AS lines`;

interface Row {
  last: string | null;
  groupNames: string;
  catalog: string;
  lines: string | null;
}

/** Users after `after` in id order, at most `limit` of which are looked at; a line for each that is within reach. */
export async function readUserPage(
  tx: Tx,
  { organizationId, roles, groupIds }: Reach,
  { after, limit }: { after: string; limit: number },
): Promise<UserPage> {
  const [row] = await tx.$queryRawUnsafe<Row[]>(PAGE, organizationId, after, limit, roles, groupIds);
  if (!row) throw new Error('a statement without FROM gave no row');
  return {
    last: row.last,
    catalog: row.catalog,
    groupNames: new Map(Object.entries(JSON.parse(row.groupNames) as Record<string, string>)),
    lines: row.lines === null ? [] : row.lines.split(LINE).map(toLine),
  };
}

function toLine(text: string): UserLine {
  const end = text.indexOf(FIELD);
  const facts = text.indexOf(FIELD, end + 1);
  return {
    userId: JSON.parse(text.slice(0, end)) as string,
    directoryId: JSON.parse(text.slice(end + 1, facts)) as string,
    facts: text.slice(facts + 1),
  };
}

export const parseCatalog = (catalog: string): RoleAndMappingRows => JSON.parse(catalog) as RoleAndMappingRows;

/** Takes the text of a line apart. */
export function parseFacts(text: string, groupNames: ReadonlyMap<string, string>): { facts: AccessFacts; before: Effective } {
  const [inForce, directoryRoles = '', groups, grants, roles, permissions, reasons] = text.split(FIELD);
  const list = <T>(part: string | undefined): T[] => (part ? (JSON.parse(part) as T[]) : []);
  return {
    facts: {
      inForce: inForce === 't',
      directoryRoles: list<string>(directoryRoles),
      groups: list<string>(groups).map((id) => ({ id, name: groupNames.get(id) ?? '' })),
      grants: list<{ id: string; role: string; expiresAt: string | null }>(grants).map((grant) => ({
        ...grant,
        expiresAt: grant.expiresAt === null ? null : new Date(grant.expiresAt),
      })),
    },
    before: reasons
      ? { roles: list<string>(roles), permissions: list<string>(permissions), reasons: JSON.parse(reasons) as Effective['reasons'] }
      : NO_ACCESS,
  };
}
