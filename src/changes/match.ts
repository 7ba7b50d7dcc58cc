// Which changes a reader asked for. Says in memory exactly what read-after.ts says in SQL; a list that is given but empty
// matches nothing.
import type { AccessChange, ChangeFilter } from '../model/change.ts';

/** Compiled once per reader, so that a long list costs a look-up per change and not a search. */
export function changeMatcher(filter: ChangeFilter, tenant: string | null): (change: AccessChange) => boolean {
  const userIds = filter.userIds && new Set(filter.userIds);
  const permissions = filter.permissions && new Set(filter.permissions);
  const roles = filter.roles && new Set(filter.roles);
  const anyOf = (wanted: Set<string>, granted: string[], revoked: string[]) =>
    granted.some((value) => wanted.has(value)) || revoked.some((value) => wanted.has(value));
  return (change) =>
    (tenant === null || change.organizationId === tenant) &&
    (filter.organizationId == null || change.organizationId === filter.organizationId) &&
    (filter.directoryId == null || change.directoryId === filter.directoryId) &&
    (!userIds || userIds.has(change.userId)) &&
    (!permissions || anyOf(permissions, change.grantedPermissions, change.revokedPermissions)) &&
    (!roles || anyOf(roles, change.grantedRoles, change.revokedRoles));
}

/** A permission or role matches when it is among the granted or the revoked ones. */
export const matchesFilter = (filter: ChangeFilter, change: AccessChange): boolean => changeMatcher(filter, null)(change);
