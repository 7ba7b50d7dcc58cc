// Grants: given, taken back and run out, each once, each with its change.
import { describe, expect, test } from 'vitest';
import { expireGrants, grantRole, revokeGrant } from '../../../src/entitlements/grants.ts';
import { countUsersWithPermission, usersWithPermission } from '../../../src/entitlements/holders.ts';
import { deliver } from '../../support/core-database.ts';
import { expectInvariants } from '../../support/invariants.ts';
import { readEffective } from '../../support/read-effective.ts';
import { changesSince, headOf, NEXT, permissionsNow } from '../../support/small-company.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { aDirectory, anEvent, aUser, momentOf } from '../../support/workos-objects.ts';

const core = useCoreDatabase({ each: 'small company' });

const IN_AN_HOUR = () => new Date(Date.now() + 3_600_000);
const grant = (over: Partial<Parameters<typeof grantRole>[1]> = {}) =>
  grantRole(core.db, { userId: 'cyd', role: 'builder', reason: 'on call', expiresAt: null, actor: 'ops', tenant: null, ...over });
const endAt = (id: string, at: Date) => core.db.grant.update({ where: { id }, data: { expiresAt: at } });

test('a grant gives, its revocation takes, and both say why', async () => {
  const { db } = core;
  const before = await headOf(db);
  const { id } = await grant();
  expect((await permissionsNow(db)).cyd).toEqual(['docs:read', 'docs:write']);
  expect(await revokeGrant(db, { id, actor: 'boss', tenant: null })).toMatchObject({ id, revokedAt: expect.any(Date) });
  expect(await changesSince(db, before)).toEqual(['cyd GRANT_CHANGE: +docs:read +docs:write', 'cyd GRANT_CHANGE: -docs:read -docs:write']);
  expect(await db.entitlementChange.findMany({ where: { position: { gt: before } }, orderBy: { position: 'asc' } })).toMatchObject([
    { actor: 'ops', reason: 'on call' },
    { actor: 'boss', reason: 'revoked: on call' },
  ]);
  await expectInvariants(db);
});

test('revoking twice is revoking once', async () => {
  const { db } = core;
  const { id } = await grant();
  const first = await revokeGrant(db, { id, actor: 'ops', tenant: null });
  const head = await headOf(db);
  expect(await revokeGrant(db, { id, actor: 'other', tenant: null })).toEqual(first);
  expect(await headOf(db)).toBe(head);
  const again = await Promise.all([1, 2, 3].map(async () => revokeGrant(db, { id, actor: 'ops', tenant: null })));
  expect(again).toEqual([first, first, first]);
});

test('what the directory gives too stays when the grant goes', async () => {
  const { db } = core;
  const { id } = await grant({ userId: 'ann' });
  const before = await headOf(db);
  expect((await readEffective(db, ['ann'], null)).get('ann')?.effective.reasons.paths.map(({ source }) => source)).toEqual([
    'GRANT',
    'GROUP',
  ]);
  await revokeGrant(db, { id, actor: 'ops', tenant: null });
  expect(await headOf(db)).toBe(before);
  expect((await permissionsNow(db)).ann).toEqual(['docs:read', 'docs:write']);
  await expectInvariants(db);
});

describe('refused, with nothing stored', () => {
  test.each<[string, Partial<Parameters<typeof grantRole>[1]>, string, RegExp]>([
    ['without a reason', { reason: '  ' }, 'BAD_USER_INPUT', /^reason:/],
    ['with an end in the past', { expiresAt: new Date(0) }, 'BAD_USER_INPUT', /^expiresAt:/],
    ['of an unknown role', { role: 'nope' }, 'BAD_USER_INPUT', /^role: "nope"/],
    ['to an unknown user', { userId: 'nobody' }, 'NOT_FOUND', /^userId:/],
    ['to a user of another organization', { tenant: 'org_2' }, 'NOT_FOUND', /^userId:/],
  ])('%s', async (_, over, code, message) => {
    const refused = grant(over);
    await expect(refused).rejects.toMatchObject({ code });
    await expect(refused).rejects.toThrow(message);
    expect(await core.db.grant.count()).toBe(0);
  });

  test('to a deleted user', async () => {
    await deliver(core.db, [anEvent(NEXT, 'dsync.user.deleted', aUser('cyd'))]);
    await expect(grant()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('of a role of another organization only', async () => {
    await core.db.role.updateMany({ where: { slug: 'builder' }, data: { organizationId: 'org_2' } });
    await expect(grant()).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  });

  test('revoking an unknown grant, or one of another organization, answers alike', async () => {
    const { id } = await grant();
    const refusals = await Promise.allSettled([
      revokeGrant(core.db, { id: 'nope', actor: 'ops', tenant: null }),
      revokeGrant(core.db, { id, actor: 'ops', tenant: 'org_2' }),
    ]);
    expect(refusals).toMatchObject([
      { status: 'rejected', reason: { code: 'NOT_FOUND', message: 'id: there is no such grant.' } },
      { status: 'rejected', reason: { code: 'NOT_FOUND', message: 'id: there is no such grant.' } },
    ]);
  });
});

test('a grant that has run out gives nothing from that moment on; the sweep records it once', async () => {
  const { db } = core;
  const { id } = await grant({ expiresAt: IN_AN_HOUR() });
  await grant({ userId: 'ann', role: 'steward', expiresAt: IN_AN_HOUR() });
  const { effective } = (await readEffective(db, ['cyd'], null)).get('cyd') ?? {};
  expect(effective?.permissions).toEqual(['docs:read', 'docs:write']);
  const before = await headOf(db);
  const past = new Date(Date.now() - 1_000);
  await endAt(id, past);
  // The stored reasons carry the end of the grant; put it into the past there too, as if the time had come.
  await db.$executeRaw`UPDATE effective_entitlement SET reasons = jsonb_set(reasons::jsonb, '{paths,0,expiresAt}', to_jsonb(${past.toISOString()}::text)) WHERE user_id = 'cyd'`;
  expect(await permissionsNow(db)).not.toHaveProperty('cyd');
  expect(await usersWithPermission(db, { organizationId: 'org_1', permission: 'docs:write', afterUserId: null, limit: 10 })).toEqual([
    'ann',
    'bob',
  ]);
  expect(await countUsersWithPermission(db, { organizationId: 'org_1', permission: 'docs:write' })).toBe(2);

  expect(await expireGrants(db, new Date())).toBe(1);
  expect(await changesSince(db, before)).toEqual(['cyd GRANT_EXPIRY: -docs:read -docs:write']);
  expect(await db.entitlementChange.findFirst({ orderBy: { position: 'desc' } })).toMatchObject({
    causeKind: 'GRANT_EXPIRY',
    occurredAt: past,
    reason: 'on call',
  });
  expect(await expireGrants(db, new Date())).toBe(0);
  expect(await revokeGrant(db, { id, actor: 'ops', tenant: null })).toMatchObject({ revokedAt: past });
  expect(await headOf(db)).toBe(before + 1);
  // A snapshot leaves out what has run out since, also one of an earlier position: it feeds copies that are used now.
  await expectInvariants(db, { snapshotsAt: [1] });
});

test('concurrent sweeps end each grant once', async () => {
  const { db } = core;
  for (const userId of ['ann', 'bob', 'cyd']) await grant({ userId, role: 'steward', expiresAt: IN_AN_HOUR() });
  const before = await headOf(db);
  const later = new Date(Date.now() + 7_200_000);
  const ended = await Promise.all([expireGrants(db, later), expireGrants(db, later), expireGrants(db, later)]);
  expect(ended.reduce((sum, count) => sum + count)).toBe(3);
  expect(await changesSince(db, before)).toEqual(['ann GRANT_EXPIRY: -docs:admin', 'cyd GRANT_EXPIRY: -docs:admin -docs:read']);
  await expectInvariants(db);
});

test('an inactive account keeps its grants and has nothing of them', async () => {
  const { db } = core;
  await grant();
  await deliver(db, [anEvent(NEXT, 'dsync.user.updated', aUser('cyd', { state: 'suspended', updated_at: momentOf(NEXT) }))]);
  expect(await permissionsNow(db)).not.toHaveProperty('cyd');
  await grant({ role: 'steward' });
  expect(await permissionsNow(db)).not.toHaveProperty('cyd');
  await expectInvariants(db);
});

test('a grant counts in the organization that gave it: a directory that moves leaves it behind', async () => {
  const { db } = core;
  const kept = await grant();
  const ending = await grant({ role: 'steward', expiresAt: IN_AN_HOUR() });
  await deliver(db, [
    anEvent(NEXT, 'dsync.activated', aDirectory('directory_1', { organization_id: 'org_2', updated_at: momentOf(NEXT) })),
  ]);
  expect(await permissionsNow(db)).toEqual({});
  const head = await headOf(db);
  await expireGrants(db, new Date(Date.now() + 7_200_000));
  expect(await headOf(db)).toBe(head);
  await revokeGrant(db, { id: ending.id, actor: 'ops', tenant: 'org_1' });
  await deliver(db, [anEvent(NEXT + 1, 'dsync.activated', aDirectory('directory_1', { updated_at: momentOf(NEXT + 1) }))]);
  expect((await permissionsNow(db)).cyd).toEqual(['docs:read', 'docs:write']);
  await revokeGrant(db, { id: kept.id, actor: 'ops', tenant: 'org_1' });
  expect(await permissionsNow(db)).not.toHaveProperty('cyd');
  await expectInvariants(db);
});
