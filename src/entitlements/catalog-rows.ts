// The catalog's rows: read whole, and written as the steps of a plan say. The caller holds the lock of the environment, or of
// the one organization that the steps are about.
import type { Tx } from '../db/client.ts';
import { OPEN_END } from '../model/cursor.ts';
import type { CatalogSteps, StoredMapping, StoredRole } from './catalog-plan.ts';
import type { RoleAndMappingRows } from './organization-catalog.ts';
import type { Reach } from './wide-page.ts';

const STORED_ROLES = `SELECT organization_id AS "organizationId", slug, name, description, permissions, origin FROM role WHERE NOT deleted`;
const STORED_MAPPINGS = `SELECT organization_id AS "organizationId", group_id AS "groupId", group_name AS "groupName", roles FROM group_mapping`;

export interface StoredCatalog {
  roles: StoredRole[];
  mappings: StoredMapping[];
}

export const readStoredCatalog = async (tx: Tx): Promise<StoredCatalog> => ({
  roles: await tx.$queryRawUnsafe<StoredRole[]>(STORED_ROLES),
  mappings: await tx.$queryRawUnsafe<StoredMapping[]>(STORED_MAPPINGS),
});

const PUT_ROLES = `
  INSERT INTO role (organization_id, slug, name, description, permissions, origin, source_updated_at)
  SELECT "organizationId", slug, name, description, permissions, 'CATALOG', now()
  FROM json_to_recordset($1::json) AS t("organizationId" text, slug text, name text, description text, permissions text[])
  ON CONFLICT (organization_id, slug) DO UPDATE SET name = EXCLUDED.name, description = EXCLUDED.description, permissions = EXCLUDED.permissions,
    origin = 'CATALOG', source_updated_at = now(), deleted = false`;

// Kept as a tombstone: the registers of a role that WorkOS once defined must outlive it.
const REMOVE_ROLES = `
  UPDATE role r SET deleted = true FROM json_to_recordset($1::json) AS t("organizationId" text, slug text) WHERE r.organization_id = t."organizationId" AND r.slug = t.slug`;

const REMOVE_MAPPINGS = `
  DELETE FROM group_mapping m USING json_to_recordset($1::json) AS t("organizationId" text, "groupId" text, "groupName" text)
  WHERE m.organization_id = t."organizationId" AND m.group_id IS NOT DISTINCT FROM t."groupId" AND m.group_name IS NOT DISTINCT FROM t."groupName"`;

const ADD_MAPPINGS = `
  INSERT INTO group_mapping (id, organization_id, group_id, group_name, roles)
  SELECT gen_random_uuid()::text, "organizationId", "groupId", "groupName", roles
  FROM json_to_recordset($1::json) AS t("organizationId" text, "groupId" text, "groupName" text, roles text[])`;

export async function writeSteps(
  tx: Tx,
  { rolesCreated, rolesChanged, rolesRemoved, mappingsAdded, mappingsRemoved }: CatalogSteps,
): Promise<void> {
  const write = async (sql: string, rows: readonly object[]): Promise<void> => {
    if (rows.length > 0) await tx.$executeRawUnsafe(sql, JSON.stringify(rows));
  };
  await write(PUT_ROLES, [...rolesCreated, ...rolesChanged]);
  await write(REMOVE_ROLES, rolesRemoved);
  await write(REMOVE_MAPPINGS, mappingsRemoved);
  await write(ADD_MAPPINGS, mappingsAdded);
}

/** Pure: what `rows`, which are those of the stored catalog, come to by the steps. */
export function afterSteps(
  rows: RoleAndMappingRows,
  { rolesCreated, rolesChanged, rolesRemoved, mappingsAdded, mappingsRemoved }: CatalogSteps,
): RoleAndMappingRows {
  const roleKey = (role: { organizationId: string; slug: string }): string => JSON.stringify([role.organizationId, role.slug]);
  const mappingKey = (one: { organizationId: string; groupId: string | null; groupName: string | null }): string =>
    JSON.stringify([one.organizationId, one.groupId, one.groupName]);
  const replacedRoles = new Set([...rolesCreated, ...rolesChanged, ...rolesRemoved].map(roleKey));
  const removedMappings = new Set(mappingsRemoved.map(mappingKey));
  return {
    roles: [...rows.roles.filter((role) => !replacedRoles.has(roleKey(role))), ...rolesCreated, ...rolesChanged],
    mappings: [...rows.mappings.filter((mapping) => !removedMappings.has(mappingKey(mapping))), ...mappingsAdded],
  };
}

const ORGANIZATIONS = 'SELECT DISTINCT organization_id AS "organizationId" FROM directory';

// By (organization_id, name) and the primary key of directory_group.
const GROUPS = `
  SELECT g.organization_id AS "organizationId", g.id FROM json_to_recordset($1::json) AS t("organizationId" text, "groupId" text, "groupName" text)
  JOIN directory_group g ON g.organization_id = t."organizationId" AND (g.id = t."groupId" OR g.name = t."groupName") AND NOT g.deleted`;

/** Whose access may follow from the steps: one entry per organization. */
export async function reachOf(tx: Tx, steps: CatalogSteps): Promise<Reach[]> {
  const { rolesCreated, rolesChanged, rolesRemoved, mappingsAdded, mappingsRemoved } = steps;
  const reaches = new Map<string, { organizationId: string; roles: string[]; groupIds: string[] }>();
  const within = (organizationId: string) => {
    const known = reaches.get(organizationId);
    if (known) return known;
    const reach = { organizationId, roles: [], groupIds: [] };
    reaches.set(organizationId, reach);
    return reach;
  };
  const altered = [...rolesCreated, ...rolesChanged, ...rolesRemoved];
  for (const { organizationId, slug } of altered) if (organizationId !== '') within(organizationId).roles.push(slug);
  const everywhere = altered.filter(({ organizationId }) => organizationId === '').map(({ slug }) => slug);
  if (everywhere.length > 0)
    for (const { organizationId } of await tx.$queryRawUnsafe<{ organizationId: string }[]>(ORGANIZATIONS))
      within(organizationId).roles.push(...everywhere);
  const mappings = [...mappingsAdded, ...mappingsRemoved];
  if (mappings.length > 0)
    for (const { organizationId, id } of await tx.$queryRawUnsafe<{ organizationId: string; id: string }[]>(
      GROUPS,
      JSON.stringify(mappings),
    ))
      within(organizationId).groupIds.push(id);
  return [...reaches.values()];
}

// Versions by (organization_id, user_id, to_position), members by (group_id, user_id); each only until there are too many.
const WITHIN = `
  WITH reach AS (SELECT * FROM json_to_recordset($1::json) AS t("organizationId" text, roles text[], "groupIds" text[]))
  (SELECT e.user_id AS id FROM reach r JOIN effective_entitlement e ON e.organization_id = r."organizationId" AND e.to_position = ${OPEN_END}
   WHERE cardinality(r.roles) > 0 AND e.roles && r.roles LIMIT $2)
  UNION ALL
  (SELECT m.user_id FROM reach r JOIN membership m ON m.group_id = ANY(r."groupIds") AND m.active LIMIT $2)`;

/** In id order; null: there are more than `limit`, or about as many. */
export async function usersWithin(tx: Tx, reaches: readonly Reach[], limit: number): Promise<string[] | null> {
  if (reaches.length === 0) return [];
  const rows = await tx.$queryRawUnsafe<{ id: string }[]>(WITHIN, JSON.stringify(reaches), limit + 1);
  return rows.length > limit ? null : [...new Set(rows.map(({ id }) => id))].sort();
}
