import { WorkOS } from '@workos-inc/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeWorkos, loadHistory, startFakeWorkos } from '../../src/fake-workos/server.ts';
import { createLogger } from '../../src/log.ts';

const events = await loadHistory(new URL('../fixtures/small-history.jsonl', import.meta.url).pathname);
const TYPES = [...new Set(events.map(({ event }) => event))].join(',');
const PATH = `/events?events=${TYPES}&limit=4`;
const IDS = events.slice(0, 4).map(({ id }) => id);

let fake: FakeWorkos;
beforeEach(async () => {
  fake = await startFakeWorkos({ log: createLogger('silent'), source: { kind: 'history', events } });
});
afterEach(() => fake.close());

const ask = (path = PATH, init: RequestInit = {}) =>
  fetch(`${fake.url}${path}`, { ...init, headers: { authorization: `Bearer ${fake.apiKey}` } });
const idsOf = async (response: Response) => ((await response.json()) as { data: { id: string }[] }).data.map(({ id }) => id);
const sdk = (maxRetries: number) => {
  const { hostname, port } = new URL(fake.url);
  return new WorkOS(fake.apiKey, { apiHostname: hostname, port: Number(port), https: false, maxRetries });
};
const list = (maxRetries: number) => sdk(maxRetries).events.listEvents({ events: ['dsync.user.created'] });

describe('faults of the API', () => {
  it('strike as often as asked for, on the path asked for, and can be cleared', async () => {
    fake.fault({ path: '/events', kind: 'status', status: 500, times: 2 });
    expect((await ask('/directories')).status).toBe(200);
    expect([(await ask()).status, (await ask()).status, (await ask()).status]).toEqual([500, 500, 200]);
    fake.fault({ kind: 'status', status: 503, times: null });
    expect([(await ask()).status, (await ask('/directories/x')).status]).toEqual([503, 503]);
    fake.clearFaults();
    expect((await ask()).status).toBe(200);
  });

  it('429 carries Retry-After, which the SDK obeys', async () => {
    fake.fault({ path: '/events', kind: 'status', status: 429, retryAfter: '1' });
    const startedAt = performance.now();
    expect((await list(1)).data).toHaveLength(4);
    expect(performance.now() - startedAt).toBeGreaterThan(950);
    const date = new Date(Date.now() + 60_000).toUTCString();
    fake.fault({ path: '/events', kind: 'status', status: 429, retryAfter: date });
    expect((await ask()).headers.get('retry-after')).toBe(date);
    fake.fault({ path: '/events', kind: 'status', status: 429 });
    const bare = await ask();
    expect([bare.status, bare.headers.get('retry-after')]).toEqual([429, null]);
    expect(fake.requests()).toEqual({ '/events': 4 });
  });

  it('make the SDK fail in the ways that it fails', async () => {
    fake.fault({ path: '/events', kind: 'html', status: 502 });
    await expect(list(0)).rejects.toThrow(/ParseError/);
    fake.fault({ path: '/events', kind: 'truncated' });
    await expect(list(0)).rejects.toMatchObject({ name: 'ParseError', rawStatus: 200 });
    fake.fault({ path: '/events', kind: 'reset' });
    await expect(list(0)).rejects.toThrow(/fetch failed/);
    fake.fault({ path: '/events', kind: 'reset', midBody: true });
    await expect(list(0)).rejects.toThrow();
    expect((await list(0)).data).toHaveLength(4);
  });

  it('spoil a page: empty, twice, disordered, not UTF-8', async () => {
    for (const kind of ['empty', 'duplicated', 'reordered', 'bad_utf8'] as const) fake.fault({ path: '/events', kind });
    const empty = (await (await ask()).json()) as unknown;
    expect(empty).toEqual({ object: 'list', data: [], list_metadata: { before: null, after: null } });
    expect(await idsOf(await ask())).toEqual(IDS.flatMap((id) => [id, id]));
    const disordered = await idsOf(await ask());
    expect(disordered).not.toEqual(IDS);
    expect(disordered.toSorted()).toEqual(IDS);
    const bytes = await (await ask()).arrayBuffer();
    expect(() => new TextDecoder('utf-8', { fatal: true }).decode(bytes)).toThrow();
    expect(() => JSON.parse(new TextDecoder().decode(bytes))).not.toThrow();
    expect(await idsOf(await ask())).toEqual(IDS);
  });

  it('lose events for good, although they are true', async () => {
    fake.fault({ path: '/events', kind: 'lost', everyNth: 2 });
    expect(await idsOf(await ask())).toEqual([IDS[0], IDS[2]]);
    expect((await idsOf(await ask())).slice(0, 3)).toEqual([IDS[0], IDS[2], events[4]?.id]);
    const users = fake.truth().users.size;
    const id = fake.publish(
      { event: 'dsync.user.deleted', data: events.find(({ event }) => event === 'dsync.user.created')?.data },
      { viaApi: false },
    );
    expect(fake.truth().users.size).toBe(users - 1);
    expect(await idsOf(await ask(`/events?events=${TYPES}&limit=100`))).not.toContain(id);
  });

  it('answer slowly: headers at once, the body later, and closing does not wait for it', async () => {
    fake.fault({ path: '/events', kind: 'slow', delayMs: 300 });
    const startedAt = performance.now();
    expect(await idsOf(await ask())).toEqual(IDS);
    expect(performance.now() - startedAt).toBeGreaterThan(280);
    fake.fault({ path: '/events', kind: 'slow', delayMs: 600_000 });
    const response = await ask();
    expect(response.status).toBe(200);
    const body = response.text().catch(() => 'cut');
    await fake.close();
    await body;
  });

  it('outlive a client that goes away in the middle of an answer', async () => {
    fake.fault({ path: '/events', kind: 'slow', delayMs: 100 });
    const impatient = new AbortController();
    const response = await ask(PATH, { signal: impatient.signal });
    impatient.abort();
    await expect(response.text()).rejects.toThrow();
    fake.fault({ path: '/events', kind: 'slow', delayMs: 150 });
    expect(await idsOf(await ask())).toEqual(IDS);
  });

  it('do not hide an event that is broken on purpose', async () => {
    const id = fake.publish({ event: 'dsync.user.created', data: null, created_at: 'soon' });
    expect(await idsOf(await ask(`/events?events=${TYPES}&limit=100`))).toContain(id);
  });
});

describe('the controls over HTTP', () => {
  const post = (path: string, body: unknown) => ask(path, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) });

  it('set, show and clear faults', async () => {
    const set = await post('/_fake/faults', [
      { path: '/events', kind: 'status', status: 429, retryAfter: '2', times: 3 },
      { kind: 'truncated' },
    ]);
    const faults = [
      { path: '/events', kind: 'status', status: 429, retryAfter: '2', times: 3 },
      { path: '*', kind: 'truncated', times: 1 },
    ];
    expect([set.status, await set.json()]).toEqual([200, faults]);
    expect((await ask()).status).toBe(429);
    expect(await (await ask('/_fake/faults')).json()).toMatchObject([{ times: 2 }, { times: 1 }]);
    expect(await (await ask('/_fake/faults', { method: 'DELETE' })).json()).toEqual([]);
    expect((await ask()).status).toBe(200);
  });

  it('publish events and tell the truth', async () => {
    const data = events.find(({ event }) => event === 'dsync.user.created')?.data as { id: string };
    const answer = await post('/_fake/events', { event: 'dsync.user.deleted', data });
    expect(answer.status).toBe(200);
    const { ids } = (await answer.json()) as { ids: string[] };
    expect(await idsOf(await ask(`/events?events=dsync.user.deleted&limit=100`))).toContain(ids[0]);
    const truth = (await (await ask('/_fake/truth')).json()) as {
      users: { id: string; groupIds: string[] }[];
      groups: { members: number }[];
    };
    expect(truth.users.map(({ id }) => id)).not.toContain(data.id);
    expect(truth.users.find(({ id }) => id === 'directory_user_bob')?.groupIds).toEqual(['directory_group_finance']);
    expect(await (await ask('/_fake/requests')).json()).toEqual({ requests: { '/events': 1 }, webhooks: null });
    expect(await (await ask('/_fake/catalog')).json()).toHaveProperty('groupMappings');
  });

  it.each([
    ['/_fake/faults', 'no json', 400],
    ['/_fake/faults', { kind: 'meteor' }, 422],
    ['/_fake/faults', { kind: 'status', status: 429, retyAfter: '2' }, 422],
    ['/_fake/events', { data: {} }, 422],
    ['/_fake/events', { event: 'x', data: {}, created_at: 'soon' }, 422],
    ['/_fake/nothing', {}, 404],
  ])('refuse bad input at %s: %j', async (path, body, status) => {
    expect((await post(path, body)).status).toBe(status);
  });
});
