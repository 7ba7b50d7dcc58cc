// Roles as the API shows them, and which groups give which roles today. An organization's own role hides the one of the same
// name for every organization, just as when access is computed.
import type { Db } from '../src/db/client.ts';

export interface RoleRow {
  slug: string;
  name: string;
  description: string | null;
  /** null: for every organization. */
  organizationId: string | null;
  permissions: string[];
}

/** A permission that WorkOS deleted no longer counts in roles that WorkOS defines. */
const DEFINED = `
  SELECT r.organization_id, r.slug, r.name, r.description,
         CASE WHEN r.origin = 'WORKOS'
              THEN ARRAY(SELECT p FROM unnest(r.permissions) p WHERE NOT EXISTS (SELECT 1 FROM permission d WHERE d.slug = p AND d.deleted) ORDER BY p)
              ELSE r.permissions END AS permissions
  FROM role r WHERE NOT r.deleted`;

/** Assigned by a directory, defined by nobody: no permissions. */
const UNDEFINED = `
  SELECT a.organization_id, a.slug, a.slug, NULL, ARRAY[]::text[]
  FROM (SELECT DISTINCT u.organization_id, unnest(u.directory_roles) AS slug FROM directory_user u WHERE u.state <> 'DELETED') a
  WHERE NOT EXISTS (SELECT 1 FROM role r WHERE NOT r.deleted AND r.slug = a.slug AND r.organization_id IN ('', a.organization_id))`;

// Rare and whole: a catalog has tens of roles. The scan of directory_user is the price of the undefined ones.
const LIST = `
  SELECT slug, name, description, NULLIF(organization_id, '') AS "organizationId", permissions
  FROM (${DEFINED} UNION ALL ${UNDEFINED}) k
  WHERE ($1::text IS NULL OR organization_id IN ('', $1)) AND ($2::text IS NULL OR organization_id IN ('', $2))
    AND NOT ($1::text IS NOT NULL AND organization_id = '' AND EXISTS
             (SELECT 1 FROM role own WHERE NOT own.deleted AND own.organization_id = $1 AND own.slug = k.slug))
  ORDER BY slug, organization_id`;

/** With an organization: what each slug means there. */
export const readRoles = (db: Db, organizationId: string | null, tenant: string | null): Promise<RoleRow[]> =>
  db.$queryRawUnsafe<RoleRow[]>(LIST, organizationId, tenant);

// The mappings of one organization by their unique indices, its groups by (organization_id, id) and (organization_id, name).
const OF_GROUPS = `
  SELECT DISTINCT g.id AS "groupId", s.slug, COALESCE(own.name, base.name, s.slug) AS name, COALESCE(own.description, base.description) AS description,
         NULLIF(COALESCE(own.organization_id, base.organization_id, g.organization_id), '') AS "organizationId",
         COALESCE(own.permissions, base.permissions, ARRAY[]::text[]) AS permissions
  FROM directory_group g
  JOIN group_mapping m ON m.organization_id = g.organization_id AND (m.group_id = g.id OR m.group_name = g.name)
  CROSS JOIN LATERAL unnest(m.roles) AS s(slug)
  LEFT JOIN (${DEFINED}) own ON own.slug = s.slug AND own.organization_id = g.organization_id
  LEFT JOIN (${DEFINED}) base ON base.slug = s.slug AND base.organization_id = ''
  WHERE g.id = ANY($1::text[]) AND NOT g.deleted AND ($2::text IS NULL OR g.organization_id = $2)
  ORDER BY g.id, s.slug`;

/** Group → the roles that it gives its members. */
export async function readRolesOfGroups(db: Db, groupIds: readonly string[], tenant: string | null): Promise<Map<string, RoleRow[]>> {
  const rows = await db.$queryRawUnsafe<(RoleRow & { groupId: string })[]>(OF_GROUPS, groupIds, tenant);
  return Map.groupBy(rows, (row) => row.groupId);
}

const BY_ROLE = `
  SELECT DISTINCT k.key, g.id FROM json_to_recordset($1::json) AS k(key text, slug text, organization_id text)
  JOIN group_mapping m ON k.slug = ANY(m.roles) AND (k.organization_id = m.organization_id OR (k.organization_id = '' AND NOT EXISTS
       (SELECT 1 FROM role own WHERE NOT own.deleted AND own.organization_id = m.organization_id AND own.slug = k.slug)))
  JOIN directory_group g ON g.organization_id = m.organization_id AND NOT g.deleted AND (g.id = m.group_id OR g.name = m.group_name)
  WHERE $2::text IS NULL OR m.organization_id = $2
  ORDER BY k.key, g.id`;

/** Key → ids of the groups that give the role. */
export async function readGroupsOfRoles(
  db: Db,
  roles: readonly { key: string; slug: string; organizationId: string | null }[],
  tenant: string | null,
): Promise<Map<string, string[]>> {
  const keys = roles.map(({ key, slug, organizationId }) => ({ key, slug, organization_id: organizationId ?? '' }));
  const rows = await db.$queryRawUnsafe<{ key: string; id: string }[]>(BY_ROLE, JSON.stringify(keys), tenant);
  return idsByKey(rows);
}

const BY_MAPPING = `
  SELECT m.id AS key, g.id FROM group_mapping m
  JOIN directory_group g ON g.organization_id = m.organization_id AND NOT g.deleted AND (g.id = m.group_id OR g.name = m.group_name)
  WHERE m.id = ANY($1::text[]) AND ($2::text IS NULL OR m.organization_id = $2)
  ORDER BY m.id, g.id`;

/** Mapping → ids of the groups that it matches today. */
export async function readGroupsOfMappings(db: Db, mappingIds: readonly string[], tenant: string | null): Promise<Map<string, string[]>> {
  const rows = await db.$queryRawUnsafe<{ key: string; id: string }[]>(BY_MAPPING, mappingIds, tenant);
  return idsByKey(rows);
}

function idsByKey(rows: readonly { key: string; id: string }[]): Map<string, string[]> {
  return new Map([...Map.groupBy(rows, (row) => row.key)].map(([key, found]) => [key, found.map((row) => row.id)]));
}
