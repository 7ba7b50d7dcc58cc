// The fake as the official SDK sees it.
import { WorkOS } from '@workos-inc/node';
import { afterEach, describe, expect, it } from 'vitest';
import { type FakeWorkos, type FakeWorkosOptions, loadHistory, startFakeWorkos } from '../../src/fake-workos/server.ts';
import { createLogger } from '../../src/log.ts';

const events = await loadHistory(new URL('../fixtures/small-history.jsonl', import.meta.url).pathname);
const ALL = [...new Set(events.map(({ event }) => event))].join(',');
const log = createLogger('silent');
const DAY_MS = 86_400_000;

let fake: FakeWorkos;
const start = async (options: Partial<FakeWorkosOptions> = {}): Promise<FakeWorkos> => {
  fake = await startFakeWorkos({ log, source: { kind: 'history', events }, ...options });
  return fake;
};
afterEach(() => fake.close());

const sdk = (key = fake.apiKey): WorkOS => {
  const { hostname, port } = new URL(fake.url);
  return new WorkOS(key, { apiHostname: hostname, port: Number(port), https: false, maxRetries: 1 });
};
const get = async (path: string, key = fake.apiKey) => {
  const response = await fetch(`${fake.url}${path}`, { headers: { authorization: `Bearer ${key}` } });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Record<string, unknown> };
};
const idsOf = (page: { data: { id: string }[] }): string[] => page.data.map(({ id }) => id);
type EventNames = NonNullable<Parameters<WorkOS['events']['listEvents']>[0]>['events'];
const all = ALL.split(',') as unknown as EventNames;
const of = (...names: string[]) => names as unknown as EventNames;

describe('GET /events', () => {
  it('gives every event once, oldest first, whatever the page size', async () => {
    await start();
    for (const limit of [1, 7, 100]) {
      const seen: string[] = [];
      let after: string | undefined;
      do {
        const page = await sdk().events.listEvents({ events: all, limit, ...(after && { after }) });
        seen.push(...idsOf(page));
        after = page.listMetadata.after ?? undefined;
      } while (after);
      expect(seen).toEqual(events.map(({ id }) => id));
    }
    expect(fake.requests()).toEqual({ '/events': 24 + 4 + 1 });
  });

  it('gives ten without a limit, and nothing after the last', async () => {
    await start();
    expect((await sdk().events.listEvents({ events: all })).data).toHaveLength(10);
    const last = events.at(-1)?.id as string;
    expect(await sdk().events.listEvents({ events: all, after: last })).toEqual({
      object: 'list',
      data: [],
      listMetadata: { before: null, after: null },
    });
  });

  it('filters by type, organization and range, bounds included', async () => {
    await start();
    const list = async (options: object) => idsOf(await sdk().events.listEvents({ events: all, limit: 100, ...options }));
    expect(await list({ events: of('dsync.user.deleted', 'dsync.group.deleted') })).toEqual(
      events.filter(({ event }) => event === 'dsync.user.deleted' || event === 'dsync.group.deleted').map(({ id }) => id),
    );
    expect(await list({ organizationId: 'org_other' })).toEqual([]);
    const unowned = ['role.created', 'dsync.something.new'];
    expect(await list({ organizationId: 'org_01J0000000000000000000000A' })).toEqual(
      events.filter(({ event }) => !unowned.includes(event)).map(({ id }) => id),
    );
    const [from, to] = [events[3], events[5]];
    expect(await list({ rangeStart: from?.created_at, rangeEnd: to?.created_at })).toEqual(events.slice(3, 6).map(({ id }) => id));
    expect(await list({ after: from?.id, rangeEnd: to?.created_at })).toEqual(events.slice(4, 6).map(({ id }) => id));
  });

  it.each([
    ['no event types', 'limit=5', 422, { message: 'Validation failed.', errors: [{ code: 'required', field: 'events' }] }],
    ['a limit of 0', `events=${ALL}&limit=0`, 422, { message: 'Validation failed.', errors: [{ code: 'out_of_range', field: 'limit' }] }],
    [
      'a limit of 101',
      `events=${ALL}&limit=101`,
      422,
      { message: 'Validation failed.', errors: [{ code: 'out_of_range', field: 'limit' }] },
    ],
    [
      'a range that is no date',
      `events=${ALL}&range_start=soon`,
      422,
      { message: 'Validation failed.', errors: [{ code: 'invalid_date', field: 'range_start' }] },
    ],
    ['both after and range_start', `events=${ALL}&after=${events[0]?.id}&range_start=2024-01-01`, 400, { code: 'bad_request' }],
    ['an unknown after', `events=${ALL}&after=event_unknown`, 400, { message: "Event not found: 'event_unknown'." }],
  ])('refuses %s', async (_, query, status, body) => {
    await start();
    expect(await get(`/events?${query}`)).toMatchObject({ status, body });
  });

  it('can go on from an unknown after instead of refusing it', async () => {
    await start({ unknownAfter: 'ignore' });
    const page = await sdk().events.listEvents({ events: all, after: `${events[2]?.id}0`, limit: 1 });
    expect(idsOf(page)).toEqual([events[3]?.id]);
  });

  it('hides an event, and all after it, until the hold-back is over', async () => {
    let nowMs = Date.parse('2026-01-01T00:00:00Z');
    await start({ source: { kind: 'scripted' }, holdBackMs: 3_000, clock: () => nowMs });
    const first = fake.publish({ event: 'dsync.user.deleted', data: { id: 'u' } });
    nowMs += 2_000;
    const second = fake.publish({ event: 'dsync.user.deleted', data: { id: 'u' } });
    const list = async () => idsOf(await sdk().events.listEvents({ events: all }));
    expect(await list()).toEqual([]);
    nowMs += 1_000;
    expect(await list()).toEqual([first]);
    nowMs += 2_000;
    expect(await list()).toEqual([first, second]);
  });

  it('shows nothing older than the retention and refuses a cursor from before it', async () => {
    let nowMs = Date.parse('2026-01-01T00:00:00Z');
    await start({ source: { kind: 'scripted' }, retentionDays: 30, clock: () => nowMs });
    const old = fake.publish({ event: 'dsync.user.deleted', data: { id: 'u' } });
    nowMs += 20 * DAY_MS;
    const young = fake.publish({ event: 'dsync.user.deleted', data: { id: 'u' } });
    expect(idsOf(await sdk().events.listEvents({ events: all }))).toEqual([old, young]);
    nowMs += 11 * DAY_MS;
    expect(idsOf(await sdk().events.listEvents({ events: all }))).toEqual([young]);
    expect((await get(`/events?events=${ALL}&after=${old}`)).status).toBe(400);
  });

  it('can return every event twice, and still lets a reader through', async () => {
    await start({ pageRepeats: true });
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const page = await sdk().events.listEvents({ events: all, limit: 9, ...(after && { after }) });
      expect(page.data.length).toBeLessThanOrEqual(9);
      seen.push(...idsOf(page));
      after = page.listMetadata.after ?? undefined;
    } while (after);
    expect(seen).toEqual(events.flatMap(({ id }) => [id, id]));
  });

  it('replays a history at a multiple of real time', async () => {
    const hourMs = 3_600_000;
    await start({ source: { kind: 'history', events, speed: hourMs } });
    await expect.poll(() => fake.truth().groups.get('directory_group_finance')?.name).toBe('money');
    expect((await sdk().events.listEvents({ events: all, limit: 100 })).data).toHaveLength(events.length);
  });

  it('puts an event that comes late with an older id in its place', async () => {
    await start();
    fake.publish({ id: `${events[1]?.id}5`, event: 'dsync.user.deleted', data: { id: 'nobody' } });
    const page = await sdk().events.listEvents({ events: all, limit: 3 });
    expect(idsOf(page)).toEqual([events[0]?.id, events[1]?.id, `${events[1]?.id}5`]);
  });
});

describe('the state API', () => {
  const directory = 'directory_01J0000000000000000000000A';

  it('answers directories with the names and counts of the API', async () => {
    await start();
    expect((await sdk().directorySync.getDirectory(directory)).state).toBe('active');
    const raw = (await get(`/directories/${directory}`)).body;
    expect(raw).toMatchObject({ state: 'linked', metadata: { users: { active: 3, inactive: 1 }, groups: 2 } });
    expect((await get('/directories')).body.data).toEqual([raw]);
    expect((await get('/directories?organization_id=org_other')).body.data).toEqual([]);
    expect((await get('/organizations/org_01J0000000000000000000000A')).body).toMatchObject({ object: 'organization', name: 'Small' });
  });

  it('answers users and groups by directory, membership, idp id and email; groups on users are always empty', async () => {
    await start();
    const users = await sdk().directorySync.listUsers({ directory, order: 'asc' });
    expect(idsOf(users)).toEqual(['ann', 'bob', 'cem', 'eve'].map((name) => `directory_user_${name}`));
    expect(users.data.every(({ groups }) => groups.length === 0)).toBe(true);
    expect(idsOf(await sdk().directorySync.listUsers({ group: 'directory_group_engineering', order: 'asc' }))).toEqual([
      'directory_user_ann',
      'directory_user_eve',
    ]);
    expect(idsOf(await sdk().directorySync.listGroups({ user: 'directory_user_bob' }))).toEqual(['directory_group_finance']);
    expect(idsOf(await sdk().directorySync.listGroups({ directory, order: 'asc' }))).toEqual([
      'directory_group_engineering',
      'directory_group_finance',
    ]);
    expect((await get('/directory_users?email=CEM@small.example')).body.data).toMatchObject([
      { id: 'directory_user_cem', state: 'inactive' },
    ]);
    expect((await get('/directory_users?idp_id=idp-ann')).body.data).toMatchObject([{ id: 'directory_user_ann' }]);
    expect((await sdk().directorySync.getUser('directory_user_ann')).groups).toEqual([]);
    expect((await sdk().directorySync.getGroup('directory_group_finance')).name).toBe('money');
  });

  it('pages both ways, newest first unless asked otherwise', async () => {
    await start();
    const page = async (query: string) => {
      const {
        data,
        list_metadata: { before, after },
      } = (await get(`/directory_users?directory=${directory}&limit=2${query}`)).body as {
        data: { id: string }[];
        list_metadata: { before: string | null; after: string | null };
      };
      return [...data.map(({ id }) => id), before, after].map((id) => id?.replace('directory_user_', '') ?? null);
    };
    expect(await page('')).toEqual(['eve', 'cem', null, 'cem']);
    expect(await page('&after=directory_user_cem')).toEqual(['bob', 'ann', 'bob', null]);
    expect(await page('&before=directory_user_ann')).toEqual(['cem', 'bob', 'cem', 'bob']);
    expect(await page('&order=asc')).toEqual(['ann', 'bob', null, 'bob']);
    expect(await page('&order=asc&after=directory_user_bob')).toEqual(['cem', 'eve', 'cem', null]);
    expect(await page('&order=normal&before=directory_user_cem')).toEqual(['bob', 'ann', null, 'bob']);
    expect(await page('&after=directory_user_dee')).toEqual(['cem', 'bob', 'cem', 'bob']); // dee is deleted
    expect((await get('/directory_users?after=unknown')).status).toBe(400);
    expect((await get('/directory_users?limit=1000')).status).toBe(422);
  });

  it('gives all pages to the auto-paging of the SDK', async () => {
    await start();
    const created = events.find(({ event }) => event === 'dsync.user.created');
    for (let n = 0; n < 230; n += 1)
      fake.publish({ event: 'dsync.user.created', data: { ...(created?.data as object), id: `directory_user_${n}` } });
    const users = await (await sdk().directorySync.listUsers({ directory })).autoPagination();
    expect(users.map(({ id }) => id)).toEqual([...fake.truth().users.keys()].reverse());
    expect(users).toHaveLength(234);
  });

  it.each([
    '/directories/x',
    '/directory_users/x',
    '/directory_groups/x',
    '/organizations/x',
    '/directory_users?directory=x',
    '/directory_users?group=x',
    '/directory_groups?user=x',
    '/nothing',
    '/directories/a/b',
    '/directory_users/%',
  ])('answers 404 to %s', async (path) => {
    await start();
    expect((await get(path)).status).toBe(404);
  });
});

describe('the fake', () => {
  it('refuses other keys, also for its controls', async () => {
    await start();
    await expect(sdk('sk_other').events.listEvents({ events: all })).rejects.toMatchObject({ status: 401 });
    expect((await get('/_fake/truth', 'sk_other')).status).toBe(401);
  });

  it('says everywhere that it is the fake', async () => {
    const lines: string[] = [];
    await start({ log: createLogger('info', { write: (line) => lines.push(line) }) });
    expect(lines[0]).toContain('FAKE WorkOS');
    const front = await get('/');
    expect(JSON.stringify(front.body)).toContain('FAKE WorkOS');
    for (const { headers } of [front, await get('/events'), await get('/nothing'), await get('/events', 'wrong')]) {
      expect(headers.get('x-fake-workos')).toBe('1');
    }
  });

  it('keeps the limits of WorkOS when asked to', async () => {
    await start({ rateLimits: true, clock: () => 1_000_000 });
    const path = '/directory_users?directory=directory_01J0000000000000000000000A';
    const statuses: number[] = [];
    for (let i = 0; i < 5; i += 1) statuses.push((await get(path)).status);
    expect(statuses).toEqual([200, 200, 200, 200, 429]);
    expect((await get('/directories')).status).toBe(200);
  });

  it('refuses a port that is taken in one clear sentence', async () => {
    await start();
    const port = Number(new URL(fake.url).port);
    await expect(startFakeWorkos({ log, port, source: { kind: 'scripted' } })).rejects.toThrow(
      /cannot listen on 127\.0\.0\.1:\d+: something else listens/,
    );
  });

  it('refuses settings out of range, all at once', async () => {
    await start();
    const wrong = startFakeWorkos({
      log,
      port: 70_000,
      source: { kind: 'history', events, speed: 0 },
      webhook: { url: 'somewhere', secret: 's' },
    });
    await expect(wrong).rejects.toThrow(/cannot start like this: port: .*; speed: .*; webhookUrl: /);
  });
});
