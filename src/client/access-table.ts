// Who may do what, in memory: Map<userId, Set<permission>>. People of one team may do the same, so equal sets are one set:
// a hundred thousand users cost a map entry each and a few hundred sets.

export interface AccessTable {
  can(userId: string, permission: string): boolean;
  /** Sorted. */
  permissionsOf(userId: string): readonly string[];
  /** Users with any permission. */
  userIds(): IterableIterator<string>;
  put(userId: string, permissions: Iterable<string>): void;
  change(userId: string, granted: readonly string[], revoked: readonly string[]): void;
}

interface Shared {
  key: string;
  permissions: ReadonlySet<string>;
  holders: number;
}

export function createAccessTable(): AccessTable {
  const users = new Map<string, Shared>();
  const sets = new Map<string, Shared>();

  function put(userId: string, permissions: Iterable<string>): void {
    const before = users.get(userId);
    if (before) {
      before.holders -= 1;
      if (before.holders === 0) sets.delete(before.key);
    }
    const sorted = [...new Set(permissions)].sort();
    if (sorted.length === 0) return void users.delete(userId);
    const key = JSON.stringify(sorted);
    let shared = sets.get(key);
    if (!shared) {
      shared = { key, permissions: new Set(sorted), holders: 0 };
      sets.set(key, shared);
    }
    shared.holders += 1;
    users.set(userId, shared);
  }

  return {
    can: (userId, permission) => users.get(userId)?.permissions.has(permission) ?? false,
    permissionsOf: (userId) => [...(users.get(userId)?.permissions ?? [])],
    userIds: () => users.keys(),
    put,
    change(userId, granted, revoked) {
      const next = new Set(users.get(userId)?.permissions);
      for (const permission of revoked) next.delete(permission);
      for (const permission of granted) next.add(permission);
      put(userId, next);
    },
  };
}

export interface AccessDifference {
  userId: string;
  granted: readonly string[];
  revoked: readonly string[];
}

/** What has to change in `before` to make it `after`. */
export function* differences(before: AccessTable, after: AccessTable): Generator<AccessDifference> {
  for (const userId of new Set([...before.userIds(), ...after.userIds()])) {
    const granted = after.permissionsOf(userId).filter((permission) => !before.can(userId, permission));
    const revoked = before.permissionsOf(userId).filter((permission) => !after.can(userId, permission));
    if (granted.length > 0 || revoked.length > 0) yield { userId, granted, revoked };
  }
}
