// Pages are read ahead of what is stored, and stored many at a time: what was read and not stored counts for nothing.
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type Db, type OpenDb, openDb } from '../../../src/db/client.ts';
import { LeaseLostError } from '../../../src/db/lease.ts';
import type { HistoryEvent } from '../../../src/fake-workos/server.ts';
import { createPoller, type Poller } from '../../../src/ingest/poll-events.ts';
import { createLogger } from '../../../src/log.ts';
import type { WorkosClient } from '../../../src/workos/client.ts';
import { eventIdOf, FIRST_EVENT_AT, userEvents } from '../../support/events.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { waitFor } from '../../support/wait-for.ts';

const PAGE = 10;
const TOGETHER = 4;
const signal = new AbortController().signal;
const now = new Date(FIRST_EVENT_AT + 864_000_000);

let database: TestDatabase;
let opened: OpenDb;
beforeAll(async () => {
  database = await createTestDatabase();
  opened = openDb({ url: database.url, poolSize: 4, statementTimeoutMs: 10_000, applicationName: 'test' });
}, 120_000);
afterAll(async () => {
  await opened?.close();
  await database?.drop();
}, 60_000);
beforeEach(async () => {
  await opened.db.$executeRawUnsafe('TRUNCATE directory_event, ingest_stat');
  await opened.db.$executeRawUnsafe('UPDATE sync_cursor SET event_id = NULL, event_created_at = NULL, caught_up_at = NULL');
});

/** The events in pages, and what was asked for. */
function source(events: HistoryEvent[]): Pick<WorkosClient, 'listEvents'> & { asked: (string | undefined)[] } {
  const asked: (string | undefined)[] = [];
  return {
    asked,
    async listEvents({ after, limit }) {
      asked.push(after);
      const start = events.findIndex(({ id }) => after === undefined || id > after);
      const page = start < 0 ? [] : events.slice(start, start + limit);
      return { events: page, after: start >= 0 && start + limit < events.length ? (page.at(-1)?.id ?? null) : null, mangled: false };
    },
  };
}

const pollerOf = (workos: Pick<WorkosClient, 'listEvents'>, over: { db?: Db; pagesTogether?: number } = {}): Poller => {
  const deps = { db: opened.db, workos, log: createLogger('silent'), clock: () => now, eventsRetentionDays: 30 };
  return createPoller({ ...deps, pageSize: PAGE, pagesTogether: TOGETHER, ...over });
};

const cursor = async () => (await opened.db.syncCursor.findUniqueOrThrow({ where: { id: 'events' } })).eventId;
const storedIds = async () =>
  (await opened.db.directoryEvent.findMany({ orderBy: { id: 'asc' }, select: { id: true } })).map(({ id }) => id);
const until = (workos: { asked: unknown[] }, count: number) => waitFor(`${count} pages asked for`, () => workos.asked.length === count);

it('pages that are there are stored together, with one move of the cursor; no more than the bound, and no more read ahead', async () => {
  const events = userEvents(155);
  const workos = source(events);
  const poller = pollerOf(workos);
  const first = await poller.step(signal);
  const pagesStored = first.stored / PAGE;
  await until(workos, pagesStored + TOGETHER);
  expect(await poller.step(signal)).toMatchObject({ stored: TOGETHER * PAGE, duplicate: 0, caughtUp: false });
  expect(await cursor()).toBe(eventIdOf(first.stored + TOGETHER * PAGE - 1));
  for (let caughtUp = false; !caughtUp; ) ({ caughtUp } = await poller.step(signal));
  expect(await storedIds()).toEqual(events.map(({ id }) => id));
  expect(workos.asked).toHaveLength(16);
});

it('what was read ahead by a leader that is none any more is not stored, and its successor reads it again', async () => {
  const events = userEvents(95);
  const workos = source(events);
  let lost = false;
  // As fenced() of src/db/lease.ts: every transaction of a leader that was followed fails.
  const db = new Proxy(opened.db, {
    get: (target, key) =>
      key === '$transaction' && lost ? () => Promise.reject(new LeaseLostError('lost')) : (Reflect.get(target, key) as unknown),
  });
  const frozen = pollerOf(workos, { db });
  const { stored } = await frozen.step(signal);
  await until(workos, stored / PAGE + TOGETHER);
  lost = true;
  await expect(frozen.step(signal)).rejects.toThrow(LeaseLostError);
  expect(await cursor()).toBe(eventIdOf(stored - 1));
  expect(await storedIds()).toHaveLength(stored);
  const successor = pollerOf(source(events));
  for (let caughtUp = false; !caughtUp; ) ({ caughtUp } = await successor.step(signal));
  expect(await storedIds()).toEqual(events.map(({ id }) => id));
});

it('what was read ahead from a cursor that another has moved is dropped: the cursor never goes back, nor past what is held', async () => {
  const events = userEvents(95);
  const workos = source(events);
  const slow = pollerOf(workos);
  const { stored } = await slow.step(signal);
  await until(workos, stored / PAGE + TOGETHER);
  const other = pollerOf(source(events), { pagesTogether: 1 });
  await other.step(signal);
  const at = await cursor();
  const again = await slow.step(signal);
  expect(again.duplicate).toBe(0);
  expect(workos.asked[stored / PAGE + TOGETHER]).toBe(at);
  const held = new Set(await storedIds());
  const now = await cursor();
  expect(events.filter(({ id }) => now !== null && id <= now && !held.has(id))).toEqual([]);
});
