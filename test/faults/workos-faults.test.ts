// F15 to F19: what WorkOS does, end to end.
import { setTimeout as delay } from 'node:timers/promises';
import type { Fault } from '../../src/fake-workos/server.ts';
import { waitFor } from '../support/wait-for.ts';
import { aGroup, aMembership, aUser, type Json } from '../support/workos-objects.ts';
import { buryLeases, everythingArrives, faultTest } from './scenario.ts';
import type { World } from './world.ts';

const place = { directory_id: 'directory_1', organization_id: 'org_1' };
const HELD_BACK_MS = 6_000;
const now = (): string => new Date().toISOString();

faultTest({
  name: 'F15: the same event by webhook five times and by the API at once',
  world: { serves: 1, works: 1, webhook: { repeat: 5 }, subscribers: ['client'] },
  run: (world) => world.underLoad(() => delay(2_500)),
  control: {
    without: 'an event id that is there already is an error',
    mutations: [{ file: 'src/ingest/store-events.ts', from: 'ON CONFLICT (id) DO NOTHING', to: '' }],
    breaks: /the Events API was read up to/,
  },
});

const applied = (world: World, id: string): Promise<unknown> =>
  waitFor(`${id} to be applied`, async () => (await world.db.directoryEvent.findUnique({ where: { id } }))?.status === 'APPLIED', {
    timeoutMs: 90_000,
  });

/** Somebody joins a group and leaves it; the joining is delivered when the leaving has been applied. */
async function leavesBeforeJoining(world: World): Promise<void> {
  const { publish, fake } = world;
  const group = aGroup('group_1_admins', { ...place, name: 'admins', updated_at: now() });
  const user = aUser('user_late', { ...place, updated_at: now() });
  await applied(world, publish({ event: 'dsync.user.created', data: user }));
  fake.fault({ kind: 'lost', path: 'webhook' });
  publish({ event: 'dsync.group.user_added', data: aMembership(user, group) });
  await applied(world, publish({ event: 'dsync.group.user_removed', data: aMembership(user, group) }));
}

faultTest({
  name: 'F16: out of order, orphans, and an older updated_at after a newer one',
  // The API shows nothing for so long: everything comes by webhook first, or late.
  world: { serves: 1, works: 1, subscribers: ['client', 'sse'], env: { INITIAL_IMPORT: 'off' }, fake: { holdBackMs: HELD_BACK_MS } },
  async run(world) {
    const { publish } = world;
    await leavesBeforeJoining(world);
    const orphan = aUser('user_orphan', { ...place, updated_at: now() });
    const group = aGroup('group_1_readers', { ...place, name: 'readers', updated_at: now() });
    publish({ event: 'dsync.group.user_removed', data: aMembership(aUser('user_never', { ...place, updated_at: now() }), group) });
    publish({ event: 'dsync.group.user_added', data: aMembership(orphan, group) });
    const earlier = new Date(Date.now() - 60_000).toISOString();
    publish({ event: 'dsync.user.updated', data: { ...orphan, state: 'inactive', updated_at: earlier } });
    await world.underLoad(() => delay(2_000), 10);
    await delay(HELD_BACK_MS);
  },
  control: {
    without: 'whatever arrives last wins',
    mutations: [{ file: 'src/apply/fold-membership.ts', from: 'if (row && row.version >= version) return false;', to: '' }],
    breaks: /I1, state and truth differ/,
  },
});

const NONSENSE: readonly { event: string; data: unknown }[] = [
  { event: 'dsync.user.updated', data: {} },
  { event: 'dsync.user.updated', data: 'text' },
  { event: 'dsync.user.created', data: { ...aUser('user_1_1', place), updated_at: 42 } },
  { event: 'dsync.user.created', data: { ...aUser('user_1_1', place), directory_id: ['list'] } },
  { event: 'dsync.group.user_added', data: { directory_id: 'directory_1', user: null, group: 7 } },
  { event: 'dsync.group.created', data: { id: 'group_x' } },
];

faultTest({
  name: 'F17: unknown types, missing fields, wrong types, 1 MB of attributes, invalid UTF-8',
  world: { serves: 1, works: 1, subscribers: ['client'] },
  async run(world, patienceMs) {
    const { publish, poison, fake } = world;
    world.steps(20);
    for (const event of NONSENSE) {
      poison.add(publish(event));
      world.steps(3);
    }
    fake.fault({ kind: 'bad_utf8', path: '/events' });
    publish({ event: 'dsync.nothing.that.we.know', data: { id: 'x' } });
    const large: Json = aUser('user_large', { ...place, updated_at: now(), custom_attributes: { note: 'x'.repeat(1_000_000) } });
    publish({ event: 'dsync.user.created', data: large });
    world.steps(20);
    await everythingArrives(world, 'around the nonsense', patienceMs);
  },
  control: {
    without: 'what cannot be read fails its batch',
    mutations: [
      {
        file: 'src/apply/settle-batch.ts',
        from: "verdicts.set(event.id, { id: event.id, status: 'QUARANTINED', error: parsed.reason });",
        to: "throw new Error('unreadable');",
      },
      {
        file: 'src/apply/apply-batch.ts',
        from: "if (failure === 'outage' || !only) throw error;",
        to: 'if (failure || only) throw error;',
      },
    ],
    breaks: /everything to arrive around the nonsense[\s\S]*not applied/,
  },
});

const MEMBERS = 300;

faultTest({
  name: 'F18: a group and a directory with many members are deleted',
  // The full read of a directory would find by itself what a deletion did not reach.
  world: { serves: 1, works: 1, subscribers: ['client', 'sse'], env: { INITIAL_IMPORT: 'off' } },
  async run(world, patienceMs) {
    const { publish } = world;
    const group = aGroup('group_1_admins', { ...place, name: 'admins', updated_at: now() });
    for (let n = 0; n < MEMBERS; n += 1) {
      const user = aUser(`user_many_${n}`, { ...place, updated_at: now() });
      publish({ event: 'dsync.user.created', data: user }, { viaWebhook: false });
      publish({ event: 'dsync.group.user_added', data: aMembership(user, group) }, { viaWebhook: false });
      const second = { ...user, id: `user_other_${n}`, directory_id: 'directory_2', organization_id: 'org_2' };
      const secondGroup = { ...group, id: 'group_2_admins', directory_id: 'directory_2', organization_id: 'org_2' };
      publish({ event: 'dsync.user.created', data: second }, { viaWebhook: false });
      publish({ event: 'dsync.group.user_added', data: aMembership(second, secondGroup) }, { viaWebhook: false });
    }
    await everythingArrives(world, 'before the deletions', 60_000);
    publish({ event: 'dsync.group.deleted', data: group });
    const directory = {
      object: 'directory',
      id: 'directory_2',
      organization_id: 'org_2',
      name: 'directory_2',
      type: 'okta scim v2.0',
      state: 'deleting',
      created_at: now(),
      updated_at: now(),
    };
    publish({ event: 'dsync.deleted', data: directory });
    await everythingArrives(world, 'after the deletions', patienceMs);
  },
  control: {
    without: 'the deletion of a directory does not reach its people',
    mutations: [
      {
        file: 'src/apply/fold-directory.ts',
        from: 'if (user.directoryId === row.id) buryUser(step, user, version);',
        to: 'if (user.directoryId === row.id) void buryUser;',
      },
    ],
    breaks: /I1/,
  },
  controls: [
    {
      without: 'the deletion of a group does not reach its members',
      mutations: [
        {
          file: 'src/apply/fold-group.ts',
          from: 'for (const userId of set.membersOf.get(groupId) ?? []) touched.add(userId);',
          to: 'void [set, touched, groupId];',
        },
      ],
      breaks: /the membership of user_many_\d+ in group_1_admins counts/,
    },
  ],
});

const TROUBLE: readonly Fault[] = [
  { kind: 'status', status: 429, retryAfter: '1' },
  { kind: 'status', status: 429, retryAfter: new Date(Date.now() + 2_000).toUTCString() },
  { kind: 'status', status: 429, retryAfter: null },
  { kind: 'html', status: 500 },
  { kind: 'html', status: 200 },
  { kind: 'truncated' },
  { kind: 'slow', delayMs: 1_500 },
  { kind: 'reset' },
  { kind: 'reset', midBody: true },
  { kind: 'empty', path: '/events' },
  { kind: 'duplicated', path: '/events' },
  { kind: 'reordered', path: '/events' },
];

/** What the API no longer knows as a place in its stream, after some time away. */
async function expireCursor(world: World): Promise<void> {
  const { db, works } = world;
  await works[0]?.kill();
  world.steps(40);
  await db.$executeRawUnsafe("UPDATE sync_cursor SET event_id = 'event_00000000000000000000000000'");
  await db.$executeRawUnsafe(
    `INSERT INTO directory_event (id, type, partition, raw, status, channel, occurred_at) VALUES ('event_00000000000000000000000000', 'unknown', 'environment', '{}', 'IGNORED', 'EVENTS_API', now())`,
  );
  await buryLeases(world);
  await works[0]?.start();
}

faultTest({
  name: 'F19: the API answers with 429, errors, rubbish, nothing, slowly, and forgets the cursor',
  world: { serves: 1, works: 1, webhook: null, subscribers: ['client'] },
  async run(world, patienceMs) {
    for (const fault of TROUBLE) {
      world.fake.fault(fault);
      await world.underLoad(() => delay(400));
    }
    await everythingArrives(world, 'in spite of all that', patienceMs);
    await expireCursor(world);
    world.steps(20);
    await everythingArrives(world, 'after the cursor was refused', patienceMs);
  },
  control: {
    without: 'where the cursor is refused, reading goes on from now',
    mutations: [
      {
        file: 'src/ingest/fetch-page.ts',
        from: 'new Date(knownUntil - OVERLAP_MS).toISOString()',
        to: 'clock().toISOString()',
      },
    ],
    breaks: /not in the inbox/,
    async run(world, patienceMs) {
      world.steps(20);
      await everythingArrives(world, 'before the fault', 90_000);
      await expireCursor(world);
      await world.underLoad(() => delay(patienceMs / 2));
    },
  },
});
