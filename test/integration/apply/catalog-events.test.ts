// Roles and permissions that WorkOS defines: who holds them follows at once, in whatever order the events come, and beside
// what the catalog of this service defines.
import { expect, test } from 'vitest';
import { deliver, emptyTables } from '../../support/core-database.ts';
import { expectInvariants } from '../../support/invariants.ts';
import { COMPANY, changesSince, found, headOf, NEXT, permissionsNow, putCatalog, verdicts } from '../../support/small-company.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { aDirectory, anEvent, aPermission, aRole, aUser, momentOf } from '../../support/workos-objects.ts';

const core = useCoreDatabase({ each: 'empty' });

const at = (n: number) => ({ updated_at: momentOf(n) });
const hireWithRole = [
  anEvent(1, 'dsync.activated', aDirectory()),
  anEvent(2, 'dsync.user.created', aUser('ann', { role: { slug: 'nurse' } })),
  anEvent(3, 'dsync.user.created', aUser('bob', { roles: [{ slug: 'nurse' }, { slug: 'porter' }] })),
];

test('a role that nobody has defined is held without permissions; its holders follow once it is defined, altered and deleted', async () => {
  const { db } = core;
  await deliver(db, hireWithRole);
  expect(await db.effectiveEntitlement.findMany({ where: { userId: 'ann' } })).toMatchObject([{ roles: ['nurse'], permissions: [] }]);
  // All of them are told to whoever hands changes on.
  expect(await deliver(db, [anEvent(4, 'role.created', aRole('nurse', ['ward:enter'], at(4)))])).toMatchObject({ settled: 1, changes: 2 });
  expect(await permissionsNow(db)).toEqual({ ann: ['ward:enter'], bob: ['ward:enter'] });
  await deliver(db, [anEvent(5, 'role.updated', aRole('nurse', ['ward:enter', 'drugs:give'], at(5)))]);
  expect((await permissionsNow(db)).ann).toEqual(['drugs:give', 'ward:enter']);
  const before = await headOf(db);
  await deliver(db, [anEvent(6, 'role.deleted', aRole('nurse', [], at(6)))]);
  expect(await changesSince(db, before)).toEqual([
    'ann role.deleted: -drugs:give -ward:enter',
    'bob role.deleted: -drugs:give -ward:enter',
  ]);
  await expectInvariants(db);
});

test('an update that arrives after a newer one, or after the deletion, changes nothing', async () => {
  const { db } = core;
  await deliver(db, hireWithRole);
  await deliver(db, [anEvent(6, 'role.updated', aRole('nurse', ['new'], at(6)))]);
  await deliver(db, [anEvent(5, 'role.updated', aRole('nurse', ['old'], at(5)))]);
  expect((await permissionsNow(db)).ann).toEqual(['new']);
  await deliver(db, [anEvent(8, 'role.deleted', aRole('nurse', [], at(8)))]);
  await deliver(db, [anEvent(7, 'role.updated', aRole('nurse', ['late'], at(7)))]);
  await deliver(db, [anEvent(4, 'role.created', aRole('nurse', ['first'], at(4)))]);
  expect(await permissionsNow(db)).toEqual({});
  expect(await verdicts(db)).toMatchObject({ '0005': 'STALE', '0006': 'APPLIED' });
  await deliver(db, [anEvent(9, 'role.created', aRole('nurse', ['again'], at(9)))]);
  expect((await permissionsNow(db)).ann).toEqual(['again']);
  await expectInvariants(db);
});

test('a role of the organization comes before the one for everybody, and gives way when it is deleted', async () => {
  const { db } = core;
  await deliver(db, hireWithRole);
  await deliver(db, [
    anEvent(4, 'role.created', aRole('nurse', ['ward:enter'], at(4))),
    anEvent(5, 'organization_role.created', aRole('nurse', ['ward:lead'], { ...at(5), organization_id: 'org_1' })),
    anEvent(6, 'organization_role.created', aRole('nurse', ['other'], { ...at(6), organization_id: 'org_2' })),
  ]);
  expect((await permissionsNow(db)).ann).toEqual(['ward:lead']);
  await deliver(db, [anEvent(7, 'organization_role.deleted', aRole('nurse', [], { ...at(7), organization_id: 'org_1' }))]);
  expect((await permissionsNow(db)).ann).toEqual(['ward:enter']);
  await expectInvariants(db);
});

test('organization_role.* without its organization is refused and never becomes a role for everybody', async () => {
  const { db } = core;
  await deliver(db, hireWithRole);
  await deliver(db, [anEvent(4, 'organization_role.created', aRole('nurse', ['everything'], at(4)))]);
  expect(await verdicts(db)).toMatchObject({ '0004': 'QUARANTINED' });
  expect(await permissionsNow(db)).toEqual({});
});

test('a permission that WorkOS deletes leaves the roles that WorkOS defines, in either order, and comes back with it', async () => {
  const { db } = core;
  await putCatalog(db, { roles: [{ slug: 'porter', permissions: ['ward:enter'] }], groupMappings: [] });
  await deliver(db, hireWithRole);
  const role = anEvent(4, 'role.created', aRole('nurse', ['ward:enter', 'drugs:give'], at(4)));
  await deliver(db, [anEvent(5, 'permission.deleted', aPermission('ward:enter', at(5)))]);
  await deliver(db, [role]);
  // A catalog of our own names what it likes.
  expect(await permissionsNow(db)).toEqual({ ann: ['drugs:give'], bob: ['drugs:give', 'ward:enter'] });
  await deliver(db, [anEvent(3_000, 'permission.created', aPermission('ward:enter', at(3_000)))]);
  expect((await permissionsNow(db)).ann).toEqual(['drugs:give', 'ward:enter']);
  await deliver(db, [anEvent(6, 'permission.deleted', aPermission('ward:enter', at(6)))]);
  expect((await permissionsNow(db)).ann).toEqual(['drugs:give', 'ward:enter']);
  await expectInvariants(db);
});

test('WorkOS takes over a role that the catalog had defined', async () => {
  const { db } = core;
  await found(db);
  await deliver(db, [anEvent(NEXT, 'role.created', aRole('builder', ['site:enter'], { updated_at: '2001-01-01T00:00:00Z' }))]);
  expect((await permissionsNow(db)).ann).toEqual(['site:enter']);
  await expect(putCatalog(db)).rejects.toMatchObject({ code: 'CONFLICT' });
  await expectInvariants(db);
});

test('what WorkOS says of a role that it no longer has does not touch what the catalog defined since', async () => {
  const { db } = core;
  const [created, updated, deleted] = [
    anEvent(NEXT, 'role.created', aRole('builder', ['a'], at(NEXT))),
    anEvent(NEXT + 1, 'role.updated', aRole('builder', ['b'], at(NEXT + 1))),
    anEvent(NEXT + 2, 'role.deleted', aRole('builder', [], at(NEXT + 2))),
  ];
  const ours = ['docs:read', 'docs:write'];
  await deliver(db, [...COMPANY, created, deleted]);
  await putCatalog(db);
  expect((await permissionsNow(db)).ann).toEqual(ours);
  await deliver(db, [updated]);
  expect((await permissionsNow(db)).ann).toEqual(ours);

  // The same when the catalog came first.
  await emptyTables(db);
  await found(db);
  await deliver(db, [deleted]);
  await deliver(db, [created, updated]);
  expect((await permissionsNow(db)).ann).toEqual(ours);
  await expectInvariants(db);
});

test('events of the directory and of the catalog, mixed in one partition, are applied in their order', async () => {
  const { db } = core;
  await deliver(db, [
    ...hireWithRole,
    anEvent(4, 'organization_role.created', aRole('nurse', ['x'], { ...at(4), organization_id: 'org_1' })),
    anEvent(5, 'dsync.user.deleted', aUser('ann')),
    anEvent(6, 'organization_role.updated', aRole('nurse', ['y'], { ...at(6), organization_id: 'org_1' })),
  ]);
  expect(await changesSince(db, 2)).toEqual([
    'ann organization_role.created: +x',
    'bob organization_role.created: +x',
    'ann dsync.user.deleted: -x',
    'bob organization_role.updated: +y -x',
  ]);
  await expectInvariants(db);
});
