// Rows lost or altered by hand while the directory lives on: after a replay of everything the log, the stored access and the
// intervals of memberships say the same as the tables again, and whoever follows the log knows it.
import { describe, expect, onTestFinished, test } from 'vitest';
import { applyCatalog } from '../../../src/entitlements/catalog.ts';
import { grantRole } from '../../../src/entitlements/grants.ts';
import { armFailpoints } from '../../../src/lib/failpoint.ts';
import { OPEN_END } from '../../../src/model/cursor.ts';
import { expectAgreement } from '../../support/agreement.ts';
import { deliver } from '../../support/core-database.ts';
import { expectInvariants } from '../../support/invariants.ts';
import { replay, writingsOf } from '../../support/replays.ts';
import { COMPANY_CATALOG, changesSince, headOf, NEXT, putCatalog } from '../../support/small-company.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { aDirectory, aGroup, aMembership, anEvent, aUser, momentOf } from '../../support/workos-objects.ts';

const core = useCoreDatabase({ each: 'small company' });

const sql = (text: string): Promise<number> => core.db.$executeRawUnsafe(text);
const tell = (type: string, data: unknown, n = NEXT) => deliver(core.db, [anEvent(n, type, data)]);
/** Refused where the account is lost. */
const grant = (userId: string) =>
  grantRole(core.db, { userId, role: 'steward', reason: 'test', expiresAt: null, actor: 'test', tenant: null }).catch((error: unknown) =>
    expect(error).toMatchObject({ code: 'NOT_FOUND' }),
  );

const next = { updated_at: momentOf(NEXT) };
const suspended = aUser('bob', { state: 'suspended', ...next });
const { roles, groupMappings } = COMPANY_CATALOG;

const MEANWHILE: Readonly<Record<string, () => Promise<unknown>>> = {
  'nothing happens': async () => undefined,
  'a group is deleted': () => tell('dsync.group.deleted', aGroup('engineers')),
  'a group is renamed': () => tell('dsync.group.updated', aGroup('engineers', { name: 'admins', ...next })),
  'an account is deleted': () => tell('dsync.user.deleted', aUser('bob')),
  'the directory is deleted': () => tell('dsync.deleted', aDirectory()),
  'the directory is deactivated': () => tell('dsync.deactivated', aDirectory('directory_1', { state: 'inactive', ...next })),
  'the directory moves': () => tell('dsync.activated', aDirectory('directory_1', { organization_id: 'org_2', ...next })),
  'somebody leaves a group': () => tell('dsync.group.user_removed', aMembership(aUser('bob'), aGroup('engineers'))),
  'somebody joins a group': () => tell('dsync.group.user_added', aMembership(aUser('cyd'), aGroup('engineers'))),
  'an account is suspended': () => tell('dsync.user.updated', suspended),
  async 'an account is suspended and comes back'() {
    await tell('dsync.user.updated', suspended);
    await tell('dsync.user.updated', aUser('bob', { updated_at: momentOf(NEXT + 1) }), NEXT + 1);
  },
  'a role is granted': () => grant('ann'),
  'a role means something else': () =>
    putCatalog(core.db, { roles: [{ slug: 'builder', permissions: ['docs:build'] }, ...roles.slice(1)], groupMappings }),
  'a group means something else': () =>
    putCatalog(core.db, { roles, groupMappings: [{ organizationId: 'org_1', groupName: 'engineers', roles: ['steward'] }] }),
};

const OPEN = `to_position = ${OPEN_END}`;
/** Access that nobody was told to have. */
const INVENTED = `SET roles = '{owner}', permissions = '{docs:read,secret}',
  reasons = '{"paths":[{"role":"owner","source":"DIRECTORY_ROLE","groupId":null,"grantId":null,"expiresAt":null,"since":"2026-01-01T00:00:00.000Z","causeEventId":null}],"permissions":{"docs:read":[0],"secret":[0]}}'`;

/** Rows of the directory: stored access and log are as they were. */
const OF_ROWS: Readonly<Record<string, string>> = {
  'every membership is lost': 'DELETE FROM membership',
  'no membership counts': 'UPDATE membership SET active = false',
  'every group has another name': "UPDATE directory_group SET name = 'idle'",
  'every account is lost': 'DELETE FROM directory_user',
};
/** What follows from them. */
const OF_ACCESS: Readonly<Record<string, string>> = {
  'stored access is lost': `DELETE FROM effective_entitlement WHERE ${OPEN}`,
  'stored access is invented': `UPDATE effective_entitlement ${INVENTED} WHERE ${OPEN}`,
  'stored access stands under another organization': `UPDATE effective_entitlement SET organization_id = 'org_9' WHERE ${OPEN}`,
  'intervals are lost': `DELETE FROM membership_interval WHERE ${OPEN}`,
  'everything at once': `WITH a AS (DELETE FROM membership), b AS (UPDATE effective_entitlement ${INVENTED} WHERE user_id = 'bob' AND ${OPEN}),
    c AS (DELETE FROM effective_entitlement WHERE user_id = 'ann' AND ${OPEN}) DELETE FROM membership_interval WHERE user_id = 'ann'`,
};

const everything = { maxRevocations: 100, reason: 'ticket 7' };

/** A dry run that goes key by key tells beforehand exactly what the replay does, and one after it finds nothing to do. */
async function repair(): Promise<void> {
  const { db } = core;
  const head = await headOf(db);
  const rehearsal = await replay(db, { ...everything, dryRun: true }, { chunkSize: 1 });
  expect(await headOf(db)).toBe(head);
  const row = await replay(db, everything, { chunkSize: 100 });
  expect(row).toMatchObject({ status: 'SUCCEEDED', failed: 0 });
  const { affectedUsers, grantedPermissions, revokedPermissions, revocations, digest } = row;
  expect(rehearsal).toMatchObject({ affectedUsers, grantedPermissions, revokedPermissions, revocations, digest });
  const changes = await db.entitlementChange.findMany({ where: { position: { gt: head } } });
  expect(changes.every((change) => change.causeKind === 'REPLAY' && change.replayId === row.id)).toBe(true);
  const after = await writingsOf(db);
  expect(await replay(db, everything)).toMatchObject({ repaired: 0, affectedUsers: 0 });
  expect(await writingsOf(db)).toEqual(after);
}

describe.each(Object.entries(OF_ROWS))('%s', (_damage, damage) => {
  test.each(Object.entries(MEANWHILE))('and %s', async (_what, happens) => {
    await sql(damage);
    await happens();
    await repair();
    await expectInvariants(core.db);
  });
});

describe.each(Object.entries(OF_ACCESS))('%s', (_damage, damage) => {
  test.each(Object.entries(MEANWHILE))('and %s', async (_what, happens) => {
    await sql(damage);
    await happens();
    await repair();
    await expectAgreement(core.db);
  });
});

test('what the log has forgotten was told all the same', async () => {
  const { db } = core;
  await grant('cyd');
  await sql('DELETE FROM entitlement_change');
  const head = await headOf(db);
  await sql(OF_ACCESS['everything at once'] ?? '');
  await tell('dsync.user.deleted', aUser('bob'));
  await repair();
  expect((await changesSince(db, head)).filter((change) => change.startsWith('cyd'))).toEqual([]);
  await expectAgreement(db);
});

test.each([['a dry run', true] as const, ['a replay', false] as const])(
  'access that a change of the catalog has yet to come by is not wrong: %s lets it come first',
  async (_what, dryRun) => {
    const { db } = core;
    const head = await headOf(db);
    const catalog = { roles: [{ slug: 'builder', permissions: ['docs:build'] }, ...roles.slice(1)], groupMappings };
    armFailpoints('wide-chunk=throw');
    onTestFinished(() => armFailpoints(null));
    // Ann and Bob are builders; the change ends when it has come by the first of them.
    await expect(applyCatalog(db, { catalog, dryRun: false, prune: false, actor: 'test', tenant: null, chunkSize: 1 })).rejects.toThrow(
      'failpoint',
    );
    armFailpoints(null);
    expect([await headOf(db), await db.wideChange.count({ where: { finishedAt: null } })]).toEqual([head + 1, 1]);
    expect(await replay(db, { dryRun, maxRevocations: 0 })).toMatchObject({ status: 'SUCCEEDED', repaired: 0, revocations: 0 });
    const changes = await db.entitlementChange.findMany({ where: { position: { gt: head } } });
    expect(changes.map(({ userId, causeKind }) => `${userId} ${causeKind}`)).toEqual(['ann CATALOG_CHANGE', 'bob CATALOG_CHANGE']);
    await expectInvariants(db);
  },
);
