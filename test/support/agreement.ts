// I2 after somebody has altered stored access by hand and it was repaired: for as long as the damage stood, some were told one
// thing and some another, and the log may repeat itself to bring all of them to the same. So what is asked here is not that log
// and versions agreed all the time, but that whoever has a snapshot of any time and follows the log from there ends right.
import { expect } from 'vitest';
import type { Db } from '../../src/db/client.ts';
import { expectIntervals, OPEN, plain } from './invariants.ts';
import { type Access, naiveAccess } from './naive-access.ts';

const whatOnly = (access: Record<string, Access>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(access).map(([id, { roles, permissions }]) => [id, { roles, permissions }]));

const follow = (list: readonly string[], granted: readonly string[], revoked: readonly string[]): string[] =>
  [...new Set([...list, ...granted])].filter((item) => !revoked.includes(item)).sort();

export async function expectAgreement(db: Db): Promise<void> {
  const changes = await db.entitlementChange.findMany({ orderBy: { position: 'asc' } });
  const versions = await db.effectiveEntitlement.findMany();
  const head = await db.changeLogHead.findUniqueOrThrow({ where: { id: 1 } });
  const right = plain(await naiveAccess(db));
  expect(plain(new Map(versions.filter(({ toPosition }) => toPosition === OPEN).map((version) => [version.userId, version])))).toEqual(
    right,
  );
  for (let position = (changes[0]?.position ?? head.position + 1n) - 1n; position <= head.position; position += 1n) {
    const held = new Map<string, Access>(
      versions
        .filter((version) => version.fromPosition <= position && position < version.toPosition)
        .map((version) => [version.userId, version]),
    );
    for (const one of changes.filter((change) => change.position > position)) {
      const before = held.get(one.userId);
      held.set(one.userId, {
        organizationId: one.organizationId,
        roles: follow(before?.roles ?? [], one.grantedRoles, one.revokedRoles),
        permissions: follow(before?.permissions ?? [], one.grantedPermissions, one.revokedPermissions),
      });
    }
    for (const [id, { roles, permissions }] of held) if (roles.length + permissions.length === 0) held.delete(id);
    expect(whatOnly(plain(held)), `who had a snapshot as of ${position}`).toEqual(whatOnly(right));
  }
  await expectIntervals(db);
}
