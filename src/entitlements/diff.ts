// Pure: what changed between two states of one user's effective access.
import type { Effective, EntitlementPath } from '../model/entitlement.ts';

export interface AccessDifference {
  grantedPermissions: string[];
  revokedPermissions: string[];
  grantedRoles: string[];
  revokedRoles: string[];
}

const without = (a: readonly string[], b: readonly string[]): string[] => {
  if (a === b || a.length === 0) return [];
  const other = new Set(b);
  return a.filter((item) => !other.has(item));
};

/** undefined when roles and permissions are the same, whatever the reasons. */
export function diffEffective(before: Effective, after: Effective): AccessDifference | undefined {
  if (before === after) return undefined;
  const difference = {
    grantedPermissions: without(after.permissions, before.permissions),
    revokedPermissions: without(before.permissions, after.permissions),
    grantedRoles: without(after.roles, before.roles),
    revokedRoles: without(before.roles, after.roles),
  };
  return Object.values(difference).some((list) => list.length > 0) ? difference : undefined;
}

const sameList = <T>(a: readonly T[], b: readonly T[]): boolean =>
  a === b || (a.length === b.length && a.every((item, index) => item === b[index]));

const samePath = (a: EntitlementPath, b: EntitlementPath): boolean =>
  a === b ||
  (a.role === b.role &&
    a.source === b.source &&
    a.groupId === b.groupId &&
    a.grantId === b.grantId &&
    a.expiresAt === b.expiresAt &&
    a.since === b.since &&
    a.causeEventId === b.causeEventId);

/** Whether all that is stored is the same, reasons included. Field by field: jsonb gives keys back in an order of its own. */
export function sameEffective(a: Effective, b: Effective): boolean {
  if (a === b) return true;
  const [paths, others] = [a.reasons.paths, b.reasons.paths];
  const [via, otherVia] = [a.reasons.permissions, b.reasons.permissions];
  return (
    sameList(a.roles, b.roles) &&
    sameList(a.permissions, b.permissions) &&
    paths.length === others.length &&
    paths.every((path, index) => samePath(path, others[index] as EntitlementPath)) &&
    (via === otherVia || a.permissions.every((permission) => sameList(via[permission] ?? [], otherVia[permission] ?? [])))
  );
}
