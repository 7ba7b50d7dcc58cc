// Pure: what a list of roles gives. Most users of an organization hold one of few lists, and nearly every step of a user's
// access asks again for one that was asked for before: it is remembered, and the same list has the same answer, to the object.
import type { Reasons } from '../model/entitlement.ts';

/** Not to be altered. */
export interface Held {
  /** Sorted, without repeats. */
  roles: string[];
  permissions: string[];
  /** Permission → indices into the list of roles. */
  via: Reasons['permissions'];
}

/** Of all catalogs together; beyond these, begun anew: some MB. */
const MAX_KEPT = 5_000;
const kept = new Map<string, Held>();
let catalogs = 0;

export function rememberHeld(permissionsOf: (role: string) => readonly string[]): (roles: readonly string[]) => Held {
  catalogs += 1;
  const catalog = catalogs;
  return (roles) => {
    // No text that was stored has a NUL in it.
    const key = `${catalog}\0${roles.join('\0')}`;
    const known = kept.get(key);
    if (known) return known;
    if (kept.size >= MAX_KEPT) kept.clear();
    const held = toHeld(roles, permissionsOf);
    kept.set(key, held);
    return held;
  };
}

function toHeld(roles: readonly string[], permissionsOf: (role: string) => readonly string[]): Held {
  const via = new Map<string, number[]>();
  for (const [index, role] of roles.entries()) {
    for (const permission of permissionsOf(role)) {
      const indices = via.get(permission);
      if (indices) indices.push(index);
      else via.set(permission, [index]);
    }
  }
  // By code units, as everywhere.
  const permissions = [...via.keys()].sort();
  return {
    roles: [...new Set(roles)].sort(),
    permissions,
    via: Object.fromEntries(permissions.map((permission) => [permission, via.get(permission) ?? []])),
  };
}
