// I2 and I3 of a whole database: the change log, the stored access with all its versions, and the intervals of memberships say
// the same, and the same as a recomputation from the tables.
import { expect } from 'vitest';
import type { Db } from '../../src/db/client.ts';
import { readSnapshotPage } from '../../src/entitlements/snapshot.ts';
import { type Access, naiveAccess } from './naive-access.ts';

export const OPEN = 9_223_372_036_854_775_807n;

export const plain = (access: ReadonlyMap<string, Access>): Record<string, Access> =>
  Object.fromEntries(
    [...access]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([id, { organizationId, roles, permissions }]) => [id, { organizationId, roles, permissions }]),
  );

const change = (list: readonly string[], granted: readonly string[], revoked: readonly string[], where: string): string[] => {
  for (const item of granted) expect(list, `${where} grants what was held: ${item}`).not.toContain(item);
  for (const item of revoked) expect(list, `${where} revokes what was not held: ${item}`).toContain(item);
  return [...list.filter((item) => !revoked.includes(item)), ...granted].sort();
};

export interface InvariantsOptions {
  /** Positions at which the snapshot is also read in pages, as fractions of the log. */
  snapshotsAt?: readonly number[];
}

/** They hold at every moment: all is read as of one, whatever is still going on. */
export const expectInvariants = (db: Db, options: InvariantsOptions = {}): Promise<void> =>
  db.$transaction((tx) => expectNow(tx as Db, options), { isolationLevel: 'RepeatableRead', maxWait: 30_000, timeout: 120_000 });

async function expectNow(db: Db, { snapshotsAt = [0, 0.3, 0.7, 1] }: InvariantsOptions): Promise<void> {
  const changes = await db.entitlementChange.findMany({ orderBy: { position: 'asc' } });
  const versions = await db.effectiveEntitlement.findMany({ orderBy: [{ userId: 'asc' }, { fromPosition: 'asc' }] });
  const head = await db.changeLogHead.findUniqueOrThrow({ where: { id: 1 } });
  const naive = await naiveAccess(db);

  // I3: 1..N without a hole (after pruning: from the first that is kept), nothing empty.
  const pruned = changes[0] ? Number(changes[0].position) - 1 : Number(head.position);
  expect(changes.map(({ position }) => Number(position))).toEqual(changes.map((_, index) => pruned + index + 1));
  expect(Number(head.position)).toBe(pruned + changes.length);
  const empty = changes.filter((one) =>
    [one.grantedPermissions, one.revokedPermissions, one.grantedRoles, one.revokedRoles].every((list) => list.length === 0),
  );
  expect(empty).toEqual([]);

  // Versions of one user follow each other.
  for (const [index, version] of versions.entries()) {
    expect(version.fromPosition < version.toPosition, `a version of ${version.userId} ends before it begins`).toBe(true);
    const next = versions[index + 1];
    if (next?.userId === version.userId)
      expect(next.fromPosition >= version.toPosition, `versions of ${version.userId} overlap`).toBe(true);
  }

  // I2: the log, the current versions and the naive recomputation agree; so do log and versions at every position between.
  const validAt = (position: bigint): Record<string, Access> =>
    plain(
      new Map(
        versions
          .filter((version) => version.fromPosition <= position && position < version.toPosition)
          .map((version) => [version.userId, version]),
      ),
    );
  const folded = new Map<string, Access>(pruned === 0 ? [] : Object.entries(validAt(BigInt(pruned))));
  const foldedAt = new Map<number, Record<string, Access>>([[pruned, plain(folded)]]);
  for (const one of changes) {
    const where = `change ${one.position} (${one.eventType ?? one.causeKind}, ${one.userId})`;
    const before = folded.get(one.userId);
    const after = {
      organizationId: one.organizationId,
      roles: change(before?.roles ?? [], one.grantedRoles, one.revokedRoles, where),
      permissions: change(before?.permissions ?? [], one.grantedPermissions, one.revokedPermissions, where),
    };
    if (before)
      expect(one.organizationId, `${where} is of another organization than the access that it changes`).toBe(before.organizationId);
    if (after.roles.length > 0) folded.set(one.userId, after);
    else folded.delete(one.userId);
    foldedAt.set(Number(one.position), plain(folded));
  }
  for (const [position, expected] of foldedAt) expect(validAt(BigInt(position)), `as of ${position}`).toEqual(expected);
  const current = plain(new Map(versions.filter(({ toPosition }) => toPosition === OPEN).map((version) => [version.userId, version])));
  expect(current).toEqual(plain(naive));
  expect(plain(folded)).toEqual(plain(naive));

  for (const fraction of snapshotsAt) {
    const asOf = pruned + Math.round(changes.length * fraction);
    expect(await snapshotOf(db, BigInt(asOf)), `snapshot as of ${asOf}`).toEqual(foldedAt.get(asOf));
  }
  await expectIntervals(db);
}

/** All organizations at one position, two users a page. */
async function snapshotOf(db: Db, asOf: bigint): Promise<Record<string, Access>> {
  const organizations = await db.effectiveEntitlement.findMany({ distinct: ['organizationId'], select: { organizationId: true } });
  const all = new Map<string, Access>();
  for (const { organizationId } of organizations) {
    for (let afterUserId: string | null = null; ; ) {
      const page = await readSnapshotPage(db, { organizationId, asOf, afterUserId, limit: 2 });
      for (const { userId, effective } of page) {
        expect(all.has(userId), `${userId} stands twice in a snapshot`).toBe(false);
        all.set(userId, { organizationId, roles: effective.roles, permissions: effective.permissions });
      }
      afterUserId = page.at(-1)?.userId ?? null;
      if (page.length < 2) break;
    }
  }
  return plain(all);
}

export async function expectIntervals(db: Db): Promise<void> {
  const intervals = await db.membershipInterval.findMany({ orderBy: [{ userId: 'asc' }, { groupId: 'asc' }, { fromPosition: 'asc' }] });
  const active = await db.membership.findMany({ where: { active: true } });
  const key = (row: { userId: string; groupId: string; organizationId: string }): string =>
    `${row.userId} ${row.groupId} ${row.organizationId}`;
  expect(
    intervals
      .filter(({ toPosition }) => toPosition === OPEN)
      .map(key)
      .sort(),
  ).toEqual(active.map(key).sort());
  for (const [index, one] of intervals.entries()) {
    expect(one.fromPosition < one.toPosition, `an interval of ${key(one)} ends before it begins`).toBe(true);
    const next = intervals[index + 1];
    if (next?.userId === one.userId && next.groupId === one.groupId)
      expect(next.fromPosition >= one.toPosition, `intervals of ${key(one)} overlap`).toBe(true);
  }
  const memberships = await db.membership.findMany({ include: { user: true, group: true } });
  for (const { user, group, ...membership } of memberships) {
    const counts =
      membership.present &&
      user !== null &&
      group !== null &&
      user.state !== 'DELETED' &&
      !group.deleted &&
      membership.version >= user.barrierVersion &&
      membership.version > group.deletedVersion;
    expect(membership.active, `whether ${key(membership)} counts`).toBe(counts);
    if (user) expect(membership.organizationId, key(membership)).toBe(user.organizationId);
  }
}
