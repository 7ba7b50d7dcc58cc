// Reconciliation against the fake WorkOS and real tables: what it finds, what it does not invent, how it repairs.
import { afterEach, expect, test } from 'vitest';
import { createLogger } from '../../../src/log.ts';
import { readDriftSummary } from '../../../src/ops/drift-summary.ts';
import { createReconcileSchedule } from '../../../src/ops/reconcile-schedule.ts';
import { refreshNext } from '../../../src/ops/refresh-accounts.ts';
import { expectInvariants } from '../../support/invariants.ts';
import { changed, member, type Rig, startRig } from '../../support/reconciliation.ts';
import { replay } from '../../support/replays.ts';
import { headOf, permissionsNow } from '../../support/small-company.ts';
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

/** A day at the company between any two steps: told by events, of which some come in late and some are applied later still. */
function liveOn({ tell, poll, pollOnly }: Rig): () => Promise<void> {
  let n = 0;
  return async () => {
    n += 1;
    tell('dsync.user.created', aUser(`joiner${n}`));
    tell('dsync.group.user_added', member(`joiner${n}`, 'engineers'));
    if (n > 1) tell('dsync.user.deleted', aUser(`joiner${n - 1}`));
    tell('dsync.user.updated', changed('u009', { last_name: `Name${n}` }));
    tell('dsync.group.user_removed', member('u010', 'admins'));
    if (n % 2) tell('dsync.group.user_added', member('u010', 'admins'));
    tell('dsync.user.updated', changed('u008', { state: n % 2 ? 'suspended' : 'active' }));
    tell('dsync.group.created', aGroup(`project${n}`));
    tell('dsync.group.user_added', member('u011', `project${n}`));
    if (n > 2) tell('dsync.group.deleted', aGroup(`project${n - 2}`));
    if (n % 3 === 0) await poll();
    if (n % 3 === 1) await pollOnly();
  };
}

test('while events flow none is taken for drift, and planted drift is found among them', async () => {
  rig = await startRig();
  const planted = plantEveryKind(rig);
  const report = await rig.reconcile({}, liveOn(rig));
  expect(report).toMatchObject({ status: 'SUCCEEDED', error: null });
  expect((await rig.items(report.id)).sort()).toEqual(planted);
  const repaired = await rig.reconcile({ repair: true }, liveOn(rig));
  expect(repaired).toMatchObject({ status: 'SUCCEEDED', repaired: planted.length });
  await rig.poll();
  await expectInvariants(rig.core.db);
  expect(await rig.reconcile()).toMatchObject({ byKind: {} });
});

test('control: without the fences the same company drifts all the time', async () => {
  rig = await startRig();
  const { db } = rig.core;
  const live = liveOn(rig);
  const report = await rig.reconcile({}, async (row) => {
    // As if the read were newer than every event to come.
    if (row.phase === 'COMPARING')
      await db.driftReport.update({ where: { id: row.id }, data: { version: 'event_7ZZZZZZZZZZZZZZZZZZZZZZZZZ' } });
    await live();
    await rig.poll();
  });
  expect(report.accountsDrifted).toBeGreaterThan(0);
});

test('an account that was read again on its own since is not compared with the older read', async () => {
  rig = await startRig();
  const { db } = rig.core;
  const report = await rig.reconcile({}, async (row) => {
    if (row.phase !== 'SETTLING') return;
    rig.tell('dsync.user.updated', changed('u003', { state: 'suspended' }), { lost: true });
    await db.refreshTask.create({ data: { userId: 'u003', directoryId: 'directory_1', reason: 'QUARANTINED_EVENT' } });
    await refreshNext({ db, workos: rig.workos, log: createLogger('fatal'), clock: () => new Date() }, new AbortController().signal);
  });
  expect((await db.directoryUser.findUniqueOrThrow({ where: { id: 'u003' } })).state).toBe('SUSPENDED');
  expect(report).toMatchObject({ byKind: {}, accountsChecked: 11 });
});

test('the accounts that a quarantined event touches are read again, are right and no longer suspected', async () => {
  rig = await startRig();
  const { db } = rig.core;
  rig.tell('dsync.user.updated', changed('u004', { state: 'suspended' }), { lost: true });
  rig.tell('dsync.user.updated', { ...changed('u004'), state: 'on sabbatical' });
  await rig.poll();
  const suspected = await db.directoryUser.findUniqueOrThrow({ where: { id: 'u004' } });
  expect(suspected).toMatchObject({ driftSuspected: true, state: 'ACTIVE' });
  const refresh = { db, workos: rig.workos, log: createLogger('fatal'), clock: () => new Date() };
  expect(await refreshNext(refresh, new AbortController().signal)).toBe(true);
  expect(await db.directoryUser.findUniqueOrThrow({ where: { id: 'u004' } })).toMatchObject({ driftSuspected: false, state: 'SUSPENDED' });
  expect(await db.refreshTask.count()).toBe(0);
  await expectInvariants(db);
});

test.each([
  ['429', { kind: 'status', status: 429 }],
  ['500 with HTML', { kind: 'html' }],
  ['truncated JSON', { kind: 'truncated' }],
] as const)('a read that meets %s fails, says so, and repairs nothing', async (_name, fault) => {
  rig = await startRig();
  const { db } = rig.core;
  plantEveryKind(rig);
  const before = await db.changeLogHead.findUniqueOrThrow({ where: { id: 1 } });
  const report = await rig.reconcile({ repair: true }, (row) => {
    if (row.phase === 'MEMBERSHIPS') rig.fake.fault({ ...fault, path: '/directory_users', times: 1 });
  });
  expect(report).toMatchObject({ status: 'FAILED', repaired: 0, error: expect.stringContaining('/directory_users') });
  expect(await db.changeLogHead.findUniqueOrThrow({ where: { id: 1 } })).toEqual(before);
  expect(await db.driftReadUser.count()).toBe(0);
  rig.fake.clearFaults();
  expect(await rig.reconcile()).toMatchObject({ status: 'SUCCEEDED', accountsDrifted: 8 });
});

test('a directory whose WorkOS does not answer at all: failed, and says so', async () => {
  rig = await startRig();
  rig.fake.fault({ kind: 'status', status: 503, times: null });
  expect(await rig.reconcile({ repair: true })).toMatchObject({ status: 'FAILED', startedAt: null, error: expect.stringContaining('503') });
});

test('one fault is got over; a page that is empty by mistake is looked at again, and a read that stays short is refused', async () => {
  rig = await startRig({ deps: { retryDelaysMs: [0, 0] } });
  let struck = false;
  const report = await rig.reconcile({}, (row) => {
    if (!struck && row.phase === 'GROUPS') rig.fake.fault({ kind: 'status', status: 500, path: '/directory_groups', times: 1 });
    if (!struck && row.phase === 'USERS') rig.fake.fault({ kind: 'empty', path: '/directory_users', times: 1 });
    struck = row.phase === 'GROUPS';
  });
  expect(report).toMatchObject({ status: 'SUCCEEDED', accountsChecked: 12, byKind: {} });
  const short = await rig.reconcile({ repair: true, maxRevocations: 1_000 }, (row) => {
    if (row.phase === 'USERS') rig.fake.fault({ kind: 'empty', path: '/directory_users', times: 2 });
    if (row.phase === 'MEMBERSHIPS') rig.fake.fault({ kind: 'empty', path: '/directory_users', times: null });
  });
  expect(short).toMatchObject({ status: 'FAILED', repaired: 0, error: expect.stringContaining('not complete') });
  expect(Object.keys(await permissionsNow(rig.core.db))).toHaveLength(12);
});

test('any worker goes on where another one stopped, and two at once do nothing twice', async () => {
  rig = await startRig();
  const planted = plantEveryKind(rig);
  const signal = new AbortController().signal;
  const report = await rig.reconcile({ repair: true }, async () => {
    await Promise.all([rig.another().step(signal), rig.another().step(signal)]);
  });
  expect(report).toMatchObject({ status: 'SUCCEEDED', accountsChecked: 13, repaired: planted.length, error: null });
  await expectInvariants(rig.core.db);
  expect(await rig.reconcile()).toMatchObject({ byKind: {} });
});

test('too many revocations wait for the token of this very difference', async () => {
  rig = await startRig();
  const { db } = rig.core;
  for (const id of ['u000', 'u003', 'u006']) rig.tell('dsync.user.deleted', aUser(id), { lost: true });
  const waiting = await rig.reconcile({ repair: true, maxRevocations: 2 });
  expect(waiting).toMatchObject({ status: 'AWAITING_CONFIRMATION', repaired: 0, error: expect.stringContaining('3 accounts') });
  expect((await permissionsNow(db)).u000).toBeDefined();

  await expect(rig.start({ repair: true, confirmToken: 'something' })).rejects.toMatchObject({
    code: 'CONFIRMATION_REQUIRED',
    details: { confirmToken: waiting.confirmToken, driftReportId: waiting.id },
  });
  await expect(rig.start({ confirmToken: waiting.confirmToken })).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });

  // Another difference by now: an account is gone here already.
  rig.tell('dsync.user.deleted', aUser('u003', { custom_attributes: { again: true } }));
  await rig.poll();
  const other = await rig.finish((await rig.start({ repair: true, confirmToken: waiting.confirmToken, maxRevocations: 1 })).id);
  expect(other).toMatchObject({ id: waiting.id, status: 'AWAITING_CONFIRMATION', error: expect.stringContaining('another difference') });
  expect(other.confirmToken).not.toBe(waiting.confirmToken);
  expect((await permissionsNow(db)).u000).toBeDefined();

  const done = await rig.finish((await rig.start({ repair: true, confirmToken: other.confirmToken })).id);
  expect(done).toMatchObject({ status: 'SUCCEEDED', repaired: 2, confirmToken: null });
  expect((await permissionsNow(db)).u000).toBeUndefined();
  await expectInvariants(db);
});

test('one reconciliation of a directory at a time; a new one takes the place of one that waits', async () => {
  rig = await startRig();
  const first = await rig.start();
  await expect(rig.start()).rejects.toMatchObject({ code: 'CONFLICT', details: { driftReportId: first.id } });
  await rig.finish(first.id);
  for (const id of ['u000', 'u003']) rig.tell('dsync.user.deleted', aUser(id), { lost: true });
  const waiting = await rig.reconcile({ repair: true, maxRevocations: 0 });
  const next = await rig.start({ repair: true });
  expect(await rig.report(waiting.id)).toMatchObject({ status: 'CANCELLED', confirmToken: null });
  expect(await rig.finish(next.id)).toMatchObject({ status: 'SUCCEEDED', repaired: 2 });
});

test('what was read can be forgotten, however much it was', async () => {
  rig = await startRig({ users: 1 });
  const { db } = rig.core;
  const report = await rig.reconcile({}, async (row) => {
    if (row.phase !== 'COMPARING' || row.progressKey === null) return;
    const many = `INSERT INTO drift_read_member (report_id, user_id, group_id) SELECT $1, 'u000', 'g' || n FROM generate_series(1, 40000) AS n ON CONFLICT DO NOTHING`;
    await db.$executeRawUnsafe(many, row.id);
  });
  expect(report).toMatchObject({ status: 'SUCCEEDED' });
  expect(await db.driftReadMember.count()).toBe(0);
});

test('rows edited by hand are found, classified and repaired; a replay finds nothing to undo', async () => {
  rig = await startRig();
  const { db } = rig.core;
  await db.directoryUser.update({ where: { id: 'u000' }, data: { state: 'SUSPENDED' } });
  await db.directoryUser.update({ where: { id: 'u001' }, data: { email: 'by@hand.example', directoryRoles: ['king'] } });
  await db.membership.update({
    where: { userId_groupId: { userId: 'u002', groupId: 'everybody' } },
    data: { present: false, active: false },
  });
  await db.membership.delete({ where: { userId_groupId: { userId: 'u003', groupId: 'engineers' } } });
  await db.$executeRawUnsafe("DELETE FROM directory_user WHERE id = 'u005'");
  await db.directoryGroup.update({ where: { id: 'leavers' }, data: { name: 'stayers' } });
  await db.directoryGroup.update({ where: { id: 'admins' }, data: { deleted: true, deletedVersion: 'event_0000000000000000000000000Z' } });
  const report = await rig.reconcile({ repair: true, maxRevocations: 12 });
  expect((await rig.items(report.id)).sort()).toEqual([
    'ATTRIBUTES leavers',
    'ATTRIBUTES u001',
    'MEMBERSHIP u002 everybody',
    'MEMBERSHIP u003 engineers',
    'MISSING_LOCALLY admins',
    'MISSING_LOCALLY u005',
    'ROLE u001',
    'STATE u000',
  ]);
  expect(report).toMatchObject({ status: 'SUCCEEDED', repaired: 8, error: null });
  expect(await rig.reconcile()).toMatchObject({ byKind: {} });
  await expectInvariants(db);
  const head = await headOf(db);
  expect(await replay(db)).toMatchObject({ status: 'SUCCEEDED' });
  expect(await headOf(db)).toBe(head);
  expect(await rig.reconcile()).toMatchObject({ byKind: {} });
});

test('what a repair did a replay does not undo: accounts and groups that are gone stay gone', async () => {
  rig = await startRig();
  const { db } = rig.core;
  plantEveryKind(rig);
  await rig.reconcile({ repair: true });
  const state = await permissionsNow(db);
  expect(await replay(db)).toMatchObject({ status: 'SUCCEEDED', repaired: 0 });
  expect(await permissionsNow(db)).toEqual(state);
  expect((await db.directoryGroup.findUniqueOrThrow({ where: { id: 'leavers' } })).deleted).toBe(true);
  expect(await rig.reconcile()).toMatchObject({ byKind: {} });
});

test('sync-health is told of the newest report: what differs, and nothing more once it is repaired', async () => {
  rig = await startRig();
  const { db } = rig.core;
  const everything = { organizationId: null, directoryId: null };
  expect(await readDriftSummary(db, everything, null)).toEqual({
    accountsChecked: 0,
    accountsDrifted: 0,
    byKind: [],
    lastReportId: null,
    lastCheckedAt: null,
  });
  rig.tell('dsync.user.deleted', aUser('u000'), { lost: true });
  const found = await rig.reconcile();
  expect(await readDriftSummary(db, everything, 'org_1')).toEqual({
    accountsChecked: 12,
    accountsDrifted: 1,
    byKind: [{ kind: 'MISSING_AT_SOURCE', count: 1 }],
    lastReportId: found.id,
    lastCheckedAt: found.comparedAt,
  });
  expect(await readDriftSummary(db, everything, 'org_2')).toMatchObject({ lastReportId: null });
  await rig.reconcile({ repair: true });
  expect(await readDriftSummary(db, { organizationId: 'org_1', directoryId: 'directory_1' }, null)).toMatchObject({
    accountsChecked: 12,
    accountsDrifted: 0,
    byKind: [],
  });
});

test('a directory is compared when it is due, and when its counts differ twice while nothing is on its way', async () => {
  rig = await startRig();
  const { db } = rig.core;
  const signal = new AbortController().signal;
  const reports = () => db.driftReport.count();
  const scheduleOf = (intervalHours: number) =>
    createReconcileSchedule({ db, workos: rig.workos, log: createLogger('fatal'), intervalHours, repair: 'auto' });
  await scheduleOf(0).step(signal);
  expect(await reports()).toBe(0);
  const schedule = scheduleOf(24);
  await schedule.step(signal);
  const [due] = await db.driftReport.findMany();
  expect(due).toMatchObject({ status: 'PENDING', repair: true, requestedBy: 'schedule' });
  await rig.finish(due?.id ?? '');

  await schedule.step(signal);
  rig.tell('dsync.user.deleted', aUser('u000'));
  await schedule.step(signal);
  await rig.pollOnly();
  await schedule.step(signal);
  await rig.poll();
  for (let looks = 0; looks < 3; looks += 1) await schedule.step(signal);
  expect(await reports()).toBe(1);

  rig.tell('dsync.user.deleted', aUser('u001'), { lost: true });
  await schedule.step(signal);
  expect(await reports()).toBe(1);
  await schedule.step(signal);
  expect(await reports()).toBe(2);
  const [probed] = await db.driftReport.findMany({ where: { status: 'PENDING' } });
  expect(await rig.finish(probed?.id ?? '')).toMatchObject({ status: 'SUCCEEDED', repaired: 1 });
  for (let looks = 0; looks < 3; looks += 1) await schedule.step(signal);
  expect(await reports()).toBe(2);
});
