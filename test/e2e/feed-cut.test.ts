// F23: five hundred consumers lose their connections at once, twice. Everyone comes again by itself and has every change
// exactly once, in order.
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { readHead } from '../../src/changes/head.ts';
import { FOLLOW_CHANGES } from '../../src/client/documents.ts';
import { type Db, openDb } from '../../src/db/client.ts';
import { encodeCursor } from '../../src/model/cursor.ts';
import { aChange, commit, range } from '../support/changes.ts';
import { type CuttingProxy, startCuttingProxy } from '../support/cutting-proxy.ts';
import { type Clients, reportOf, startClients } from '../support/feed-clients.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { type TestRedis, useRedis } from '../support/redis.ts';
import { type Service, startService } from '../support/service-process.ts';
import { waitFor } from '../support/wait-for.ts';

const PROCESSES = 4;
const EACH = 125;
const PATIENT = { timeoutMs: 60_000, everyMs: 200 };

let database: TestDatabase;
let redis: TestRedis;
let db: Db;
let closeDb: () => Promise<void>;
let service: Service;
let proxy: CuttingProxy;
const clients: Clients[] = [];
let written = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  redis = await useRedis();
  const opened = openDb({ url: database.url, poolSize: 2, statementTimeoutMs: 20_000, applicationName: 'test' });
  db = opened.db;
  closeDb = opened.close;
  service = await startService('serve', { DATABASE_URL: database.url, REDIS_URL: redis.url });
  proxy = await startCuttingProxy(Number(new URL(service.url).port));
}, 120_000);

afterAll(async () => {
  await Promise.all(clients.map((one) => one.stop()));
  await proxy.stop();
  await service.end();
  await closeDb();
  await redis.stop();
  await database.drop();
});

async function write(count: number): Promise<void> {
  await commit(db, ...range(written + 1, written + count).map((index) => aChange(`user_${index}`)));
  written += count;
}

const beginning = async () => encodeCursor((await readHead(db)).logId, 0n);

test('five hundred consumers that are cut off at once, twice, have every change exactly once, in order', { timeout: 240_000 }, async () => {
  const options = { url: proxy.url, key: service.key, transport: 'WebSocket', count: EACH, filter: {}, after: await beginning() } as const;
  for (const _ of range(1, PROCESSES)) clients.push(startClients(options));
  const all = PROCESSES * EACH;
  await waitFor('everyone to be connected', async () => (await reportOf(clients)).live === all, PATIENT);
  expect(proxy.connections()).toBe(all);
  for (const _ of [1, 2]) {
    await write(20);
    await waitFor(
      'anyone to have some of it',
      async () => (await reportOf(clients)).received.some((count) => count > written - 20),
      PATIENT,
    );
    const { connections } = await reportOf(clients);
    // In the middle of the next batch.
    const writing = write(30);
    proxy.cut();
    await writing;
    await write(10);
    await waitFor('everyone to have come again', async () => (await reportOf(clients)).connections >= connections + all, PATIENT);
  }
  await waitFor('everyone to have everything', async () => (await reportOf(clients)).received.every((count) => count >= written), {
    ...PATIENT,
    missing: async () => (await reportOf(clients)).received.filter((count) => count < written).length,
  });
  await write(5);
  await waitFor('everyone to be live', async () => (await reportOf(clients)).received.every((count) => count >= written), PATIENT);
  const { received, faults, ended } = await reportOf(clients);
  expect({ faults, ended }).toEqual({ faults: 0, ended: 0 });
  expect(new Set(received)).toEqual(new Set([written]));
  await Promise.all(clients.splice(0).map((one) => one.stop()));
});

test('control: a client that comes again with the variables that it was given has changes twice', async () => {
  const users: string[] = [];
  const client = createClient({
    url: `${proxy.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${service.key}` },
    retryAttempts: 10,
    retryWait: () => new Promise((resolve) => setTimeout(resolve, 50)),
    shouldRetry: () => true,
  });
  const leave = client.subscribe<{ entitlementChanges: { userId?: string } }>(
    { query: FOLLOW_CHANGES, variables: { after: await beginning() } },
    { next: ({ data }) => void (data?.entitlementChanges.userId && users.push(data.entitlementChanges.userId)), error() {}, complete() {} },
  );
  await waitFor('what was written', () => users.length >= written, PATIENT);
  proxy.cut();
  await waitFor('it again', () => users.length > written, PATIENT);
  expect(new Set(users).size).toBeLessThan(users.length);
  leave();
  await client.dispose();
});
