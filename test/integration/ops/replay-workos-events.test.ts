// A replay that reads the Events API again: what was lost on the way comes into the inbox and takes effect, and the poller's
// cursor stays where it is.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FakeWorkos, type HistoryEvent, startFakeWorkos } from '../../../src/fake-workos/server.ts';
import { createLogger } from '../../../src/log.ts';
import type { ReplayRequest } from '../../../src/ops/replay.ts';
import { createWorkosClient } from '../../../src/workos/client.ts';
import { deliver } from '../../support/core-database.ts';
import { stateOfDatabase } from '../../support/directory-state.ts';
import { FIRST_EVENT_AT } from '../../support/events.ts';
import { aRequest, operator, operatorOf, replay, replaysOf, untilOver, writingsOf } from '../../support/replays.ts';
import { COMPANY, NEXT, permissionsNow } from '../../support/small-company.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { aDirectory, aGroup, aMembership, anEvent, aUser, type SourceEvent } from '../../support/workos-objects.ts';

const core = useCoreDatabase({ each: 'small company' });
let fake: FakeWorkos;
const log = createLogger('silent');
/** Just long enough for the history of these tests. */
const DAYS = Math.ceil((Date.now() - FIRST_EVENT_AT) / 86_400_000) + 1;
beforeEach(async () => {
  fake = await startFakeWorkos({ log, source: { kind: 'scripted' } });
});
afterEach(() => fake?.close());

const leaves = anEvent(NEXT, 'dsync.group.user_removed', aMembership(aUser('bob'), aGroup('admins')));
const joins = anEvent(NEXT + 1, 'dsync.group.user_added', aMembership(aUser('ann'), aGroup('admins')));
const foreign = anEvent(NEXT + 2, 'dsync.activated', aDirectory('directory_2', { organization_id: 'org_2' }));

const tell = (events: readonly SourceEvent[]): void => {
  for (const { raw } of events) fake.publish(JSON.parse(raw) as HistoryEvent);
};
const workos = () => createWorkosClient({ apiKey: fake.apiKey, apiUrl: fake.url, log, maxRetries: 0 });
const deps = () => ({ workos, eventRetentionDays: DAYS });
const cursor = () => core.db.$queryRawUnsafe('SELECT * FROM sync_cursor');

test('events that never arrived are stored, applied and named; the cursor does not move', async () => {
  const { db } = core;
  tell([...COMPANY, leaves, joins]);
  const before = await cursor();
  const row = await replay(db, { source: 'WORKOS_EVENTS' }, deps());
  expect(row).toMatchObject({ status: 'SUCCEEDED', fetched: 11, missing: 2, total: 11, processed: 11, failed: 0 });
  expect(
    await db.directoryEvent.findMany({ where: { channel: 'REPLAY' }, orderBy: { id: 'asc' }, select: { id: true, status: true } }),
  ).toEqual([
    { id: leaves.id, status: 'APPLIED' },
    { id: joins.id, status: 'APPLIED' },
  ]);
  expect(await permissionsNow(db)).toEqual({
    ann: ['docs:admin', 'docs:read', 'docs:write'],
    bob: ['docs:read', 'docs:write'],
  });
  expect(await cursor()).toEqual(before);
  expect(await replay(db, { source: 'WORKOS_EVENTS' }, deps())).toMatchObject({ fetched: 11, missing: 0, repaired: 0 });
});

test('what is selected is read, and nothing else; it is re-derived as from the log', async () => {
  const { db } = core;
  tell([...COMPANY, leaves, joins, foreign]);
  const state = await stateOfDatabase(db);
  await db.$executeRawUnsafe("UPDATE directory_user SET email = 'x@example.com'");
  expect(await replay(db, { source: 'WORKOS_EVENTS', userId: 'bob', to: leaves.occurredAt }, deps())).toMatchObject({
    fetched: 3,
    missing: 0,
    repaired: 1,
  });
  expect(await replay(db, { source: 'WORKOS_EVENTS', eventIds: [joins.id] }, deps())).toMatchObject({ fetched: 1, missing: 1, total: 1 });
  const bound = await replay(db, { source: 'WORKOS_EVENTS' }, { ...deps(), caller: operatorOf('org_1') });
  expect(bound).toMatchObject({ status: 'SUCCEEDED', missing: 1 });
  expect(await db.directoryEvent.count({ where: { partition: 'org_2' } })).toBe(0);
  await deliver(db, []);
  expect(await stateOfDatabase(db)).not.toEqual(state);
  expect(await permissionsNow(db)).toMatchObject({ bob: ['docs:read', 'docs:write'] });
});

test.each<[string, Partial<ReplayRequest>]>([
  ['an organization', { organizationId: 'org_1' }],
  ['another organization', { organizationId: 'org_9' }],
  ['a directory', { directoryId: 'directory_1' }],
  ['a group', { groupId: 'engineers' }],
  ['a user in a group', { userId: 'bob', groupId: 'admins' }],
  ['types', { eventTypes: ['dsync.user.created', 'dsync.group.created', 'nothing.known'] }],
  ['types that are not ours', { eventTypes: ['nothing.known'] }],
  ['no events', { eventIds: [] }],
  ['from a moment on, with it', { from: COMPANY[4]?.occurredAt ?? null }],
  ['until a moment, without it', { to: COMPANY[4]?.occurredAt ?? null }],
  ['between two events', { afterEventId: COMPANY[0]?.id ?? null, untilEventId: COMPANY[4]?.id ?? null }],
])('of %s the same events are read from WorkOS as stand in the log', async (_what, over) => {
  tell(COMPANY);
  const row = await replay(core.db, { source: 'WORKOS_EVENTS', ...over }, deps());
  expect(row).toMatchObject({ status: 'SUCCEEDED', missing: 0, fetched: row.total });
});

test('a dry run shows what the missing events would do, and stores none of them', async () => {
  const { db } = core;
  tell([...COMPANY, leaves, joins, foreign]);
  const before = await writingsOf(db);
  const rehearsal = await replay(db, { source: 'WORKOS_EVENTS', dryRun: true }, { ...deps(), chunkSize: 2 });
  expect(rehearsal).toMatchObject({ status: 'SUCCEEDED', fetched: 12, missing: 3, total: 12, repaired: 2, failed: 0 });
  expect(rehearsal.preview).toEqual([
    { userId: 'ann', grantedPermissions: ['docs:admin'], revokedPermissions: [] },
    { userId: 'bob', grantedPermissions: [], revokedPermissions: ['docs:admin'] },
  ]);
  expect(await writingsOf(db)).toEqual(before);
  const bob = await replay(db, { source: 'WORKOS_EVENTS', dryRun: true, userId: 'bob' }, deps());
  expect(bob).toMatchObject({ missing: 1, repaired: 1, revokedPermissions: 1 });
});

test('a dry run that was interrupted reads again what it has forgotten', async () => {
  const { db } = core;
  tell([...COMPANY, leaves, joins]);
  let steps = 0;
  const stop = new AbortController();
  const dying = replaysOf(db, {
    ...deps(),
    chunkSize: 1,
    clock: () => {
      // One page for each window; then comes one chunk after another.
      steps += 1;
      if (steps > Math.ceil(DAYS / 30) + 2) stop.abort();
      return new Date();
    },
  });
  const { id } = await dying.start(aRequest({ source: 'WORKOS_EVENTS', dryRun: true }), operator);
  await dying.run(stop.signal);
  expect(await db.replay.findUniqueOrThrow({ where: { id } })).toMatchObject({ status: 'RUNNING', phase: 'PREVIEW' });
  const next = new AbortController();
  const second = replaysOf(db, deps());
  const running = second.run(next.signal);
  expect(await untilOver(second, id)).toMatchObject({ status: 'SUCCEEDED', fetched: 11, missing: 2, repaired: 2 });
  next.abort();
  await running;
});

test('an outage is waited out; a refusal ends the replay with what WorkOS said', async () => {
  const { db } = core;
  tell([...COMPANY, leaves]);
  fake.fault({ kind: 'status', path: '/events', status: 500, times: 2 });
  expect(await replay(db, { source: 'WORKOS_EVENTS' }, deps())).toMatchObject({ status: 'SUCCEEDED', missing: 1 });
  const refused = { ...deps(), workos: () => createWorkosClient({ apiKey: 'another', apiUrl: fake.url, log, maxRetries: 0 }) };
  expect(await replay(db, { source: 'WORKOS_EVENTS' }, refused)).toMatchObject({ status: 'FAILED', error: expect.stringContaining('401') });
});
