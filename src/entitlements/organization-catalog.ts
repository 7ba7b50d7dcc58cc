// What groups and roles mean in one organization: its own roles before the ones for every organization, mappings by group
// id and by exact group name. Small enough to be read whole (and seldom altered, so that it is kept: kept-catalogs.ts).
import type { Tx } from '../db/client.ts';
import { type Held, rememberHeld } from './held.ts';

export interface RoleRow {
  organizationId: string;
  slug: string;
  permissions: string[];
}

export interface MappingRow {
  organizationId: string;
  groupId: string | null;
  groupName: string | null;
  roles: string[];
}

export interface RoleAndMappingRows {
  roles: RoleRow[];
  mappings: MappingRow[];
}

export interface OrganizationCatalog {
  /** Empty for a role that nobody has defined. */
  permissionsOf(role: string): readonly string[];
  rolesOfGroup(id: string, name: string): readonly string[];
  /** What paths with these roles give. */
  heldBy(roles: readonly string[]): Held;
  /** Roles and mappings that it holds. */
  readonly size: number;
}

const NONE: readonly string[] = [];

export function createOrganizationCatalog(
  organizationId: string,
  roles: readonly RoleRow[],
  mappings: readonly MappingRow[],
): OrganizationCatalog {
  const permissions = new Map<string, readonly string[]>();
  for (const scope of ['', organizationId])
    for (const role of roles) if (role.organizationId === scope) permissions.set(role.slug, role.permissions);
  const byId = new Map<string, readonly string[]>();
  const byName = new Map<string, readonly string[]>();
  for (const mapping of mappings) {
    if (mapping.organizationId !== organizationId) continue;
    if (mapping.groupId !== null) byId.set(mapping.groupId, mapping.roles);
    if (mapping.groupName !== null) byName.set(mapping.groupName, mapping.roles);
  }
  const permissionsOf = (role: string): readonly string[] => permissions.get(role) ?? NONE;
  return {
    permissionsOf,
    heldBy: rememberHeld(permissionsOf),
    size: permissions.size + byId.size + byName.size,
    rolesOfGroup(id, name) {
      const own = byId.get(id);
      const named = byName.get(name);
      return own && named ? [...own, ...named] : (own ?? named ?? NONE);
    },
  };
}

// Reads role by primary key prefix; a permission that WorkOS deleted no longer counts in roles that WorkOS defines.
export const ROLES_OF = (organizationIds: string): string => `
  SELECT r.organization_id AS "organizationId", r.slug,
         CASE WHEN r.origin = 'WORKOS'
              THEN ARRAY(SELECT p FROM unnest(r.permissions) p WHERE NOT EXISTS (SELECT 1 FROM permission d WHERE d.slug = p AND d.deleted))
              ELSE r.permissions END AS permissions
  FROM role r WHERE NOT r.deleted AND (r.organization_id = '' OR r.organization_id = ANY(${organizationIds}))`;

export const MAPPINGS_OF = (organizationIds: string): string => `
  SELECT organization_id AS "organizationId", group_id AS "groupId", group_name AS "groupName", roles
  FROM group_mapping WHERE organization_id = ANY(${organizationIds})`;

const ROLES = ROLES_OF('$1::text[]');
const MAPPINGS = MAPPINGS_OF('$1::text[]');

/** One catalog per organization, in two statements. */
export async function loadCatalogs(tx: Tx, organizationIds: Iterable<string>): Promise<Map<string, OrganizationCatalog>> {
  const ids = [...new Set(organizationIds)];
  const roles = await tx.$queryRawUnsafe<RoleRow[]>(ROLES, ids);
  const mappings = await tx.$queryRawUnsafe<MappingRow[]>(MAPPINGS, ids);
  return new Map(ids.map((id) => [id, createOrganizationCatalog(id, roles, mappings)]));
}
