// Pure: effective access of one user from what is known of them. A user without an active account in an active directory
// of a live organization has none; else the union over group mappings, the directory's own roles and grants.
import type { Effective, EntitlementPath, EntitlementSource } from '../model/entitlement.ts';
import { NO_ACCESS } from '../model/entitlement.ts';
import type { OrganizationCatalog } from './organization-catalog.ts';

export interface AccessFacts {
  /** Account, directory and organization are all in force. */
  inForce: boolean;
  /** The groups whose membership counts. */
  groups: Iterable<{ id: string; name: string }>;
  directoryRoles: readonly string[];
  grants: readonly { id: string; role: string; expiresAt: Date | null }[];
}

/** When and by which directory event paths that are new come to hold. */
export interface Onset {
  at: Date;
  eventId: string | null;
}

const keyOf = (path: { role: string; source: EntitlementSource; groupId: string | null; grantId: string | null }): string =>
  `${path.role}\n${path.source}\n${path.groupId ?? path.grantId ?? ''}`;

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Paths that `previous` has too keep their `since` and `causeEventId`. */
export function computeEffective(facts: AccessFacts, catalog: OrganizationCatalog, previous: Effective, onset: Onset): Effective {
  if (!facts.inForce) return NO_ACCESS;
  const known = new Map(previous.reasons.paths.map((path) => [keyOf(path), path]));
  const paths = new Map<string, EntitlementPath>();
  const add = (role: string, source: EntitlementSource, groupId: string | null, grantId: string | null, expiresAt: Date | null): void => {
    const key = keyOf({ role, source, groupId, grantId });
    const before = known.get(key);
    const since = before?.since ?? onset.at.toISOString();
    const causeEventId = before ? before.causeEventId : onset.eventId;
    paths.set(key, { role, source, groupId, grantId, expiresAt: expiresAt?.toISOString() ?? null, since, causeEventId });
  };
  for (const group of facts.groups) for (const role of catalog.rolesOfGroup(group.id, group.name)) add(role, 'GROUP', group.id, null, null);
  for (const role of facts.directoryRoles) add(role, 'DIRECTORY_ROLE', null, null, null);
  for (const grant of facts.grants) add(grant.role, 'GRANT', null, grant.id, grant.expiresAt);
  if (paths.size === 0) return NO_ACCESS;

  const sorted = [...paths].sort(([a], [b]) => compare(a, b)).map(([, path]) => path);
  const permissions = new Map<string, number[]>();
  sorted.forEach((path, index) => {
    for (const permission of catalog.permissionsOf(path.role)) {
      const via = permissions.get(permission);
      if (via) via.push(index);
      else permissions.set(permission, [index]);
    }
  });
  const names = [...permissions.keys()].sort(compare);
  return {
    roles: [...new Set(sorted.map((path) => path.role))].sort(compare),
    permissions: names,
    reasons: { paths: sorted, permissions: Object.fromEntries(names.map((name) => [name, permissions.get(name) ?? []])) },
  };
}
