// A replay that would take access from more accounts than it may stops after its preview, having altered nothing, until
// somebody confirms that very difference.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { ReplayRequest, ReplayRow, Replays } from '../../../src/ops/replay.ts';
import { type CoreDatabase, deliver, emptyTables, openCoreDatabase } from '../../support/core-database.ts';
import { stateOfDatabase } from '../../support/directory-state.ts';
import { aRequest, operator, operatorOf, replaysOf, untilOver, writingsOf } from '../../support/replays.ts';
import { headOf, putCatalog } from '../../support/small-company.ts';
import { aDirectory, aGroup, aMembership, anEvent, aUser, type SourceEvent } from '../../support/workos-objects.ts';

const SIZE = 30;
let core: CoreDatabase;
let replays: Replays;
let right: unknown;
const stop = new AbortController();
let running: Promise<void>;

beforeAll(async () => {
  core = await openCoreDatabase();
  replays = replaysOf(core.db, { chunkSize: 8 });
  running = replays.run(stop.signal);
});
afterAll(async () => {
  stop.abort();
  await running;
  await core?.close();
});
beforeEach(async () => {
  const { db } = core;
  await emptyTables(db);
  await putCatalog(db);
  const events: SourceEvent[] = [];
  const tell = (type: string, data: unknown): void => void events.push(anEvent(events.length + 1, type, data));
  tell('dsync.activated', aDirectory());
  tell('dsync.group.created', aGroup('engineers'));
  for (let index = 0; index < SIZE; index += 1) {
    const user = aUser(`user_${String(index).padStart(2, '0')}`);
    tell('dsync.user.created', user);
    tell('dsync.group.user_added', aMembership(user, aGroup('engineers')));
  }
  await deliver(db, events);
  right = await stateOfDatabase(db);
});

/** The first `n` may do something that nothing in their log gives them. */
const plant = (n: number): Promise<number> =>
  core.db.$executeRawUnsafe(
    `UPDATE effective_entitlement SET permissions = '{docs:read,docs:write,secret}' WHERE user_id IN (SELECT id FROM directory_user ORDER BY id LIMIT ${n})`,
  );

const run = async (over: Partial<ReplayRequest>, caller: Parameters<Replays['start']>[1] = operator): Promise<ReplayRow> =>
  untilOver(replays, (await replays.start(aRequest(over), caller)).id);

test('it stops with nothing altered, and the token of its preview lets the same one go on', async () => {
  const { db } = core;
  await plant(SIZE);
  const before = await writingsOf(db);
  const waiting = await run({ organizationId: 'org_1', reason: 'ticket 7' });
  expect(waiting).toMatchObject({
    status: 'AWAITING_CONFIRMATION',
    phase: 'PREVIEW',
    repaired: SIZE,
    affectedUsers: SIZE,
    revokedPermissions: SIZE,
    confirmToken: expect.any(String),
    error: expect.stringContaining('30 accounts would lose a permission, and 20 may'),
    finishedAt: null,
  });
  expect(waiting.preview).toHaveLength(SIZE);
  expect(await writingsOf(db)).toEqual(before);

  const again = { organizationId: 'org_1', confirmToken: waiting.confirmToken };
  const confirmed = await run(again);
  expect(confirmed).toMatchObject({
    id: waiting.id,
    status: 'SUCCEEDED',
    repaired: SIZE,
    revokedPermissions: SIZE,
    confirmToken: null,
    error: null,
  });
  expect(await stateOfDatabase(db)).toEqual(right);
  // Whoever repeats the confirmation is answered the same.
  expect(await run(again)).toMatchObject({ id: waiting.id, status: 'SUCCEEDED' });
  expect(await db.replay.count()).toBe(1);
});

test('a token stands for the difference that was previewed: if another one is found, it is asked for anew', async () => {
  const { db } = core;
  await plant(25);
  const waiting = await run({});
  await plant(28);
  const before = await writingsOf(db);
  const again = await run({ confirmToken: waiting.confirmToken });
  expect(again).toMatchObject({
    id: waiting.id,
    status: 'AWAITING_CONFIRMATION',
    revokedPermissions: 28,
    error: expect.stringContaining('another difference'),
  });
  expect(again.confirmToken).not.toBe(waiting.confirmToken);
  expect(await writingsOf(db)).toEqual(before);
  expect(await run({ confirmToken: again.confirmToken })).toMatchObject({ id: waiting.id, status: 'SUCCEEDED', revokedPermissions: 28 });
});

test('with another selection a token is a conflict; one that means nothing allows nothing; a foreign one does not exist', async () => {
  await plant(25);
  const waiting = await run({});
  await expect(replays.start(aRequest({ userId: 'user_00', confirmToken: waiting.confirmToken }), operator)).rejects.toMatchObject({
    code: 'CONFLICT',
  });
  for (const [confirmToken, caller] of [
    ['nonsense', operator],
    [waiting.confirmToken, operatorOf('org_1')],
  ] as const) {
    const other = await run({ confirmToken }, caller);
    expect(other.id).not.toBe(waiting.id);
    expect(other).toMatchObject({ status: 'AWAITING_CONFIRMATION', error: expect.stringContaining('another difference') });
  }
});

test('a dry run gives the token of what it has shown', async () => {
  const { db } = core;
  await plant(25);
  const rehearsal = await run({ directoryId: 'directory_1', dryRun: true });
  expect(rehearsal).toMatchObject({ status: 'SUCCEEDED', repaired: 25, confirmToken: expect.any(String) });
  const real = await run({ directoryId: 'directory_1', confirmToken: rehearsal.confirmToken });
  expect(real).toMatchObject({ status: 'SUCCEEDED', repaired: 25 });
  expect(real.id).not.toBe(rehearsal.id);
  expect(await stateOfDatabase(db)).toEqual(right);
});

test.each<[number, number | null, ReplayRow['status']]>([
  [20, null, 'SUCCEEDED'],
  [21, null, 'AWAITING_CONFIRMATION'],
  [25, 25, 'SUCCEEDED'],
  [3, 2, 'AWAITING_CONFIRMATION'],
  [1, 0, 'AWAITING_CONFIRMATION'],
  [0, 0, 'SUCCEEDED'],
])('%i accounts that lose access with maxRevocations %j: %s', async (n, maxRevocations, status) => {
  await plant(n);
  expect(await run({ maxRevocations })).toMatchObject({ status, revokedPermissions: n });
});

test('what waits can be cancelled, and its token is worth nothing then', async () => {
  const { db } = core;
  await plant(25);
  const { id, confirmToken } = await run({ userId: 'user_00', maxRevocations: 0 });
  expect(await replays.cancel(id, null)).toMatchObject({ status: 'CANCELLED', finishedAt: expect.any(Date) });
  const head = await headOf(db);
  // Of the same difference, so it is confirmed, but it is a replay of its own.
  const next = await run({ userId: 'user_00', maxRevocations: 0, confirmToken });
  expect(next.id).not.toBe(id);
  expect(await headOf(db)).toBe(head + 1);
});

test('what grows while it is being repaired does not slip through: previewed again, and asked about', async () => {
  const { db } = core;
  await plant(10);
  await db.$executeRawUnsafe(`
    CREATE FUNCTION grow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      UPDATE effective_entitlement SET permissions = '{docs:read,docs:write,secret}'; RETURN NULL; END $$`);
  await db.$executeRawUnsafe(
    "CREATE TRIGGER grow AFTER UPDATE ON replay FOR EACH ROW WHEN (old.phase = 'PREVIEW' AND new.phase = 'REPAIR') EXECUTE FUNCTION grow()",
  );
  const head = await headOf(db);
  try {
    const row = await run({});
    expect(row).toMatchObject({ status: 'AWAITING_CONFIRMATION', phase: 'PREVIEW' });
    const revoked = (await headOf(db)) - head;
    expect(revoked).toBeLessThanOrEqual(20);
    expect(row.revokedPermissions).toBe(SIZE - revoked);
  } finally {
    await db.$executeRawUnsafe('DROP TRIGGER grow ON replay');
    await db.$executeRawUnsafe('DROP FUNCTION grow');
  }
});
