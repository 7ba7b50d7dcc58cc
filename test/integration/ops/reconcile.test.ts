// Reconciliation against the fake WorkOS and real tables: what it finds, what it does not invent, how it repairs.
import { afterEach, expect, test } from 'vitest';
import { expectInvariants } from '../../support/invariants.ts';
import { changed, member, type Rig, startRig } from '../../support/reconciliation.ts';
import { permissionsNow } from '../../support/small-company.ts';
import { aGroup, aUser } from '../../support/workos-objects.ts';

let rig: Rig;
afterEach(() => rig?.close());

/** Members by group: 0, 3, 6, 9 engineers; 1, 4, 7, 10 admins; 2, 5, 8, 11 everybody. */
function plantEveryKind({ tell }: Rig): string[] {
  const lost = { lost: true };
  tell('dsync.user.created', aUser('new'), lost);
  tell('dsync.user.deleted', aUser('u000'), lost);
  tell('dsync.user.updated', changed('u001', { state: 'inactive' }), lost);
  tell('dsync.user.updated', changed('u002', { email: 'elsewhere@example.com', custom_attributes: { office: 'Oslo' } }), lost);
  tell('dsync.user.updated', changed('u003', { roles: [{ slug: 'auditor' }] }), lost);
  tell('dsync.group.user_removed', member('u004', 'admins'), lost);
  tell('dsync.group.user_added', member('u005', 'admins'), lost);
  tell('dsync.group.created', aGroup('lawyers'), lost);
  tell('dsync.group.user_added', member('u006', 'lawyers'), lost);
  tell('dsync.group.deleted', aGroup('leavers'), lost);
  tell('dsync.group.updated', aGroup('everybody', { idp_id: 'another', updated_at: new Date().toISOString() }), lost);
  return [
    'ATTRIBUTES everybody',
    'ATTRIBUTES u002',
    'MEMBERSHIP u004 admins',
    'MEMBERSHIP u005 admins',
    'MEMBERSHIP u006 lawyers',
    'MISSING_AT_SOURCE leavers',
    'MISSING_AT_SOURCE u000',
    'MISSING_LOCALLY lawyers',
    'MISSING_LOCALLY new',
    'ROLE u003',
    'STATE u001',
  ];
}

test('a directory in step has no drift, and every account was looked at', async () => {
  rig = await startRig();
  const report = await rig.reconcile();
  expect(report).toMatchObject({
    status: 'SUCCEEDED',
    usersRead: 12,
    groupsRead: 4,
    membershipsRead: 12,
    accountsChecked: 12,
    accountsDrifted: 0,
    byKind: {},
  });
  expect(await rig.core.db.driftReadUser.count()).toBe(0);
});

test('planted drift of every kind is found exactly, told without personal data, and altered nothing', async () => {
  rig = await startRig();
  const planted = plantEveryKind(rig);
  const before = await permissionsNow(rig.core.db);
  const report = await rig.reconcile();
  expect(report).toMatchObject({ status: 'SUCCEEDED', accountsChecked: 13, accountsDrifted: 8, repaired: 0, error: null });
  expect((await rig.items(report.id)).sort()).toEqual(planted);
  expect(report.byKind).toEqual({ ATTRIBUTES: 2, MEMBERSHIP: 3, MISSING_AT_SOURCE: 2, MISSING_LOCALLY: 2, ROLE: 1, STATE: 1 });
  const told = JSON.stringify(await rig.core.db.driftItem.findMany({ where: { reportId: report.id } }));
  for (const secret of ['elsewhere', 'Oslo', 'example.com', 'Given']) expect(told).not.toContain(secret);
  expect(told).toContain('customAttributes.office');
  expect(await permissionsNow(rig.core.db)).toEqual(before);
});

test('a repair goes through the log with its cause, ends in what the directory says, and leaves nothing to find', async () => {
  rig = await startRig();
  const { db } = rig.core;
  plantEveryKind(rig);
  await db.directoryUser.updateMany({ where: { id: { in: ['u007', 'u002'] } }, data: { driftSuspected: true } });
  const before = await db.changeLogHead.findUniqueOrThrow({ where: { id: 1 } });
  const report = await rig.reconcile({ repair: true });
  expect(report).toMatchObject({ status: 'SUCCEEDED', repaired: 11, accountsDrifted: 8, error: null });
  const changes = await db.entitlementChange.findMany({ where: { position: { gt: before.position } } });
  expect(changes.length).toBeGreaterThan(2);
  for (const { causeKind, driftReportId, actor } of changes)
    expect({ causeKind, driftReportId, actor }).toEqual({ causeKind: 'RECONCILIATION', driftReportId: report.id, actor: 'ops' });
  const now = await permissionsNow(db);
  expect(now.u000).toBeUndefined();
  expect(now.u001).toBeUndefined();
  expect(now.u004).toBeUndefined();
  expect(now.u005).toEqual(['docs:admin', 'docs:read', 'docs:write']);
  expect(await db.directoryUser.count({ where: { driftSuspected: true } })).toBe(0);
  await expectInvariants(db);

  const again = await rig.reconcile({ repair: true });
  expect(again).toMatchObject({ status: 'SUCCEEDED', accountsDrifted: 0, byKind: {}, repaired: 0 });
});
