// Pure: what a catalog would alter against what is stored. Faults in the catalog are collected and told together.
import { AccessError } from '../errors.ts';

export interface RoleInput {
  slug: string;
  name?: string | null;
  description?: string | null;
  /** null or missing: for every organization. */
  organizationId?: string | null;
  permissions: readonly string[];
}

/** Exactly one of groupId and groupName. */
export interface GroupMappingInput {
  organizationId: string;
  groupId?: string | null;
  groupName?: string | null;
  roles: readonly string[];
}

export interface CatalogInput {
  roles: readonly RoleInput[];
  groupMappings: readonly GroupMappingInput[];
}

export interface StoredRole {
  organizationId: string;
  slug: string;
  name: string;
  description: string | null;
  permissions: string[];
  origin: 'CATALOG' | 'WORKOS';
}

export interface StoredMapping {
  organizationId: string;
  groupId: string | null;
  groupName: string | null;
  roles: string[];
}

export interface CatalogSteps {
  rolesCreated: StoredRole[];
  rolesChanged: StoredRole[];
  rolesRemoved: StoredRole[];
  /** A mapping whose roles change is in both lists. */
  mappingsAdded: StoredMapping[];
  mappingsRemoved: StoredMapping[];
}

const MAX_NAME_LENGTH = 255;
const NAME_RULE = `is not a name of 1 to ${MAX_NAME_LENGTH} characters`;

const roleKey = (role: { organizationId: string; slug: string }): string => `${role.organizationId}\n${role.slug}`;
const mappingKey = (mapping: StoredMapping): string =>
  `${mapping.organizationId}\n${mapping.groupId === null ? `name ${mapping.groupName}` : `id ${mapping.groupId}`}`;
const sorted = (list: readonly string[]): string[] => [...new Set(list)].sort();
const same = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((item, index) => item === b[index]);
const nameOf = (role: { organizationId: string; slug: string }): string =>
  role.organizationId ? `${role.slug} (${role.organizationId})` : role.slug;

/** What the database, its indexes and a person can take for a name. */
const isName = (text: string): boolean => text.trim() !== '' && text.length <= MAX_NAME_LENGTH && isText(text);
const isText = (text: string): boolean => !text.includes('\0') && text.isWellFormed();

/** How a role shows in plans and messages. */
export { nameOf as describeRole };

export function planCatalog(
  catalog: CatalogInput,
  stored: { roles: readonly StoredRole[]; mappings: readonly StoredMapping[] },
  { prune, tenant }: { prune: boolean; tenant: string | null },
): CatalogSteps {
  const faults: string[] = [];
  const conflicts: string[] = [];
  const before = new Map(stored.roles.map((role) => [roleKey(role), role]));
  const roles = new Map<string, StoredRole>();
  catalog.roles.forEach((input, index) => {
    const organizationId = input.organizationId ?? '';
    const at = `roles[${index}] (${input.slug})`;
    if (!isName(input.slug)) faults.push(`roles[${index}]: slug ${NAME_RULE}`);
    if (!input.permissions.every(isName)) faults.push(`${at}: a permission ${NAME_RULE}`);
    if (![input.name, input.description].every((text) => isText(text ?? ''))) faults.push(`${at}: name or description is not plain text`);
    if (input.organizationId != null && !isName(input.organizationId)) faults.push(`${at}: organizationId ${NAME_RULE}`);
    const own = { organizationId, slug: input.slug };
    const old = before.get(roleKey(own));
    if (roles.has(roleKey(own))) faults.push(`${at}: the role is defined twice`);
    if (old?.origin === 'WORKOS') conflicts.push(`${at}: WorkOS defines this role, it is read-only here`);
    if (tenant !== null && organizationId !== tenant) {
      throw new AccessError('FORBIDDEN', `${at}: this caller may define roles of organization ${tenant} only.`);
    }
    const { slug, name, description, permissions } = input;
    roles.set(roleKey(own), {
      organizationId,
      slug,
      name: name ?? slug,
      description: description ?? null,
      permissions: sorted(permissions),
      origin: 'CATALOG',
    });
  });
  const isRemoved = (role: StoredRole): boolean =>
    prune && role.origin === 'CATALOG' && !roles.has(roleKey(role)) && (tenant === null || role.organizationId === tenant);
  const isDefined = (organizationId: string, slug: string): boolean =>
    ['', organizationId].some((scope) => {
      const key = roleKey({ organizationId: scope, slug });
      const old = before.get(key);
      return roles.has(key) || (old !== undefined && !isRemoved(old));
    });

  const mappings = new Map<string, StoredMapping>();
  catalog.groupMappings.forEach((input, index) => {
    const { organizationId, groupId = null, groupName = null } = input;
    const at = `groupMappings[${index}] (${groupName ?? groupId ?? 'no group'})`;
    if ((groupId === null) === (groupName === null)) {
      faults.push(`${at}: give exactly one of groupId and groupName`);
      return;
    }
    if (![organizationId, groupId ?? groupName ?? ''].every(isName)) faults.push(`${at}: the organization or the group ${NAME_RULE}`);
    if (tenant !== null && organizationId !== tenant) {
      throw new AccessError('FORBIDDEN', `${at}: this caller may map groups of organization ${tenant} only.`);
    }
    const mapping = { organizationId, groupId, groupName, roles: sorted(input.roles) };
    if (mappings.has(mappingKey(mapping))) faults.push(`${at}: the group is mapped twice; list all its roles in one mapping`);
    for (const role of mapping.roles) if (!isDefined(organizationId, role)) faults.push(`${at}: role "${role}" is not defined`);
    mappings.set(mappingKey(mapping), mapping);
  });
  if (faults.length > 0) {
    throw new AccessError('BAD_USER_INPUT', `The catalog has ${faults.length} fault(s): ${faults.slice(0, 20).join('; ')}.`, {
      details: { faults: faults.slice(0, 100) },
    });
  }
  if (conflicts.length > 0) throw new AccessError('CONFLICT', `${conflicts.join('; ')}.`, { details: { conflicts } });

  const altered = (a: StoredRole, b: StoredRole): boolean =>
    a.name !== b.name || a.description !== b.description || !same(a.permissions, b.permissions);
  const oldMappings = new Map(stored.mappings.map((mapping) => [mappingKey(mapping), mapping]));
  const mappingsAdded = [...mappings]
    .filter(([key, mapping]) => !same(oldMappings.get(key)?.roles ?? [], mapping.roles) || !oldMappings.has(key))
    .map(([, mapping]) => mapping);
  const replaced = new Set(mappingsAdded.map(mappingKey));
  return {
    rolesCreated: [...roles].filter(([key]) => !before.has(key)).map(([, role]) => role),
    rolesChanged: [...roles].flatMap(([key, role]) => {
      const old = before.get(key);
      return old && altered(old, role) ? [role] : [];
    }),
    rolesRemoved: stored.roles.filter(isRemoved),
    mappingsAdded,
    mappingsRemoved: [...oldMappings].flatMap(([key, mapping]) => {
      const pruned = prune && !mappings.has(key) && (tenant === null || mapping.organizationId === tenant);
      return pruned || replaced.has(key) ? [mapping] : [];
    }),
  };
}
