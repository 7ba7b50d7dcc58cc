// A reconciliation also finds where what is kept of somebody's access does not follow from the rows, though the rows are right, and
// states it anew.
import { afterEach, expect, test } from 'vitest';
import { OPEN_END } from '../../../src/model/cursor.ts';
import { expectAgreement } from '../../support/agreement.ts';
import { type Rig, startRig } from '../../support/reconciliation.ts';
import { headOf } from '../../support/small-company.ts';
import { aGroup, aUser } from '../../support/workos-objects.ts';

let rig: Rig;
afterEach(() => rig?.close());

const OPEN = `to_position = ${OPEN_END}`;
/** Members by group: 0, 3 engineers; 1, 4 admins; 2, 5 everybody. */
const USERS = 6;

const DAMAGE: [string, (rig: Rig) => Promise<unknown>, string[]][] = [
  [
    'a group is deleted while no membership is known',
    async ({ core: { db }, tell, poll }) => {
      await db.membership.deleteMany({ where: { groupId: 'engineers' } });
      tell('dsync.group.deleted', aGroup('engineers'));
      await poll();
    },
    ['MEMBERSHIP u000 engineers', 'ROLE u000', 'MEMBERSHIP u003 engineers', 'ROLE u003'],
  ],
  [
    'an account is deleted while its memberships are not known',
    async ({ core: { db }, tell, poll }) => {
      await db.membership.deleteMany({ where: { userId: 'u001' } });
      tell('dsync.user.deleted', aUser('u001'));
      await poll();
    },
    ['MEMBERSHIP u001 admins'],
  ],
  [
    'an account is deleted while its access is lost, so that nobody was told',
    async ({ core: { db }, tell, poll }) => {
      await db.$executeRawUnsafe("DELETE FROM effective_entitlement WHERE user_id = 'u001'");
      tell('dsync.user.deleted', aUser('u001'));
      await poll();
    },
    ['ROLE u001'],
  ],
  [
    'access is invented',
    ({ core: { db } }) =>
      db.$executeRawUnsafe(`UPDATE effective_entitlement SET permissions = '{docs:read,secret}' WHERE user_id = 'u002' AND ${OPEN}`),
    ['ROLE u002'],
  ],
  [
    'access is lost',
    ({ core: { db } }) => db.$executeRawUnsafe("DELETE FROM effective_entitlement WHERE user_id IN ('u002', 'u003')"),
    ['ROLE u002', 'ROLE u003'],
  ],
  [
    'memberships do not count',
    ({ core: { db } }) => db.$executeRawUnsafe("UPDATE membership SET active = false WHERE user_id = 'u004'"),
    ['MEMBERSHIP u004 admins'],
  ],
];

test.each(DAMAGE)('%s: found, and stated anew', async (_what, damage, found) => {
  rig = await startRig({ users: USERS });
  const { db } = rig.core;
  await damage(rig);
  const head = await headOf(db);

  const report = await rig.reconcile();
  expect(await rig.items(report.id)).toEqual(found);
  expect(report).toMatchObject({ status: 'SUCCEEDED', accountsDrifted: new Set(found.map((item) => item.split(' ')[1])).size });
  expect(await headOf(db)).toBe(head);

  const repaired = await rig.reconcile({ repair: true });
  expect(repaired).toMatchObject({ status: 'SUCCEEDED', repaired: found.length, error: null });
  const changes = await db.entitlementChange.findMany({ where: { position: { gt: head } } });
  expect(changes.every(({ causeKind, driftReportId }) => causeKind === 'RECONCILIATION' && driftReportId === repaired.id)).toBe(true);
  await expectAgreement(db);
  expect(await rig.reconcile()).toMatchObject({ status: 'SUCCEEDED', accountsDrifted: 0, byKind: {} });
});

test('what would be taken so is guarded like everything else', async () => {
  rig = await startRig({ users: USERS });
  const { db } = rig.core;
  await db.$executeRawUnsafe(`UPDATE effective_entitlement SET permissions = permissions || '{secret}' WHERE ${OPEN}`);
  const waiting = await rig.reconcile({ repair: true, maxRevocations: 3 });
  expect(waiting).toMatchObject({ status: 'AWAITING_CONFIRMATION', error: expect.stringContaining(`${USERS} accounts would lose`) });
  const confirmed = await rig.reconcile({ repair: true, maxRevocations: 3, confirmToken: waiting.confirmToken });
  expect(confirmed).toMatchObject({ id: waiting.id, status: 'SUCCEEDED', repaired: USERS });
  await expectAgreement(db);
});

test('access that a change of the catalog has yet to come by is no drift', async () => {
  rig = await startRig({ users: USERS });
  const { db } = rig.core;
  await db.$executeRawUnsafe(`UPDATE effective_entitlement SET permissions = permissions || '{before}' WHERE ${OPEN}`);
  const change = await db.wideChange.create({ data: { organizationId: 'org_1', cause: {} } });
  expect(await rig.reconcile()).toMatchObject({ status: 'SUCCEEDED', accountsDrifted: 0 });
  await db.wideChange.update({ where: { id: change.id }, data: { finishedAt: new Date() } });
  expect(await rig.reconcile()).toMatchObject({ status: 'SUCCEEDED', accountsDrifted: USERS });
});
