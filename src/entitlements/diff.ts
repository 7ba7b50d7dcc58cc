// Pure: what changed between two states of one user's effective access.
import type { Effective } from '../model/entitlement.ts';

export interface AccessDifference {
  grantedPermissions: string[];
  revokedPermissions: string[];
  grantedRoles: string[];
  revokedRoles: string[];
}

const without = (a: readonly string[], b: readonly string[]): string[] => {
  if (a.length === 0) return [];
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

/** Whether anything differs that is stored, reasons included. */
export const sameEffective = (a: Effective, b: Effective): boolean =>
  a === b ||
  (a.reasons.paths.length === b.reasons.paths.length && JSON.stringify([a.roles, a.reasons]) === JSON.stringify([b.roles, b.reasons]));
