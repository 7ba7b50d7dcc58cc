// How replays are asked for, run, interrupted, overlapped, cancelled and watched.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type OpenDb, openDb } from '../../../src/db/client.ts';
import { fenced, type Lease, openLeases } from '../../../src/db/lease.ts';
import { createRandom } from '../../../src/lib/random.ts';
import { createLogger, type Logger } from '../../../src/log.ts';
import type { ReplayRequest, ReplayRow } from '../../../src/ops/replay.ts';
import { applyDue, type CoreDatabase, deliver, emptyTables, openCoreDatabase, store } from '../../support/core-database.ts';
import { stateOfDatabase } from '../../support/directory-state.ts';
import { expectInvariants } from '../../support/invariants.ts';
import { aRequest, operator, operatorOf, replay, replaysOf, untilOver, writingsOf } from '../../support/replays.ts';
import { SEED } from '../../support/seed.ts';
import { COMPANY, found, headOf, putCatalog } from '../../support/small-company.ts';
import { waitFor } from '../../support/wait-for.ts';
import { aDirectory, aGroup, aMembership, anEvent, aUser, type SourceEvent } from '../../support/workos-objects.ts';

let core: CoreDatabase;
let other: OpenDb;
beforeAll(async () => {
  core = await openCoreDatabase();
  other = openDb({ url: core.url, poolSize: 4, statementTimeoutMs: 20_000, applicationName: 'other worker' });
});
afterAll(async () => {
  await other?.close();
  await core?.close();
});
beforeEach(async () => {
  await emptyTables(core.db);
});

/** Two organizations, each with a group and many people in it. */
function crowd(size: number): SourceEvent[] {
  const events: SourceEvent[] = [];
  const tell = (type: string, data: unknown): void => void events.push(anEvent(events.length + 1, type, data));
  for (const n of [1, 2]) {
    const own = { directory_id: `directory_${n}`, organization_id: `org_${n}` };
    tell('dsync.activated', aDirectory(`directory_${n}`, own));
    const group = aGroup(`engineers_${n}`, { ...own, name: 'engineers' });
    tell('dsync.group.created', group);
    for (let index = 0; index < size; index += 1) {
      const user = aUser(`user_${n}_${String(index).padStart(3, '0')}`, own);
      tell('dsync.user.created', user);
      tell('dsync.group.user_added', aMembership(user, group));
    }
  }
  return events;
}

async function foundCrowd(size: number): Promise<void> {
  await putCatalog(core.db);
  await deliver(core.db, crowd(size));
}

const loseMemberships = (): Promise<number> => core.db.$executeRawUnsafe('DELETE FROM membership');
const wrongEmails = (): Promise<number> => core.db.$executeRawUnsafe("UPDATE directory_user SET email = 'x@example.com'");

// ------------------------------------------------------------------ asking

const [T1, T5, T9] = [COMPANY[0], COMPANY[4], COMPANY[8]].map((event) => event as SourceEvent) as [SourceEvent, SourceEvent, SourceEvent];

test.each<[string, Partial<ReplayRequest>, number]>([
  ['everything', {}, 9],
  ['an organization', { organizationId: 'org_1' }, 9],
  ['an unknown organization', { organizationId: 'org_9' }, 0],
  ['a directory', { directoryId: 'directory_1' }, 9],
  ['a user', { userId: 'bob' }, 3],
  ['a group', { groupId: 'engineers' }, 3],
  ['a user in a group', { userId: 'bob', groupId: 'admins' }, 1],
  ['events by id, each once', { eventIds: [T1.id, T9.id, T1.id] }, 2],
  ['no events', { eventIds: [] }, 0],
  ['types', { eventTypes: ['dsync.user.created', 'dsync.group.created'] }, 5],
  ['no types', { eventTypes: [] }, 0],
  ['from a moment on, with it', { from: T5.occurredAt }, 5],
  ['until a moment, without it', { to: T5.occurredAt }, 4],
  ['after an event, without it', { afterEventId: T5.id }, 4],
  ['until an event, with it', { untilEventId: T5.id }, 5],
  ['between two events', { afterEventId: T1.id, untilEventId: T5.id }, 4],
  ['a future', { from: new Date('2100-01-01T00:00:00Z') }, 0],
])('selects %s', async (_what, over, total) => {
  const { db } = core;
  await found(db);
  expect(await replay(db, over)).toMatchObject({ status: 'SUCCEEDED', total, processed: total, repaired: 0, failed: 0 });
});

test.each<[string, Partial<ReplayRequest>, RegExp]>([
  [
    'an event that is not there',
    { eventIds: [T1.id, 'event_01KGB7ZKZ80000000000009999'] },
    /no such event: event_01KGB7ZKZ80000000000009999/,
  ],
  ['ids together with a range', { eventIds: [T1.id], from: T5.occurredAt }, /eventIds names the events/],
  ['a range that ends before it begins', { from: T5.occurredAt, to: T1.occurredAt }, /from must be before to/],
  ['events that end before they begin', { afterEventId: T5.id, untilEventId: T1.id }, /afterEventId must come before/],
  ['a bound that is no event id', { afterEventId: 'yesterday' }, /afterEventId/],
  ['an empty id', { userId: '' }, /userId: is empty/],
  ['a NUL', { userId: 'a\0' }, /userId/],
  ['half a surrogate pair', { eventTypes: ['\ud800'] }, /eventTypes/],
  ['far too many ids', { eventIds: Array.from({ length: 10_001 }, () => T1.id) }, /at most 10000/],
  ['less than no revocations', { maxRevocations: -1 }, /maxRevocations/],
  ['ids that WorkOS cannot know', { source: 'WORKOS_EVENTS', eventIds: ['invalid_1'] }, /event_01HXYZ/],
])('refuses %s', async (_what, over, message) => {
  const { db } = core;
  await found(db);
  const starting = replaysOf(db).start(aRequest(over), operator);
  await expect(starting).rejects.toMatchObject({ code: 'BAD_USER_INPUT', message: expect.stringMatching(message) });
  expect(await db.replay.count()).toBe(0);
});

test('one key is one replay; with another input it is a conflict; other organizations have keys of their own', async () => {
  const { db } = core;
  await found(db);
  const replays = replaysOf(db);
  const request = aRequest({ userId: 'bob', idempotencyKey: 'k', reason: 'r' });
  const rows = await Promise.all([1, 2, 3].map(() => replays.start(request, operator)));
  expect(new Set(rows.map(({ id }) => id)).size).toBe(1);
  for (const over of [{ userId: 'ann' }, { dryRun: true }, { reason: null }])
    await expect(replays.start({ ...request, ...over }, operator)).rejects.toMatchObject({ code: 'CONFLICT' });
  const foreign = await replays.start({ ...request, userId: 'ann' }, operatorOf('org_1'));
  expect(foreign.id).not.toBe(rows[0]?.id);
  expect(await db.replay.count()).toBe(2);
});

test('a caller of one organization reaches nothing of another, by whatever it selects', async () => {
  const { db } = core;
  await foundCrowd(3);
  await wrongEmails();
  const events = await db.directoryEvent.findMany({ where: { partition: 'org_2' } });
  const caller = operatorOf('org_1');
  const foreign: Partial<ReplayRequest>[] = [
    { organizationId: 'org_2' },
    { directoryId: 'directory_2' },
    { userId: 'user_2_000' },
    { groupId: 'engineers_2' },
  ];
  for (const over of foreign)
    expect(await replay(db, over, { caller })).toMatchObject({ status: 'SUCCEEDED', total: 0, repaired: 0, organizationId: 'org_1' });
  await expect(replaysOf(db).start(aRequest({ eventIds: [events[0]?.id ?? ''] }), caller)).rejects.toMatchObject({
    code: 'BAD_USER_INPUT',
  });
  expect(await replay(db, {}, { caller })).toMatchObject({ total: 8, repaired: 3 });
  expect(await db.directoryUser.count({ where: { email: 'x@example.com', organizationId: 'org_2' } })).toBe(3);

  const { id } = await replaysOf(db).start(aRequest(), operator);
  await expect(replaysOf(db).cancel(id, 'org_1')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(untilOver(replaysOf(db), id, 'org_1')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

// ------------------------------------------------------------------ running

test('goes on where it was killed, and counts everybody once', async () => {
  const { db } = core;
  await foundCrowd(20);
  const right = await stateOfDatabase(db);
  await loseMemberships();
  await db.$executeRawUnsafe("UPDATE directory_group SET name = 'idle'");
  const asked = replaysOf(db);
  const { id } = await asked.start(aRequest(), operator);
  const rows: ReplayRow[] = [];
  for (let worker = 0; worker < 50; worker += 1) {
    // Every worker dies in the middle of its second chunk: what it began there is lost.
    const stop = new AbortController();
    let steps = 0;
    const dying = replaysOf(worker % 2 === 0 ? db : other.db, {
      chunkSize: 6,
      clock: () => {
        steps += 1;
        if (steps > 1) throw new Error('connection terminated: killed');
        return new Date();
      },
      log: aLogThat(() => stop.abort()),
    });
    const watching = async (): Promise<void> => {
      for await (const _row of dying.progress(id, null, stop.signal));
      stop.abort();
    };
    await Promise.all([dying.run(stop.signal), watching()]);
    const row = await db.replay.findUniqueOrThrow({ where: { id } });
    rows.push(row);
    if (row.status !== 'RUNNING') break;
  }
  expect(rows.length).toBeGreaterThan(3);
  const [last] = rows.slice(-1);
  expect(last).toMatchObject({ status: 'SUCCEEDED', processed: 84, total: 84, repaired: 40, unchanged: 0, failed: 0, affectedUsers: 0 });
  const way = rows.map(({ phase, processed }) => (phase === 'PREVIEW' ? processed : 84 + processed));
  expect(way).toEqual([...way].sort((a, b) => a - b));
  expect(new Set(rows.map(({ phase }) => phase))).toEqual(new Set(['PREVIEW', 'REPAIR']));
  expect(await stateOfDatabase(db)).toEqual(right);
  await expectInvariants(db);
  expect(await replay(db)).toMatchObject({ repaired: 0, unchanged: 40 });
});

test('an orderly stop comes between two chunks, and the next worker goes on', async () => {
  const { db } = core;
  await foundCrowd(10);
  await wrongEmails();
  const stop = new AbortController();
  const first = replaysOf(db, { chunkSize: 4 });
  const { id } = await first.start(aRequest(), operator);
  const stopping = async (): Promise<void> => {
    const ended = new AbortController();
    for await (const row of first.progress(id, null, ended.signal)) {
      if (row.phase === 'PREVIEW' || row.repaired === 0) continue;
      stop.abort();
      break;
    }
  };
  await Promise.all([first.run(stop.signal), stopping()]);
  const halfway = await db.replay.findUniqueOrThrow({ where: { id } });
  expect(halfway.status).toBe('RUNNING');
  expect(halfway.repaired).toBeGreaterThan(0);
  expect(halfway.repaired).toBeLessThan(20);
  expect(await db.directoryUser.count({ where: { email: 'x@example.com' } })).toBe(20 - halfway.repaired);

  const next = new AbortController();
  const second = replaysOf(other.db, { chunkSize: 4 });
  const running = second.run(next.signal);
  expect(await untilOver(second, id)).toMatchObject({ status: 'SUCCEEDED', repaired: 20, unchanged: 0, processed: 44 });
  next.abort();
  await running;
});

test('whoever leads next goes on at once with what the leader before has left, and that one does nothing more', async () => {
  const { db } = core;
  await foundCrowd(20);
  await wrongEmails();
  const leases = openLeases({ url: core.url, log: createLogger('silent') });
  const lead = async (holder: string): Promise<Lease> => {
    const lease = await leases.take('replays', holder, 60_000);
    if (!lease) throw new Error('somebody leads');
    return lease;
  };
  const asked = replaysOf(db);
  const { id } = await asked.start(aRequest(), operator);
  const before = await lead('before');
  // Its time is over while it is at its first chunk.
  let overdue: Promise<unknown> | undefined;
  const stop = new AbortController();
  const frozen = replaysOf(db, {
    chunkSize: 4,
    clock: () => {
      overdue ??= db.$executeRawUnsafe("UPDATE lease SET expires_at = now() - interval '1 second'").then();
      return new Date();
    },
  });
  await frozen.run(
    stop.signal,
    fenced(db, before, () => stop.abort()),
  );
  await overdue;
  expect(await db.replay.findUniqueOrThrow({ where: { id } })).toMatchObject({ status: 'RUNNING' });

  const since = performance.now();
  const next = new AbortController();
  const after = replaysOf(other.db);
  const running = after.run(
    next.signal,
    fenced(other.db, await lead('after'), () => next.abort()),
  );
  expect(await untilOver(after, id)).toMatchObject({ status: 'SUCCEEDED', repaired: 40, unchanged: 0, processed: 84 });
  expect(performance.now() - since).toBeLessThan(5_000);
  next.abort();
  await running;
  await leases.close();
});

test('two workers on overlapping replays, and on one: all is repaired once', async () => {
  const { db } = core;
  await foundCrowd(30);
  const right = await stateOfDatabase(db);
  await loseMemberships();
  await db.$executeRawUnsafe('DELETE FROM effective_entitlement');
  await db.$executeRawUnsafe('DELETE FROM membership_interval');
  const head = await headOf(db);
  const stop = new AbortController();
  const workers = [replaysOf(db, { chunkSize: 5 }), replaysOf(other.db, { chunkSize: 7 })];
  const started = await Promise.all(
    [{}, { organizationId: 'org_1' }, { directoryId: 'directory_2' }, { eventTypes: ['dsync.group.user_added'] }].map((over, index) =>
      (workers[index % 2] as (typeof workers)[number]).start(aRequest(over), operator),
    ),
  );
  const running = workers.map((worker) => worker.run(stop.signal));
  const rows = await Promise.all(started.map(({ id }) => untilOver(workers[0] as (typeof workers)[number], id)));
  stop.abort();
  await Promise.all(running);
  expect(rows.map(({ status, failed }) => [status, failed])).toEqual(rows.map(() => ['SUCCEEDED', 0]));
  expect(rows.map(({ repaired, unchanged }) => repaired + unchanged)).toEqual([60, 30, 30, 60]);
  expect(rows.reduce((sum, { repaired }) => sum + repaired, 0)).toBe(60);
  expect(await stateOfDatabase(db)).toEqual(right);
  expect(await headOf(db)).toBe(head + 30);
});

test('while events are being applied the end is the same as without a replay', async () => {
  process.stdout.write(`seed ${SEED}\n`);
  const { db } = core;
  const random = createRandom(SEED);
  const events = crowd(15);
  for (let n = events.length + 1; n <= 400; n += 1) {
    const of = 1 + random.below(2);
    const own = { directory_id: `directory_${of}`, organization_id: `org_${of}` };
    const user = aUser(`user_${of}_${String(random.below(15)).padStart(3, '0')}`, {
      ...own,
      updated_at: new Date(Date.UTC(2026, 1, 1, 0, 0, n)).toISOString(),
    });
    const group = aGroup(`engineers_${of}`, { ...own, name: 'engineers' });
    const [type, data] = random.pick([
      ['dsync.group.user_added', aMembership(user, group)],
      ['dsync.group.user_removed', aMembership(user, group)],
      ['dsync.user.updated', { ...user, state: random.pick(['active', 'suspended']) }],
      ['dsync.user.deleted', user],
      ['dsync.user.created', user],
    ] as const);
    events.push(anEvent(n, type, data));
  }
  await putCatalog(db);
  await deliver(db, events);
  const expected = await stateOfDatabase(db);

  await emptyTables(db);
  await putCatalog(db);
  const stop = new AbortController();
  const replays = replaysOf(other.db, { chunkSize: 4 });
  const running = replays.run(stop.signal);
  const replaying = async (): Promise<ReplayRow[]> => {
    const rows: ReplayRow[] = [];
    for (let round = 0; round < 12; round += 1) rows.push(await untilOver(replays, (await replays.start(aRequest(), operator)).id));
    return rows;
  };
  const applying = async (): Promise<void> => {
    const shuffled = random.shuffle(events);
    for (let from = 0; from < shuffled.length; from += 20) {
      await store(db, shuffled.slice(from, from + 20));
      await applyDue(db, 1 + random.below(10));
    }
  };
  const [rows] = await Promise.all([replaying(), applying()]);
  stop.abort();
  await running;
  expect(rows.map(({ status, repaired }) => [status, repaired])).toEqual(rows.map(() => ['SUCCEEDED', 0]));
  expect(await stateOfDatabase(db)).toEqual(expected);
  expect(await db.entitlementChange.count({ where: { causeKind: 'REPLAY' } })).toBe(0);
  await expectInvariants(db, { snapshotsAt: [1] });
});

// ------------------------------------------------------------------ cancelling and watching

test('a waiting replay is cancelled at once, a running one after its chunk; what is over stays as it is', async () => {
  const { db } = core;
  await foundCrowd(10);
  await wrongEmails();
  const replays = replaysOf(db, { chunkSize: 2 });
  const waiting = await replays.start(aRequest(), operator);
  expect(await replays.cancel(waiting.id, null)).toMatchObject({ status: 'CANCELLED' });
  expect(await replays.cancel(waiting.id, null)).toMatchObject({ status: 'CANCELLED' });

  const stop = new AbortController();
  const running = replays.run(stop.signal);
  const { id } = await replays.start(aRequest(), operator);
  const repairs = async (): Promise<boolean> => (await db.replay.count({ where: { id, phase: 'REPAIR', repaired: { gt: 0 } } })) > 0;
  await waitFor('the first repairs', repairs, { everyMs: 1 });
  expect(await replays.cancel(id, null)).toMatchObject({ cancelRequested: true });
  const row = await untilOver(replays, id);
  expect(row.status).toBe('CANCELLED');
  expect(row.repaired).toBeLessThan(20);
  expect(await db.directoryUser.count({ where: { email: 'x@example.com' } })).toBe(20 - row.repaired);

  const after = await writingsOf(db);
  expect(await untilOver(replays, waiting.id)).toMatchObject({ status: 'CANCELLED', processed: 0 });
  expect(await writingsOf(db)).toEqual(after);
  const last = await untilOver(replays, (await replays.start(aRequest(), operator)).id);
  expect(last).toMatchObject({ status: 'SUCCEEDED', repaired: 20 - row.repaired });
  expect(await replays.cancel(last.id, null)).toMatchObject({ status: 'SUCCEEDED', cancelRequested: false });
  await expect(replays.cancel('no-such-replay', null)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  stop.abort();
  await running;
});

test('progress shows every state on the way, also to another process, and ends with the replay', async () => {
  const { db } = core;
  await foundCrowd(10);
  await wrongEmails();
  const worker = replaysOf(db, { chunkSize: 4 });
  const elsewhere = replaysOf(other.db, { pollIntervalMs: 1 });
  const { id } = await elsewhere.start(aRequest(), operator);
  const stop = new AbortController();
  const seen: ReplayRow[] = [];
  const watching = (async () => {
    for await (const row of elsewhere.progress(id, null, stop.signal)) seen.push(row);
  })();
  await waitFor('the first state', () => seen.length > 0);
  const running = worker.run(stop.signal);
  await watching;
  stop.abort();
  await running;
  expect(seen[0]).toMatchObject({ status: 'PENDING', processed: 0, total: 0 });
  expect(seen.at(-1)).toMatchObject({ status: 'SUCCEEDED', processed: 44, total: 44, repaired: 20 });
  expect(seen.length).toBeGreaterThan(2);
  const way = seen.map(({ phase, processed }) => (phase === 'PREVIEW' ? processed : 44 + processed));
  expect(way).toEqual([...way].sort((a, b) => a - b));
});

test('whoever stops watching is let go at once, while nothing happens', async () => {
  const { db } = core;
  const replays = replaysOf(db, { pollIntervalMs: 60_000 });
  const { id } = await replays.start(aRequest(), operator);
  const stop = new AbortController();
  const rows = replays.progress(id, null, stop.signal);
  expect((await rows.next()).value).toMatchObject({ status: 'PENDING' });
  const waiting = rows.next();
  await rows.return?.();
  expect(await waiting).toEqual({ done: true, value: undefined });

  const others = replays.progress(id, null, stop.signal);
  await others.next();
  const pending = others.next();
  stop.abort();
  expect(await pending).toEqual({ done: true, value: undefined });
});

/** Calls back when the loop has met a failure. */
function aLogThat(onFailure: () => void): Logger {
  return createLogger('warn', { write: onFailure });
}
