import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type OpenDb, openDb } from '../../../src/db/client.ts';
import {
  type FakeWorkos,
  type FakeWorkosOptions,
  type Fault,
  type HistoryEvent,
  startFakeWorkos,
} from '../../../src/fake-workos/server.ts';
import { createPoller, type Poller, type PollResult } from '../../../src/ingest/poll-events.ts';
import { createLogger } from '../../../src/log.ts';
import { createWorkosClient, type ListEventsOptions, type WorkosClient } from '../../../src/workos/client.ts';
import { WorkosError } from '../../../src/workos/workos-error.ts';
import { eventIdOf, FIRST_EVENT_AT, userEvent, userEvents } from '../../support/events.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { json, startScriptedHttp } from '../../support/scripted-http.ts';

const DAY_MS = 86_400_000;
const log = createLogger('silent');
const signal = new AbortController().signal;
const now = new Date(FIRST_EVENT_AT + 10 * DAY_MS);
const clock = () => now;

let database: TestDatabase;
let opened: OpenDb;
const servers: FakeWorkos[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  opened = openDb({ url: database.url, poolSize: 6, statementTimeoutMs: 10_000, applicationName: 'test' });
}, 120_000);
afterAll(async () => {
  await Promise.all(servers.map((server) => server.close()));
  await opened?.close();
  await database?.drop();
}, 60_000);
async function empty(): Promise<void> {
  await opened.db.$executeRawUnsafe('TRUNCATE directory_event, ingest_stat');
  await opened.db.$executeRawUnsafe('UPDATE sync_cursor SET event_id = NULL, event_created_at = NULL, caught_up_at = NULL');
}
beforeEach(empty);

async function fake(events: HistoryEvent[], options: Partial<FakeWorkosOptions> = {}): Promise<FakeWorkos> {
  const server = await startFakeWorkos({ log, source: { kind: 'history', events }, ...options });
  servers.push(server);
  return server;
}
const clientOf = (server: FakeWorkos, over = {}): WorkosClient =>
  createWorkosClient({ apiKey: server.apiKey, apiUrl: server.url, log, maxRetries: 0, ...over });
const pollerOf = (workos: Pick<WorkosClient, 'listEvents'>, over = {}): Poller =>
  createPoller({ db: opened.db, workos, log, clock, eventsRetentionDays: 30, pageSize: 10, pagesTogether: 1, ...over });

const cursor = () => opened.db.syncCursor.findUniqueOrThrow({ where: { id: 'events' } });
const storedIds = async () => (await opened.db.directoryEvent.findMany({ orderBy: { id: 'asc' }, select: { id: true } })).map((e) => e.id);
const stat = async () => (await opened.db.ingestStat.findMany({ where: { channel: 'EVENTS_API' } }))[0];
const ids = (events: HistoryEvent[]) => events.map((e) => e.id).sort();

/** Steps until caught up; checks I5 after each. Steps that fail are counted and tried again. */
async function follow(poller: Poller, events: HistoryEvent[], maxSteps = 60) {
  const results: PollResult[] = [];
  let failures = 0;
  for (let n = 0; n < maxSteps; n += 1) {
    try {
      results.push(await poller.step(signal));
    } catch (error) {
      if (!(error instanceof WorkosError)) throw error;
      failures += 1;
    }
    const { eventId } = await cursor();
    const held = new Set(await storedIds());
    expect(events.filter((e) => eventId !== null && e.id <= eventId && !held.has(e.id))).toEqual([]);
    if (results.at(-1)?.caughtUp) return { results, failures };
  }
  throw new Error(`not caught up in ${maxSteps} steps`);
}

describe('the way through the stream', () => {
  it('page by page to the end, once, with the raw event', async () => {
    const events = userEvents(95);
    const { results } = await follow(pollerOf(clientOf(await fake(events))), events);
    expect(results.map((r) => r.stored)).toEqual([10, 10, 10, 10, 10, 10, 10, 10, 10, 5]);
    expect(await storedIds()).toEqual(ids(events));
    expect(await cursor()).toMatchObject({ eventId: eventIdOf(94), eventCreatedAt: new Date(FIRST_EVENT_AT + 94_000), caughtUpAt: now });
    expect(await stat()).toMatchObject({ received: 95, duplicate: 0, refused: 0 });
    const row = await opened.db.directoryEvent.findUniqueOrThrow({ where: { id: eventIdOf(3) } });
    expect(JSON.parse(row.raw)).toEqual(userEvent(3));
    expect(row).toMatchObject({
      type: 'dsync.user.created',
      partition: 'org_1',
      userId: 'directory_user_3',
      directoryId: 'directory_1',
      status: 'PENDING',
      channel: 'EVENTS_API',
      occurredAt: new Date(FIRST_EVENT_AT + 3_000),
    });
  });

  it('goes on after a restart where it stopped', async () => {
    const events = userEvents(40);
    const server = await fake(events);
    const first = pollerOf(clientOf(server));
    await first.step(signal);
    await first.step(signal);
    const asked: (string | undefined)[] = [];
    const second = pollerOf({
      listEvents(o) {
        asked.push(o.after);
        return clientOf(server).listEvents(o);
      },
    });
    const { results } = await follow(second, events);
    expect(asked[0]).toBe(eventIdOf(19));
    expect(results.reduce((sum, r) => sum + r.duplicate, 0)).toBe(0);
    expect(await storedIds()).toEqual(ids(events));
  });

  it('a quiet stream stays caught up, and a new event is found', async () => {
    const server = await fake([], { source: { kind: 'scripted' } });
    const poller = pollerOf(clientOf(server));
    expect(await poller.step(signal)).toEqual({ stored: 0, duplicate: 0, caughtUp: true, gap: false });
    expect(await cursor()).toMatchObject({ eventId: null, caughtUpAt: now });
    server.publish(userEvent(1));
    expect(await poller.step(signal)).toMatchObject({ stored: 1, caughtUp: true });
    expect(await poller.step(signal)).toMatchObject({ stored: 0, duplicate: 0, caughtUp: true });
  });

  it('one bad element does not hold up its page', async () => {
    const bad = [
      17,
      null,
      'text',
      { id: 'event_1' },
      { ...userEvent(4), created_at: 'soon' },
      { ...userEvent(5), data: { id: 'a\u0000b\ud800' } },
    ];
    const page = { events: [userEvent(1), ...bad, userEvent(9)], after: null, mangled: false };
    expect(await pollerOf({ listEvents: async () => page }).step(signal)).toMatchObject({ stored: 8, caughtUp: true });
    const rows = await opened.db.directoryEvent.findMany({ orderBy: { id: 'asc' } });
    expect(rows.map((r) => [r.status, r.error !== null])).toEqual([
      ['PENDING', false],
      ['QUARANTINED', true],
      ['PENDING', false],
      ['PENDING', false],
      ...Array.from({ length: 4 }, () => ['QUARANTINED', true]),
    ]);
    expect((await cursor()).eventId).toBe(eventIdOf(9));
  });
});

describe('several pollers', () => {
  it('two at once store everything once, and the cursor never runs ahead', async () => {
    const events = userEvents(120);
    const server = await fake(events);
    const [a, b] = await Promise.all([follow(pollerOf(clientOf(server)), events), follow(pollerOf(clientOf(server)), events)]);
    expect(await storedIds()).toEqual(ids(events));
    expect([...a.results, ...b.results].reduce((sum, r) => sum + r.stored, 0)).toBe(120);
    expect((await cursor()).eventId).toBe(eventIdOf(119));
  });

  it('one that was overtaken changes nothing', async () => {
    const gate = Promise.withResolvers<void>();
    const page = { events: userEvents(3), after: null, mangled: false };
    const slow = pollerOf({ listEvents: () => gate.promise.then(() => page) }).step(signal);
    await pollerOf({ listEvents: async () => ({ ...page, events: userEvents(5) }) }).step(signal);
    gate.resolve();
    expect(await slow).toEqual({ stored: 0, duplicate: 0, caughtUp: false, gap: false });
    expect((await cursor()).eventId).toBe(eventIdOf(4));
    expect(await stat()).toMatchObject({ received: 5, duplicate: 0 });
  });
});

describe('a server in trouble', () => {
  it.each<[string, Fault, number]>([
    ['429 with seconds', { kind: 'status', status: 429, retryAfter: '0', times: 2 }, 2],
    ['429 without', { kind: 'status', status: 429, times: 2 }, 2],
    ['500', { kind: 'status', status: 500, times: 3 }, 3],
    ['500 with HTML', { kind: 'html', times: 2 }, 2],
    ['200 with HTML', { kind: 'html', status: 200, times: 2 }, 2],
    ['truncated JSON', { kind: 'truncated', times: 3 }, 3],
    ['a cut connection', { kind: 'reset', times: 2 }, 2],
    ['a body that breaks off', { kind: 'reset', midBody: true, times: 2 }, 2],
    ['an empty page in the middle', { kind: 'empty', times: 1 }, 0],
    ['a shuffled page', { kind: 'reordered', times: 1 }, 0],
    ['only shuffled pages', { kind: 'reordered', times: null }, 0],
    ['every element twice', { kind: 'duplicated', times: 3 }, 0],
  ])('%s: nothing is lost, page by page or many at a time', async (_, fault, failures) => {
    const events = userEvents(45);
    const many = userEvents(155);
    const busy = await fake(many);
    const hasty = pollerOf(clientOf(busy), { pagesTogether: 4 });
    await hasty.step(signal);
    busy.fault({ path: '/events', ...fault });
    await follow(hasty, many);
    expect(await storedIds()).toEqual(ids(many));
    await empty();

    const server = await fake(events);
    const poller = pollerOf(clientOf(server));
    await poller.step(signal);
    server.fault({ path: '/events', ...fault });
    const run = await follow(poller, events);
    expect(run.failures).toBe(failures);
    expect(await storedIds()).toEqual(ids(events));
    expect((await cursor()).caughtUpAt).toEqual(now);
  });

  it('what a page in the wrong order leaves out comes with the next answer', async () => {
    const events = userEvents(6);
    const answers = [
      [0, 3, 2],
      [0, 1, 2, 3],
      [4, 5],
    ].map((page) => page.map((n) => userEvent(n)));
    const workos = {
      listEvents: async () => ({ events: answers.shift() ?? [], after: answers.length > 0 ? 'more' : null, mangled: false }),
    };
    await follow(pollerOf(workos), events);
    expect(await storedIds()).toEqual(ids(events));
  });

  it('Retry-After is waited out by the next step, and a stop ends the wait', async () => {
    const server = await fake(userEvents(3));
    server.fault({ kind: 'status', status: 429, retryAfter: '1', path: '/events', times: 1 });
    const poller = pollerOf(clientOf(server));
    const startedAt = performance.now();
    await expect(poller.step(signal)).rejects.toMatchObject({ kind: 'rate_limited', retryAfterMs: 1_000 });
    expect(await poller.step(signal)).toMatchObject({ stored: 3 });
    expect(performance.now() - startedAt).toBeGreaterThan(990);

    server.fault({ kind: 'status', status: 503, retryAfter: '100', path: '/events', times: 1 });
    await expect(poller.step(signal)).rejects.toMatchObject({ kind: 'unavailable', retryAfterMs: 100_000 });
    await expect(poller.step(AbortSignal.timeout(20))).rejects.toThrow('aborted');
  });

  it('bytes that are not UTF-8 quarantine their own event only', async () => {
    const events = userEvents(5).map((e, n) => ({ ...e, context: { note: n === 2 ? 'a_b' : 'ab' } }));
    const body = Buffer.from(JSON.stringify({ data: events, list_metadata: { after: null } }));
    body[body.indexOf('a_b') + 1] = 0xff;
    const server = await startScriptedHttp();
    server.answer(
      (r) => void r.writeHead(200, { 'content-type': 'application/json' }).end(body),
      json({ data: [], list_metadata: { after: null } }),
    );
    const poller = pollerOf(createWorkosClient({ apiKey: 'sk', apiUrl: server.url, log, maxRetries: 0 }));
    expect(await poller.step(signal)).toMatchObject({ stored: 5, caughtUp: false });
    expect(await poller.step(signal)).toMatchObject({ stored: 0, caughtUp: true });
    const rows = await opened.db.directoryEvent.findMany({ where: { status: 'QUARANTINED' } });
    expect(rows.map((row) => [row.id, row.userId])).toEqual([[eventIdOf(2), 'directory_user_2']]);
    await server.stop();
  });

  it('a page that is too large is asked for in smaller parts', async () => {
    const events = userEvents(30).map((e) => ({ ...e, context: { filler: 'x'.repeat(1_000) } }));
    const { results } = await follow(pollerOf(clientOf(await fake(events), { maxResponseBytes: 5_000 })), events, 100);
    expect(results.reduce((sum, r) => sum + r.stored, 0)).toBe(30);
  });

  it('one that ignores `after` is an error and not an endless loop', async () => {
    const page = { events: userEvents(5), after: eventIdOf(4), mangled: false };
    const poller = pollerOf({ listEvents: async () => page });
    const outcomes = [];
    for (let n = 0; n < 8; n += 1)
      outcomes.push(
        await poller.step(signal).then(
          (r) => r.stored,
          (e: Error) => e.message,
        ),
      );
    expect(outcomes.filter((o) => typeof o === 'string' && o.includes('same page again')).length).toBeGreaterThan(1);
    expect(await storedIds()).toEqual(ids(userEvents(5)));
  });
});

describe('a refused request', () => {
  const asked: ListEventsOptions[] = [];
  /** Refuses what `refuses` says, and otherwise answers the given events. */
  const picky = (refuses: (o: ListEventsOptions) => boolean, events: HistoryEvent[]) => ({
    async listEvents(o: ListEventsOptions) {
      asked.push(o);
      if (refuses(o)) throw new WorkosError(o.after ? 'cursor_refused' : 'refused', 'Validation failed');
      return { events, after: null, mangled: false };
    },
  });
  const setCursor = (eventId: string, caughtUpAt: Date | null, eventCreatedAt = new Date(FIRST_EVENT_AT)) =>
    opened.db.syncCursor.update({ where: { id: 'events' }, data: { eventId, caughtUpAt, eventCreatedAt } });
  beforeEach(() => void asked.splice(0));

  it('a cursor that expired though we kept up: from shortly before the last time, repeats do no harm', async () => {
    const caughtUpAt = new Date(now.getTime() - 2 * DAY_MS);
    await setCursor(eventIdOf(2), caughtUpAt);
    const result = await pollerOf(picky((o) => o.after !== undefined, userEvents(8))).step(signal);
    expect(result).toEqual({ stored: 8, duplicate: 0, caughtUp: true, gap: false });
    expect(asked.at(-1)).toMatchObject({ rangeStart: new Date(caughtUpAt.getTime() - 3_600_000).toISOString() });
    expect(asked.at(-1)?.after).toBeUndefined();
    expect(await cursor()).toMatchObject({ eventId: eventIdOf(7), caughtUpAt: now });
  });

  it('away for longer than the retention: a gap, from the oldest that there is, until caught up', async () => {
    await setCursor(eventIdOf(2), new Date(now.getTime() - 31 * DAY_MS));
    const poller = pollerOf(picky((o) => o.after === eventIdOf(2), userEvents(8)));
    expect(await poller.step(signal)).toMatchObject({ stored: 8, caughtUp: true, gap: true });
    expect(asked.at(-1)?.rangeStart).toBeUndefined();
    expect(await poller.step(signal)).toMatchObject({ gap: false });
  });

  it('away for longer than the retention is a gap even when the server takes the cursor', async () => {
    await setCursor(eventIdOf(2), new Date(now.getTime() - 31 * DAY_MS));
    expect(await pollerOf(picky(() => false, [])).step(signal)).toMatchObject({ caughtUp: true, gap: true });
  });

  it('the first catching-up was cut off, and the cursor is refused: from the time of its event', async () => {
    await setCursor(eventIdOf(2), null, new Date(now.getTime() - DAY_MS));
    expect(await pollerOf(picky((o) => o.after !== undefined, [])).step(signal)).toMatchObject({ gap: false });
    expect(asked.at(-1)?.rangeStart).toBe(new Date(now.getTime() - DAY_MS - 3_600_000).toISOString());
    await setCursor(eventIdOf(2), null, new Date(now.getTime() - 40 * DAY_MS));
    expect(await pollerOf(picky((o) => o.after !== undefined, [])).step(signal)).toMatchObject({ gap: true });
  });

  it('an event type that the server does not know: the core types alone, with the same cursor', async () => {
    await setCursor(eventIdOf(2), now);
    const poller = pollerOf(picky((o) => o.events.includes('dsync.token.created'), [userEvent(3)]));
    expect(await poller.step(signal)).toMatchObject({ stored: 1, gap: false });
    expect(asked.map((o) => [o.after, o.rangeStart, o.events.length])).toEqual([
      [eventIdOf(2), undefined, 25],
      [eventIdOf(2), undefined, 22],
    ]);
    await poller.step(signal);
    expect(asked.at(-1)?.events).toHaveLength(22);
  });

  it('everything refused: said clearly, with the types', async () => {
    await expect(pollerOf(picky(() => true, [])).step(signal)).rejects.toThrow(
      /refuses our request.*dsync\.user\.deleted.*Validation failed/,
    );
  });

  it('by the fake over HTTP: an unknown cursor leads back to the stream', async () => {
    const events = userEvents(12);
    await setCursor('event_01000000000000000000000000', new Date(FIRST_EVENT_AT));
    await follow(pollerOf(clientOf(await fake(events))), events);
    expect(await storedIds()).toEqual(ids(events));
  });
});
