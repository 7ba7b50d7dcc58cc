// A poison event ends alone: whatever the fault, the other events of its batch go through, and the accounts that it touches
// are marked and read again.
import { createHash } from 'node:crypto';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { applyBatch } from '../../../src/apply/apply-batch.ts';
import { applyDue, deliver, emptyTables, store } from '../../support/core-database.ts';
import { expectInvariants } from '../../support/invariants.ts';
import { execute } from '../../support/postgres.ts';
import { readEffective } from '../../support/read-effective.ts';
import { COMPANY, found, NEXT, permissionsNow, putCatalog, verdicts } from '../../support/small-company.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { aDirectory, aGroup, aMembership, anEvent, anOrganization, aUser, momentOf } from '../../support/workos-objects.ts';

const core = useCoreDatabase();
beforeAll(async () => {
  await execute(
    core.url,
    `CREATE FUNCTION raise_on_poison() RETURNS trigger LANGUAGE plpgsql AS
     $$ BEGIN IF NEW.email = 'poison@example.com' THEN RAISE EXCEPTION 'this account is not for us'; END IF; RETURN NEW; END $$`,
  );
});
beforeEach(async () => {
  await execute(core.url, 'DROP TRIGGER IF EXISTS poison ON directory_user');
  await emptyTables(core.db);
});

const raiseOnPoison = () =>
  execute(core.url, 'CREATE TRIGGER poison BEFORE INSERT OR UPDATE ON directory_user FOR EACH ROW EXECUTE FUNCTION raise_on_poison()');

/** As if the wait were over. */
const attemptIn = (id: string, seconds: number) =>
  core.db.$executeRaw`UPDATE directory_event SET next_attempt_at = now() + ${seconds} * interval '1 second' WHERE id = ${id}`;
/** Not now: a time is kept in milliseconds, and may be rounded up. */
const skipWait = (id: string) => attemptIn(id, -1);
const databaseTime = async () => {
  const [{ at } = { at: '' }] = await core.db.$queryRaw<{ at: string }[]>`SELECT now()::text AS at`;
  return at;
};

// What repeats itself is compressed and would fit.
const INCOMPRESSIBLE = Array.from({ length: 200 }, (_, index) => createHash('sha256').update(String(index)).digest('base64')).join('');

const hires = Array.from({ length: 500 }, (_, index) =>
  anEvent(100 + index, 'dsync.user.created', aUser(`hire_${index}`, { roles: [{ slug: 'builder' }] })),
);

test.each([
  ['a wrong type, by the parser', { email: 7 }, /^data\.email: /],
  ['half a surrogate pair, by the parser', { email: '\ud800' }, /^data\.email contains/],
  ['a value that no index takes, by the database', { email: INCOMPRESSIBLE }, /index row/],
])('%s: quarantined alone in a batch of 500', async (_, fault, reason) => {
  const { db } = core;
  await putCatalog(db);
  await deliver(db, [anEvent(1, 'dsync.activated', aDirectory())]);
  const poison = anEvent(250, 'dsync.user.created', aUser('hire_150', fault));
  const events = hires.map((event) => (event.id === poison.id ? poison : event));
  expect(await deliver(db, events, 500)).toMatchObject({ settled: 500, quarantined: 1, changes: 499 });
  expect(await db.directoryEvent.groupBy({ by: ['status'], _count: true, orderBy: { status: 'asc' } })).toEqual([
    { status: 'APPLIED', _count: 500 },
    { status: 'QUARANTINED', _count: 1 },
  ]);
  expect((await db.directoryEvent.findUniqueOrThrow({ where: { id: poison.id } })).error).toMatch(reason);
  expect(await db.directoryUser.count()).toBe(499);
  // Nobody knows the account yet: it is read all the same, or the joiner would never come in.
  expect(await db.refreshTask.findMany()).toMatchObject([{ userId: 'hire_150', directoryId: 'directory_1', reason: 'QUARANTINED_EVENT' }]);
  await expectInvariants(db, { snapshotsAt: [1] });
});

test('a batch is bounded in bytes too; an event larger than that goes alone', async () => {
  const { db } = core;
  await putCatalog(db);
  await deliver(db, [anEvent(1, 'dsync.activated', aDirectory())]);
  const large = anEvent(99, 'dsync.user.created', aUser('hire_large', { custom_attributes: { text: 'x'.repeat(100_000) } }));
  await store(db, [large, ...hires]);
  const sizes: number[] = [];
  for (let more = true; more; ) {
    const result = await applyBatch(db, 'org_1', { requestImports: false, batchBytes: 50_000 });
    sizes.push(result.settled);
    more = result.more;
  }
  expect(sizes[0]).toBe(1);
  expect(Math.max(...sizes)).toBeLessThan(200);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(501);
});

test('an unexpected failure is tried three times more, ever later, while the rest goes on', async () => {
  const { db } = core;
  await putCatalog(db);
  await deliver(db, [anEvent(1, 'dsync.activated', aDirectory())]);
  await raiseOnPoison();
  const poison = anEvent(250, 'dsync.user.created', aUser('hire_150', { email: 'poison@example.com' }));
  let before = await databaseTime();
  expect(
    await deliver(
      db,
      hires.map((event) => (event.id === poison.id ? poison : event)),
      500,
    ),
  ).toMatchObject({ settled: 499, quarantined: 0 });
  for (const [attempts, delayMs] of [
    [1, 1_000],
    [2, 5_000],
    [3, 30_000],
  ] as const) {
    const [event] = await db.$queryRaw<object[]>`
      SELECT status::text, attempts, error, next_attempt_at - (${delayMs} || ' ms')::interval BETWEEN ${before}::timestamptz AND now() AS due
      FROM directory_event WHERE id = ${poison.id}`;
    expect(event).toEqual({ status: 'PENDING', attempts, error: expect.stringContaining('this account is not for us'), due: true });
    await attemptIn(poison.id, 60);
    expect(await applyDue(db), 'not before its time').toMatchObject({ settled: 0 });
    await skipWait(poison.id);
    before = await databaseTime();
    await applyDue(db);
  }
  expect(await db.directoryEvent.findUnique({ where: { id: poison.id } })).toMatchObject({
    status: 'QUARANTINED',
    attempts: 4,
    nextAttemptAt: null,
  });
  expect(await db.refreshTask.findMany()).toMatchObject([{ userId: 'hire_150', reason: 'QUARANTINED_EVENT' }]);
});

test('an event that fails, then succeeds, is applied once', async () => {
  const { db } = core;
  await found(db);
  await raiseOnPoison();
  const event = anEvent(
    NEXT,
    'dsync.user.updated',
    aUser('cyd', { email: 'poison@example.com', roles: [{ slug: 'builder' }], updated_at: momentOf(NEXT) }),
  );
  await deliver(db, [event]);
  await execute(core.url, 'DROP TRIGGER poison ON directory_user');
  await skipWait(event.id);
  await applyDue(db);
  expect((await permissionsNow(db)).cyd).toEqual(['docs:read', 'docs:write']);
  expect(await db.directoryEvent.findUnique({ where: { id: event.id } })).toMatchObject({
    status: 'APPLIED',
    attempts: 1,
    error: null,
    nextAttemptAt: null,
  });
  await expectInvariants(db);
});

test.each([
  ['a user', anEvent(NEXT, 'dsync.user.updated', aUser('bob', { state: 3 })), ['bob'], ['bob']],
  [
    'a membership',
    anEvent(NEXT, 'dsync.group.user_removed', aMembership(aUser('bob', { updated_at: 'soon' }), aGroup('engineers'))),
    ['bob'],
    ['bob'],
  ],
  ['a group', anEvent(NEXT, 'dsync.group.deleted', aGroup('engineers', { name: null })), ['ann', 'bob'], ['ann', 'bob']],
  [
    'a directory',
    anEvent(NEXT, 'dsync.deleted', aDirectory('directory_1', { state: 'melted' })),
    ['ann', 'bob', 'cyd'],
    ['ann', 'bob', 'cyd'],
  ],
  ['an organization', anEvent(NEXT, 'organization.deleted', anOrganization('org_1', { updated_at: null })), ['ann', 'bob', 'cyd'], []],
])('a quarantined event about %s marks those whom it concerns', async (_, poison, suspected, refreshed) => {
  const { db } = core;
  await found(db);
  await deliver(db, [poison]);
  expect(await verdicts(db)).toMatchObject({ '0010': 'QUARANTINED' });
  const answers = await readEffective(db, ['ann', 'bob', 'cyd'], null);
  expect(
    [...answers]
      .filter(([, { freshness }]) => freshness.driftSuspected)
      .map(([id]) => id)
      .sort(),
  ).toEqual(suspected);
  expect((await db.refreshTask.findMany({ orderBy: { userId: 'asc' } })).map(({ userId }) => userId)).toEqual(refreshed);
  // The mark outlives the next event about the same account.
  await deliver(db, [anEvent(NEXT + 1, 'dsync.user.updated', aUser(suspected[0] ?? '', { updated_at: momentOf(NEXT + 1) }))]);
  expect((await readEffective(db, suspected, null)).get(suspected[0] ?? '')?.freshness.driftSuspected).toBe(true);
});

test('an outage is nobody’s fault: it is thrown, and no attempt is counted', async () => {
  const { db } = core;
  await found(db);
  await execute(
    core.url,
    `CREATE OR REPLACE FUNCTION no_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$;
     CREATE TRIGGER no_disk BEFORE INSERT OR UPDATE ON directory_user EXECUTE FUNCTION no_disk()`,
  );
  const event = anEvent(NEXT, 'dsync.user.created', aUser('dan'));
  await store(db, [event]);
  await expect(applyBatch(db, 'org_1', { requestImports: false })).rejects.toThrow(/no space left/);
  await execute(core.url, 'DROP TRIGGER no_disk ON directory_user');
  expect(await db.directoryEvent.findUnique({ where: { id: event.id } })).toMatchObject({ status: 'PENDING', attempts: 0 });
  expect(await applyDue(db)).toMatchObject({ settled: 1 });
});

test('events that cannot be read come back to life once they are sound: nothing of them was lost', async () => {
  const { db } = core;
  await putCatalog(db);
  await deliver(db, [anEvent(NEXT, 'dsync.user.created', aUser('dan', { state: 'new' })), ...COMPANY]);
  expect(await permissionsNow(db)).not.toHaveProperty('dan');
  const sound = anEvent(NEXT, 'dsync.user.created', aUser('dan', { roles: [{ slug: 'steward' }] }));
  await db.directoryEvent.update({ where: { id: sound.id }, data: { raw: sound.raw, status: 'PENDING' } });
  await applyDue(db);
  expect((await permissionsNow(db)).dan).toEqual(['docs:admin', 'docs:read']);
});
