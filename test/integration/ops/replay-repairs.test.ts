// What a replay of one person's events repairs, and what it leaves alone.
import { expect, test } from 'vitest';
import { deliver, store } from '../../support/core-database.ts';
import { stateOfDatabase } from '../../support/directory-state.ts';
import { expectInvariants } from '../../support/invariants.ts';
import { operator, replay, writingsOf } from '../../support/replays.ts';
import { changesSince, headOf, NEXT, permissionsNow, verdicts } from '../../support/small-company.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { aGroup, aMembership, anEvent, aUser, momentOf } from '../../support/workos-objects.ts';

const core = useCoreDatabase({ each: 'small company' });

const sql = (text: string): Promise<number> => core.db.$executeRawUnsafe(text);

test.each<[string, string, string[]]>([
  ['a wrong e-mail address, which is nobody’s access', "UPDATE directory_user SET email = 'x@example.com' WHERE id = 'bob'", []],
  ['wrong attributes', `UPDATE directory_user SET custom_attributes = '{"a":1}', display_name = '?' WHERE id = 'bob'`, []],
  [
    'a wrong state, by which access was kept from the account',
    `WITH gone AS (UPDATE directory_user SET source_state = 'SUSPENDED', state = 'SUSPENDED' WHERE id = 'bob') DELETE FROM effective_entitlement WHERE user_id = 'bob'`,
    ['bob REPLAY: +docs:admin +docs:read +docs:write'],
  ],
  ['a state that contradicts its own row', "UPDATE directory_user SET state = 'SUSPENDED' WHERE id = 'bob'", []],
  [
    'a lost membership',
    `WITH gone AS (DELETE FROM membership WHERE user_id = 'bob' AND group_id = 'admins')
     UPDATE effective_entitlement SET roles = '{builder}', permissions = '{docs:read,docs:write}',
       reasons = jsonb_build_object('paths', (SELECT jsonb_agg(p) FROM jsonb_array_elements(reasons::jsonb -> 'paths') p WHERE p ->> 'role' = 'builder'),
                                    'permissions', '{"docs:read":[0],"docs:write":[0]}'::jsonb) WHERE user_id = 'bob'`,
    ['bob REPLAY: +docs:admin'],
  ],
  [
    'a missing row of effective access',
    "DELETE FROM effective_entitlement WHERE user_id = 'bob'",
    ['bob REPLAY: +docs:admin +docs:read +docs:write'],
  ],
  [
    'permissions that their reasons do not give',
    "UPDATE effective_entitlement SET permissions = '{docs:read,secret}' WHERE user_id = 'bob'",
    ['bob REPLAY: +docs:admin +docs:write -secret'],
  ],
  ['effective access under another organization', "UPDATE effective_entitlement SET organization_id = 'org_9' WHERE user_id = 'bob'", []],
])('%s is repaired, and nothing else is written', async (_what, damage, changes) => {
  const { db } = core;
  const right = await stateOfDatabase(db);
  await sql(damage);
  const head = await headOf(db);
  const others = () =>
    db.$queryRawUnsafe(
      "SELECT id, xmin::text, ctid::text FROM directory_user WHERE id <> 'bob' UNION ALL SELECT id, xmin::text, ctid::text FROM directory_group",
    );
  const before = await others();

  const rehearsal = await replay(db, { userId: 'bob', dryRun: true, reason: 'ticket 7' });
  expect(await headOf(db)).toBe(head);
  const row = await replay(db, { userId: 'bob', reason: 'ticket 7' });
  expect(row).toMatchObject({ status: 'SUCCEEDED', processed: 3, total: 3, repaired: 1, unchanged: 0, failed: 0 });
  const { repaired, affectedUsers, grantedPermissions, revokedPermissions, preview } = row;
  expect(rehearsal).toMatchObject({ repaired, affectedUsers, grantedPermissions, revokedPermissions, preview });
  expect(affectedUsers).toBe(changes.length);

  expect(await stateOfDatabase(db)).toEqual(right);
  expect((await changesSince(db, head)).map((change) => change.replace(/ [+-](builder|steward)/g, ''))).toEqual(changes);
  expect(await others()).toEqual(before);
  expect(await permissionsNow(db)).toEqual({ ann: ['docs:read', 'docs:write'], bob: ['docs:admin', 'docs:read', 'docs:write'] });

  const after = await writingsOf(db);
  expect(await replay(db, { userId: 'bob' })).toMatchObject({
    status: 'SUCCEEDED',
    repaired: 0,
    unchanged: 1,
    affectedUsers: 0,
    preview: [],
  });
  expect(await writingsOf(db)).toEqual(after);
});

test('a phantom membership is taken back, with the access that it gave', async () => {
  const { db } = core;
  const right = await stateOfDatabase(db);
  await deliver(db, [anEvent(NEXT, 'dsync.group.user_added', aMembership(aUser('cyd'), aGroup('admins')))]);
  // As if the event had never been: what it did is all that tells of it.
  await sql("DELETE FROM directory_event WHERE user_id = 'cyd' AND group_id = 'admins'");
  const head = await headOf(db);
  const row = await replay(db, { userId: 'cyd', reason: 'ticket 8' });
  expect(row).toMatchObject({ repaired: 1, affectedUsers: 1, grantedPermissions: 0, revokedPermissions: 2 });
  expect(row.preview).toEqual([{ userId: 'cyd', grantedPermissions: [], revokedPermissions: ['docs:admin', 'docs:read'] }]);
  expect(await changesSince(db, head)).toEqual(['cyd REPLAY: -docs:admin -docs:read']);
  const [change] = await db.entitlementChange.findMany({ where: { position: { gt: head } } });
  expect(change).toMatchObject({ causeKind: 'REPLAY', replayId: row.id, actor: operator.name, reason: 'ticket 8', eventId: null });
  const after = await stateOfDatabase(db);
  expect({ memberships: after.memberships, effective: after.effective }).toEqual({
    memberships: right.memberships,
    effective: right.effective,
  });
  await expectInvariants(db);
});

test('a stale group name is repaired with the access of everybody in it, by the events of one of them', async () => {
  const { db } = core;
  await deliver(db, [anEvent(NEXT, 'dsync.group.updated', aGroup('engineers', { name: 'idle', updated_at: momentOf(NEXT) }))]);
  await sql(`DELETE FROM directory_event WHERE type = 'dsync.group.updated'`);
  expect(await permissionsNow(db)).toEqual({ bob: ['docs:admin', 'docs:read'] });
  const head = await headOf(db);
  const row = await replay(db, { userId: 'ann' });
  // bob came along: the wrong name was his matter too.
  expect(row).toMatchObject({ repaired: 2, unchanged: 0, affectedUsers: 2, grantedPermissions: 3 });
  expect(await changesSince(db, head)).toEqual(['ann REPLAY: +docs:read +docs:write', 'bob REPLAY: +docs:write']);
  await expectInvariants(db);
});

test('what the log does not hold is left as it is', async () => {
  const { db } = core;
  await sql("DELETE FROM directory_event WHERE user_id = 'ann'");
  const before = await writingsOf(db);
  expect(await replay(db)).toMatchObject({ status: 'SUCCEEDED', repaired: 0, unchanged: 3 });
  expect(await writingsOf(db)).toEqual(before);
  expect((await permissionsNow(db)).ann).toEqual(['docs:read', 'docs:write']);
});

test('an event that waits for its turn is not drawn ahead, and one that was skipped never counts', async () => {
  const { db } = core;
  await store(db, [
    anEvent(NEXT, 'dsync.group.user_removed', aMembership(aUser('bob'), aGroup('admins'))),
    anEvent(NEXT + 1, 'dsync.user.deleted', aUser('ann')),
  ]);
  await sql("UPDATE directory_event SET status = 'SKIPPED' WHERE user_id = 'ann' AND type = 'dsync.user.deleted'");
  const before = await writingsOf(db);
  const row = await replay(db);
  expect(row).toMatchObject({ status: 'SUCCEEDED', total: 10, repaired: 0 });
  expect(await writingsOf(db)).toEqual(before);
});

test('a quarantined event that can be understood by now takes part and becomes APPLIED; others stay where they are', async () => {
  const { db } = core;
  const joins = anEvent(NEXT, 'dsync.group.user_added', aMembership(aUser('cyd'), aGroup('admins')));
  const broken = anEvent(NEXT + 1, 'dsync.user.updated', aUser('cyd', { state: 'asleep' }));
  const unwritable = anEvent(
    NEXT + 2,
    'dsync.user.updated',
    aUser('cyd', { updated_at: '+275760-01-01T00:00:00.000Z', created_at: '+275760-01-01T00:00:00.000Z' }),
  );
  await store(db, [joins, broken, unwritable]);
  await sql("UPDATE directory_event SET status = 'QUARANTINED', error = 'was not understood' WHERE status = 'PENDING'");
  const quarantined = Object.fromEntries([joins, broken, unwritable].map(({ id }) => [id.slice(-4), 'QUARANTINED']));

  expect(await replay(db, { userId: 'bob' })).toMatchObject({ repaired: 0 });
  const rehearsal = await replay(db, { userId: 'cyd', dryRun: true });
  expect(await verdicts(db)).toMatchObject(quarantined);
  const row = await replay(db, { userId: 'cyd' });
  for (const one of [rehearsal, row])
    expect(one).toMatchObject({ status: 'SUCCEEDED', total: 4, repaired: 1, affectedUsers: 1, grantedPermissions: 2 });
  expect(await verdicts(db)).toMatchObject({ ...quarantined, [joins.id.slice(-4)]: 'APPLIED' });
  expect((await permissionsNow(db)).cyd).toEqual(['docs:admin', 'docs:read']);
  expect(await db.directoryEvent.findUnique({ where: { id: joins.id } })).toMatchObject({ error: null });
  await expectInvariants(db);
});

test('an account whose log cannot be read any more fails alone and stays as it is', async () => {
  const { db } = core;
  await sql("UPDATE directory_event SET raw = '{}' WHERE user_id = 'bob' AND type = 'dsync.user.created'");
  await sql("UPDATE directory_user SET email = 'x@example.com'");
  const row = await replay(db, { eventTypes: ['dsync.user.created'] });
  expect(row).toMatchObject({ status: 'FAILED', processed: 3, total: 3, repaired: 2, unchanged: 0, failed: 1 });
  expect(row.error).toMatch(
    /^user bob could not be re-derived and is as it was: Event event_\S+ was applied once and cannot be understood/,
  );
  const users = await db.directoryUser.findMany({ orderBy: { id: 'asc' }, select: { email: true } });
  expect(users.map(({ email }) => email)).toEqual(['ann@example.com', 'x@example.com', 'cyd@example.com']);
});
