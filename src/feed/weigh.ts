import type { RecordedChange } from '../model/change.ts';

/** What a change weighs in memory, in bytes, roughly. */
export function weigh(change: RecordedChange): number {
  let bytes = 600;
  for (const list of [change.grantedPermissions, change.revokedPermissions, change.grantedRoles, change.revokedRoles]) {
    for (const text of list) bytes += 24 + text.length;
  }
  return bytes + (change.cause.reason?.length ?? 0);
}

/** The first changes, as many as weigh no more than `maxBytes` together; at least one. The same list when that is all of it. */
export function withinBytes(changes: RecordedChange[], maxBytes: number): RecordedChange[] {
  let bytes = 0;
  const over = changes.findIndex((change) => {
    bytes += weigh(change);
    return bytes > maxBytes;
  });
  return over === -1 ? changes : changes.slice(0, Math.max(1, over));
}
