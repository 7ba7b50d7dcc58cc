// What one event means for many: groups and directories that go, come back and move, and accounts that do.
import { expect, test } from 'vitest';
import { applyObservations } from '../../../src/apply/apply-facts.ts';
import { causeOfEvent } from '../../../src/apply/parse-event.ts';
import { parseRead } from '../../../src/apply/parse-read.ts';
import { grantRole } from '../../../src/entitlements/grants.ts';
import { versionOfRead } from '../../../src/model/version.ts';
import { deliver, emptyTables } from '../../support/core-database.ts';
import { expectInvariants } from '../../support/invariants.ts';
import { COMPANY, changesSince, headOf, NEXT, permissionsNow, putCatalog, verdicts } from '../../support/small-company.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { aDirectory, aGroup, aMembership, anEvent, anOrganization, aUser, momentOf } from '../../support/workos-objects.ts';

const core = useCoreDatabase({ each: 'small company' });

const BUILDER = ['docs:read', 'docs:write'];

test('group.deleted ends what every member had by it, and nothing else', async () => {
  const { db } = core;
  const before = await headOf(db);
  await deliver(db, [anEvent(NEXT, 'dsync.group.deleted', aGroup('engineers'))]);
  expect(await changesSince(db, before)).toEqual([
    'ann dsync.group.deleted: -docs:read -docs:write',
    'bob dsync.group.deleted: -docs:write',
  ]);
  expect(await permissionsNow(db)).toEqual({ bob: ['docs:admin', 'docs:read'] });
  await expectInvariants(db);
});

test('a group of the same name with a new id starts empty', async () => {
  const { db } = core;
  await deliver(db, [
    anEvent(NEXT, 'dsync.group.deleted', aGroup('engineers')),
    anEvent(NEXT + 1, 'dsync.group.created', aGroup('engineers-2', { name: 'engineers' })),
    anEvent(NEXT + 2, 'dsync.group.user_added', aMembership(aUser('cyd'), aGroup('engineers-2', { name: 'engineers' }))),
  ]);
  expect(await permissionsNow(db)).toEqual({ bob: ['docs:admin', 'docs:read'], cyd: BUILDER });
  await expectInvariants(db);
});

test('a renamed group gives what its new name is mapped to', async () => {
  const { db } = core;
  await deliver(db, [anEvent(NEXT, 'dsync.group.updated', aGroup('engineers', { name: 'admins', updated_at: momentOf(NEXT) }))]);
  expect(await permissionsNow(db)).toEqual({ ann: ['docs:admin', 'docs:read'], bob: ['docs:admin', 'docs:read'] });
  await expectInvariants(db);
});

test.each(['dsync.deleted', 'dsync.deactivated'])(
  '%s ends the access of everybody; activation alone brings none of it back',
  async (type) => {
    const { db } = core;
    const before = await headOf(db);
    await deliver(db, [anEvent(NEXT, type, aDirectory('directory_1', { state: 'deleting', updated_at: momentOf(NEXT) }))]);
    expect(await changesSince(db, before)).toEqual([
      `ann ${type}: -docs:read -docs:write`,
      `bob ${type}: -docs:admin -docs:read -docs:write`,
    ]);
    await deliver(db, [
      anEvent(NEXT + 1, 'dsync.activated', aDirectory('directory_1', { updated_at: momentOf(NEXT + 1) })),
      anEvent(NEXT + 2, 'dsync.user.created', aUser('ann')),
    ]);
    expect(await permissionsNow(db)).toEqual({});
    await deliver(db, [
      anEvent(NEXT + 3, 'dsync.group.created', aGroup('engineers')),
      anEvent(NEXT + 4, 'dsync.group.user_added', aMembership(aUser('ann'), aGroup('engineers'))),
    ]);
    expect(await permissionsNow(db)).toEqual({ ann: BUILDER });
    expect(await db.directoryUser.count({ where: { state: 'DELETED' } })).toBe(2);
    await expectInvariants(db);
  },
);

test('a directory with invalid credentials keeps everything and gives nothing', async () => {
  const { db } = core;
  await deliver(db, [
    anEvent(NEXT, 'dsync.activated', aDirectory('directory_1', { state: 'invalid_credentials', updated_at: momentOf(NEXT) })),
  ]);
  expect(await permissionsNow(db)).toEqual({});
  await deliver(db, [anEvent(NEXT + 1, 'dsync.activated', aDirectory('directory_1', { updated_at: momentOf(NEXT + 1) }))]);
  expect(await permissionsNow(db)).toEqual({ ann: BUILDER, bob: ['docs:admin', 'docs:read', 'docs:write'] });
  await expectInvariants(db);
});

const suspended = aUser('bob', { state: 'suspended', updated_at: momentOf(NEXT) });
const active = aUser('bob', { updated_at: momentOf(NEXT + 1) });

test('who becomes active again gets back only what a newer event confirms', async () => {
  const { db } = core;
  await deliver(db, [anEvent(NEXT, 'dsync.user.updated', suspended)]);
  expect(await permissionsNow(db)).toEqual({ ann: BUILDER });
  await deliver(db, [anEvent(NEXT + 1, 'dsync.user.updated', active)]);
  expect(await permissionsNow(db)).toEqual({ ann: BUILDER });
  expect(await db.refreshTask.findMany()).toMatchObject([{ userId: 'bob', directoryId: 'directory_1', reason: 'REACTIVATED' }]);
  await deliver(db, [anEvent(NEXT + 2, 'dsync.group.user_added', aMembership(active, aGroup('admins')))]);
  expect(await permissionsNow(db)).toEqual({ ann: BUILDER, bob: ['docs:admin', 'docs:read'] });
  await expectInvariants(db);
});

test('who becomes active again gets back what a read of the account shows, and the rest is over', async () => {
  const { db } = core;
  const reactivation = anEvent(NEXT + 1, 'dsync.user.updated', active);
  await deliver(db, [anEvent(NEXT, 'dsync.user.updated', suspended), reactivation]);
  const parsed = parseRead({ directoryId: 'directory_1', kind: 'USER_GROUPS', group: null, userId: 'bob', items: [aGroup('engineers')] });
  if (parsed.kind === 'refused') throw new Error(parsed.reason);
  await applyObservations(db, 'org_1', [
    { version: versionOfRead(reactivation.id), facts: parsed.facts, cause: causeOfEvent(reactivation) },
  ]);
  expect(await permissionsNow(db)).toEqual({ ann: BUILDER, bob: BUILDER });
  // An older addition that arrives only now is not in the read: it does not count.
  await deliver(db, [{ ...anEvent(0, 'dsync.group.user_added', aMembership(aUser('bob'), aGroup('late'))) }]);
  expect(await db.membership.findMany({ where: { userId: 'bob', active: true } })).toMatchObject([{ groupId: 'engineers' }]);
  await expectInvariants(db);
});

test('a staged account that was put into a group has its access with the first day', async () => {
  const { db } = core;
  const staged = aUser('dan', { state: 'inactive' });
  await deliver(db, [
    anEvent(NEXT, 'dsync.user.created', staged),
    anEvent(NEXT + 1, 'dsync.group.user_added', aMembership(staged, aGroup('engineers'))),
  ]);
  expect(await permissionsNow(db)).not.toHaveProperty('dan');
  await deliver(db, [anEvent(NEXT + 2, 'dsync.user.updated', aUser('dan', { updated_at: momentOf(NEXT + 2) }))]);
  expect((await permissionsNow(db)).dan).toEqual(BUILDER);
  await expectInvariants(db);
});

test('a directory that moves takes its people along: access under the old organization ends first, the new one has its own catalog', async () => {
  const { db } = core;
  await putCatalog(db, {
    roles: [{ slug: 'guest', organizationId: 'org_2', permissions: ['lobby:enter'] }],
    groupMappings: [{ organizationId: 'org_2', groupName: 'engineers', roles: ['guest'] }],
  });
  await grantRole(db, { userId: 'ann', role: 'steward', reason: 'audit', expiresAt: null, actor: 'ops', tenant: null });
  await deliver(db, [anEvent(NEXT, 'dsync.group.user_removed', aMembership(aUser('bob'), aGroup('admins')))]);
  const before = await headOf(db);
  await deliver(db, [
    anEvent(NEXT + 1, 'dsync.activated', aDirectory('directory_1', { organization_id: 'org_2', updated_at: momentOf(NEXT + 1) })),
  ]);
  expect(await permissionsNow(db)).toEqual({ ann: ['lobby:enter'], bob: ['lobby:enter'] });
  const changes = await db.entitlementChange.findMany({ where: { position: { gt: before } }, orderBy: { position: 'asc' } });
  expect(changes.map(({ userId, organizationId }) => `${userId} ${organizationId}`)).toEqual([
    'ann org_1',
    'bob org_1',
    'ann org_2',
    'bob org_2',
  ]);
  // Also what is no longer: were it added again, it would be under the new organization.
  expect(await db.membership.count({ where: { organizationId: 'org_1' } })).toBe(0);
  await deliver(db, [
    anEvent(
      NEXT + 2,
      'dsync.group.user_added',
      aMembership(aUser('bob', { organization_id: 'org_2' }), aGroup('admins', { organization_id: 'org_2' })),
    ),
  ]);
  await expectInvariants(db);
});

test('organization.deleted ends all access; organization.created gives it back', async () => {
  const { db } = core;
  await deliver(db, [anEvent(NEXT, 'organization.deleted', anOrganization('org_1', { updated_at: momentOf(NEXT) }))]);
  expect(await permissionsNow(db)).toEqual({});
  await expectInvariants(db);
  await deliver(db, [anEvent(NEXT + 1, 'organization.created', anOrganization('org_1', { updated_at: momentOf(NEXT + 1) }))]);
  expect(await permissionsNow(db)).toEqual({ ann: BUILDER, bob: ['docs:admin', 'docs:read', 'docs:write'] });
  await expectInvariants(db);
});

test('nothing is given before the directory is known to be active', async () => {
  const { db } = core;
  await emptyTables(db);
  await putCatalog(db);
  await deliver(db, COMPANY.slice(1));
  expect(await permissionsNow(db)).toEqual({});
  expect(await db.directory.findMany()).toMatchObject([{ id: 'directory_1', organizationId: 'org_1', state: 'VALIDATING' }]);
  await deliver(db, COMPANY.slice(0, 1));
  expect(await permissionsNow(db)).toEqual({ ann: BUILDER, bob: ['docs:admin', 'docs:read', 'docs:write'] });
  await expectInvariants(db);
});

test('verdicts say what became of an event: applied, stale, ignored', async () => {
  const { db } = core;
  await deliver(db, [
    anEvent(NEXT + 2, 'dsync.user.updated', aUser('ann', { email: 'new@example.com', updated_at: momentOf(NEXT + 2) })),
    anEvent(NEXT + 3, 'dsync.token.created', { id: 'token_1', directory_id: 'directory_1' }),
    anEvent(NEXT + 4, '__proto__', { id: 'x', directory_id: 'directory_1' }),
    anEvent(NEXT + 5, 'constructor', { id: 'x', directory_id: 'directory_1' }),
    anEvent(NEXT + 6, 'dsync.group.user_removed', aMembership(aUser('ann'), aGroup('engineers'))),
  ]);
  await deliver(db, [
    anEvent(NEXT + 1, 'dsync.user.updated', aUser('ann', { email: 'old@example.com', updated_at: momentOf(NEXT + 1) })),
    anEvent(0, 'dsync.group.user_added', aMembership(aUser('ann'), aGroup('engineers'))),
  ]);
  expect(await verdicts(db)).toMatchObject({
    '0000': 'STALE',
    '0011': 'STALE',
    '0012': 'APPLIED',
    '0013': 'IGNORED',
    '0014': 'IGNORED',
    '0015': 'IGNORED',
    '0016': 'APPLIED',
  });
  expect(await db.directoryUser.findUnique({ where: { id: 'ann' } })).toMatchObject({ email: 'new@example.com' });
  expect(await permissionsNow(db)).not.toHaveProperty('ann');
});

test('an organization that only a directory tells of has no name, whether by an event or by a read, until an event gives it one', async () => {
  const { db } = core;
  const read = parseRead({
    directoryId: 'directory_2',
    kind: 'DIRECTORY',
    group: null,
    userId: null,
    items: [aDirectory('directory_2', { organization_id: 'org_2' })],
  });
  if (read.kind === 'refused') throw new Error(read.reason);
  const event = anEvent(NEXT, 'organization.updated', anOrganization('org_2', { name: 'Two' }));
  await applyObservations(db, 'org_2', [{ version: versionOfRead(event.id), facts: read.facts, cause: causeOfEvent(event) }]);
  const names = async () => (await db.organization.findMany({ orderBy: { id: 'asc' } })).map(({ id, name }) => [id, name]);
  expect(await names()).toEqual([
    ['org_1', null],
    ['org_2', null],
  ]);
  await deliver(db, [event]);
  expect(await names()).toEqual([
    ['org_1', null],
    ['org_2', 'Two'],
  ]);
});
