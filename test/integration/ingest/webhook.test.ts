import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { type OpenDb, openDb } from '../../../src/db/client.ts';
import { startFakeWorkos } from '../../../src/fake-workos/server.ts';
import { signWebhook } from '../../../src/fake-workos/sign-webhook.ts';
import { createRefusalCounter, type RefusalCounter } from '../../../src/ingest/count-refusals.ts';
import { createPoller } from '../../../src/ingest/poll-events.ts';
import { acceptWebhook } from '../../../src/ingest/webhook.ts';
import { createLogger } from '../../../src/log.ts';
import { createWorkosClient } from '../../../src/workos/client.ts';
import { eventIdOf, userEvent, userEvents } from '../../support/events.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const log = createLogger('silent');
const now = new Date('2026-03-01T12:00:00Z');
const secrets = ['wh_old', 'wh_new'];
let database: TestDatabase;
let opened: OpenDb;
let refusals: RefusalCounter;
const onStored = vi.fn();

beforeAll(async () => {
  database = await createTestDatabase();
  opened = openDb({ url: database.url, poolSize: 6, statementTimeoutMs: 10_000, applicationName: 'test' });
  refusals = createRefusalCounter(opened.db, log);
}, 120_000);
afterAll(async () => {
  await opened?.close();
  await database?.drop();
}, 60_000);
beforeEach(async () => {
  onStored.mockClear();
  await opened.db.$executeRawUnsafe('TRUNCATE directory_event, ingest_stat');
  await opened.db.$executeRawUnsafe('UPDATE sync_cursor SET event_id = NULL, event_created_at = NULL, caught_up_at = NULL');
});

const deliver = (body: Buffer | string, over: { signature?: string | undefined; db?: OpenDb['db']; secrets?: string[] } = {}) => {
  const bytes = Buffer.from(body);
  const signature = 'signature' in over ? over.signature : signWebhook(bytes, 'wh_new', now.getTime());
  const deps = { db: over.db ?? opened.db, log, secrets: over.secrets ?? secrets, refusals, onStored };
  return acceptWebhook(deps, { body: bytes, signature, now });
};
const rows = () => opened.db.directoryEvent.findMany({ orderBy: { id: 'asc' } });
const stats = async () => {
  await refusals.settled();
  const found = await opened.db.ingestStat.findMany();
  return Object.fromEntries(found.map(({ channel, received, duplicate, refused }) => [channel, { received, duplicate, refused }]));
};

it('a delivery is stored exactly as it came, once, and wakes the reader', async () => {
  const text = `{ "id": "${eventIdOf(1)}",\n "event":"dsync.user.created", "created_at":"2026-02-01 00:00:01.5", "data":{"id":"u1","n":1.0000000000000000001} }`;
  expect(await deliver(text)).toEqual({ status: 200, body: { stored: true } });
  expect(await deliver(text)).toEqual({ status: 200, body: { stored: false } });
  expect(await rows()).toMatchObject([
    { id: eventIdOf(1), raw: text, status: 'PENDING', channel: 'WEBHOOK', occurredAt: new Date('2026-02-01T00:00:01.500Z') },
  ]);
  expect(onStored).toHaveBeenCalledTimes(1);
  expect(await stats()).toEqual({ WEBHOOK: { received: 2, duplicate: 1, refused: 0 } });
});

/** Each raw statement passes through `around`, which may run it. */
const withStatements = (db: OpenDb['db'], around: (sql: string, run: () => Promise<unknown>) => Promise<unknown>): OpenDb['db'] =>
  new Proxy(db, {
    get: (target, key) =>
      key === '$queryRawUnsafe'
        ? (sql: string, ...params: unknown[]) => around(sql, () => target.$queryRawUnsafe(sql, ...params))
        : Reflect.get(target, key),
  });
const stores = (sql: string) => sql.includes('INSERT INTO directory_event');

it('what came is told of at once, and answered when it is on disk', async () => {
  // The servers of tests do not wait for the disk.
  const url = `${database.url}?options=-csynchronous_commit%3Don`;
  const waiting = openDb({ url, poolSize: 2, statementTimeoutMs: 10_000, applicationName: 'test' });
  const steps: unknown[] = [];
  let written: { at: string }[] = [];
  onStored.mockImplementation(() => steps.push('told'));
  const db = withStatements(waiting.db, async (sql, run) => {
    const result = await run();
    if (stores(sql)) written = await opened.db.$queryRawUnsafe('SELECT pg_current_wal_insert_lsn()::text AS at FROM directory_event');
    steps.push(stores(sql) ? 'stored' : 'flushed');
    return result;
  });
  try {
    expect(await deliver(JSON.stringify(userEvent(1)), { db })).toMatchObject({ status: 200 });
    expect(await opened.db.$queryRawUnsafe('SELECT pg_current_wal_flush_lsn() >= $1::pg_lsn AS flushed', written[0]?.at)).toEqual([
      { flushed: true },
    ]);
    expect(steps).toEqual(['stored', 'told', 'flushed']);
  } finally {
    onStored.mockReset();
    await waiting.close();
  }
});

it('what may not have reached the disk is refused, so that it is sent again', async () => {
  const db = withStatements(opened.db, (sql, run) => (stores(sql) ? run() : Promise.reject(new Error('the server is gone'))));
  expect(await deliver(JSON.stringify(userEvent(1)), { db })).toEqual({ status: 503, body: { error: 'not_stored' } });
  expect(await deliver(JSON.stringify(userEvent(1)))).toEqual({ status: 200, body: { stored: false } });
});

it('the same delivery many times at once is stored once', async () => {
  const text = JSON.stringify(userEvent(1));
  const answers = await Promise.all(Array.from({ length: 20 }, () => deliver(text)));
  expect(answers.filter((a) => 'stored' in a.body && a.body.stored)).toHaveLength(1);
  expect(await stats()).toEqual({ WEBHOOK: { received: 20, duplicate: 19, refused: 0 } });
});

it('what is not signed, not fresh or not by a known secret is refused, counted, and leaves no row', async () => {
  const body = Buffer.from(JSON.stringify(userEvent(1)));
  const signed = (secret: string, atMs: number) => ({ signature: signWebhook(body, secret, atMs) });
  expect(await deliver(body, { signature: undefined })).toEqual({ status: 400, body: { error: 'missing_signature' } });
  expect(await deliver(body, { signature: 't=soon, v1=00' })).toEqual({ status: 400, body: { error: 'malformed_signature' } });
  expect(await deliver(body, signed('wh_new', now.getTime() - 180_001))).toEqual({ status: 400, body: { error: 'too_old' } });
  expect(await deliver(body, signed('wh_new', now.getTime() + 180_001))).toEqual({ status: 400, body: { error: 'in_the_future' } });
  expect(await deliver(body, signed('wh_other', now.getTime()))).toEqual({ status: 401, body: { error: 'wrong_signature' } });
  expect(await deliver(body, { secrets: [] })).toEqual({ status: 503, body: { error: 'no_webhook_secret' } });
  expect(await deliver(body, signed('wh_old', now.getTime()))).toEqual({ status: 200, body: { stored: true } });
  expect(await rows()).toHaveLength(1);
  expect(await stats()).toEqual({ WEBHOOK: { received: 1, duplicate: 0, refused: 6 } });
});

it('signed but unusable bodies are quarantined with a reason and answered 200', async () => {
  const bodies = [Buffer.from('{"half":'), Buffer.from([0x7b, 0xff, 0x7d]), Buffer.from('{"a":"\0"}'), Buffer.alloc(0), Buffer.from('[1]')];
  for (const body of bodies) expect(await deliver(body)).toEqual({ status: 200, body: { stored: true } });
  const found = await rows();
  expect(found).toHaveLength(5);
  for (const row of found) {
    expect(row).toMatchObject({ status: 'QUARANTINED', partition: 'environment', error: expect.stringContaining('cannot be taken') });
  }
  const kept = found.map((row) =>
    row.raw.includes('unreadable_base64') ? Buffer.from(JSON.parse(row.raw).unreadable_base64, 'base64') : Buffer.from(row.raw),
  );
  expect(kept.map(String).sort()).toEqual(bodies.map(String).sort());
});

it('an unknown type is stored like any other', async () => {
  await deliver(JSON.stringify(userEvent(1, { event: 'dsync.something.new' })));
  expect(await rows()).toMatchObject([{ type: 'dsync.something.new', status: 'PENDING', partition: 'org_1' }]);
});

it('a body of 1 MB is stored', async () => {
  const event = userEvent(1, { data: { id: 'u1', organization_id: 'org_1', custom_attributes: { big: 'é'.repeat(500_000) } } });
  expect((await deliver(JSON.stringify(event))).status).toBe(200);
});

it('without a database the answer is 503, so that it is sent again', async () => {
  const away = openDb({ url: 'postgres://nobody@127.0.0.1:9/none', poolSize: 1, statementTimeoutMs: 1_000, applicationName: 'test' });
  expect(await deliver(JSON.stringify(userEvent(1)), { db: away.db })).toEqual({ status: 503, body: { error: 'not_stored' } });
  expect(onStored).not.toHaveBeenCalled();
  await away.close();
});

it('a refusal that cannot be counted is no failure', async () => {
  const away = openDb({ url: 'postgres://nobody@127.0.0.1:9/none', poolSize: 1, statementTimeoutMs: 1_000, applicationName: 'test' });
  const counter = createRefusalCounter(away.db, log);
  counter.add();
  await counter.settled();
  await away.close();
});

it('the id of a webhook never moves the cursor: what came before it is still read (workos.md, failure 1)', async () => {
  const events = userEvents(20);
  const server = await startFakeWorkos({ log, source: { kind: 'history', events } });
  try {
    const workos = createWorkosClient({ apiKey: server.apiKey, apiUrl: server.url, log, maxRetries: 0 });
    const poller = createPoller({ db: opened.db, workos, log, clock: () => now, eventsRetentionDays: 30, pageSize: 5, pagesTogether: 1 });
    const signal = new AbortController().signal;
    await poller.step(signal);
    for (const n of [19, 7]) await deliver(JSON.stringify(events[n]));
    expect((await opened.db.syncCursor.findUniqueOrThrow({ where: { id: 'events' } })).eventId).toBe(eventIdOf(4));
    const results = [];
    for (let n = 0; n < 3; n += 1) results.push(await poller.step(signal));
    expect(results.map(({ stored, duplicate, caughtUp }) => [stored, duplicate, caughtUp])).toEqual([
      [4, 1, false],
      [5, 0, false],
      [4, 1, true],
    ]);
    expect((await rows()).map((row) => row.id)).toEqual(events.map((e) => e.id));
    expect((await rows()).filter((row) => row.channel === 'WEBHOOK')).toHaveLength(2);
    expect(await stats()).toEqual({
      WEBHOOK: { received: 2, duplicate: 0, refused: 0 },
      EVENTS_API: { received: 20, duplicate: 2, refused: 0 },
    });
  } finally {
    await server.close();
  }
});
