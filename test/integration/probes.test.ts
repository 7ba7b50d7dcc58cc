// What an orchestrator is told: by a process that serves and by one that only works.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type OpenDb, openDb } from '../../src/db/client.ts';
import { createMigratedCheck } from '../../src/db/migrated.ts';
import { createProbeServer } from '../../src/server/probe-server.ts';
import { type Check, createProbes, type Probes } from '../../src/server/probes.ts';
import { createReadiness } from '../../src/server/readiness.ts';
import { silent } from '../support/feed-node.ts';
import { createTestDatabase, execute, type TestDatabase } from '../support/postgres.ts';

let database: TestDatabase;
let open: OpenDb;
beforeAll(async () => {
  database = await createTestDatabase();
  open = openDb({ url: database.url, poolSize: 2, statementTimeoutMs: 5_000, applicationName: 'test' });
});
afterAll(async () => {
  await open.close();
  await database.drop();
});

let close: (() => Promise<void>) | undefined;
afterEach(() => close?.());

async function serve(
  readiness: () => Promise<readonly Check[]>,
): Promise<{ get(path: string): Promise<[number, unknown]>; probes: Probes }> {
  const probes = createProbes(readiness);
  const server = createProbeServer({ probes, log: silent });
  const { port } = await server.listen(0, '127.0.0.1');
  close = server.close;
  const get = async (path: string): Promise<[number, unknown]> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return [response.status, await response.json()];
  };
  return { get, probes };
}

const up = async (): Promise<number> => 1;
const down = (): Promise<number> => Promise.reject(new Error('away'));

test('ready: the database with its migrations; Redis away is degraded, and ready', async () => {
  const migrated = await createMigratedCheck(open.db);
  const { get } = await serve(createReadiness({ migrated, redis: up }));
  expect(await get('/readyz')).toEqual([200, { ready: true, checks: { database: true, migrations: true, redis: true } }]);
  await close?.();
  const without = await serve(createReadiness({ migrated, redis: down }));
  expect(await without.get('/readyz')).toEqual([
    200,
    { ready: true, degraded: ['redis'], checks: { database: true, migrations: true, redis: false } },
  ]);
});

test('not ready: a database that is away, or lacks a migration', async () => {
  const { get } = await serve(createReadiness({ migrated: () => Promise.reject(new Error('secret address')), redis: null }));
  const [status, body] = await get('/readyz');
  expect(status).toBe(503);
  expect(body).toEqual({ ready: false, checks: { database: false, migrations: false } });
  await close?.();

  const own = await createTestDatabase();
  const ownOpen = openDb({ url: own.url, poolSize: 1, statementTimeoutMs: 5_000, applicationName: 'test' });
  const behind = await serve(createReadiness({ migrated: await createMigratedCheck(ownOpen.db), redis: null }));
  expect((await behind.get('/readyz'))[0]).toBe(200);
  await execute(own.url, 'DELETE FROM _prisma_migrations WHERE migration_name = (SELECT max(migration_name) FROM _prisma_migrations)');
  expect(await behind.get('/readyz')).toEqual([503, { ready: false, checks: { database: true, migrations: false } }]);
  await ownOpen.close();
  await own.drop();
});

test('a stop is not ready, whatever answers', async () => {
  const { get, probes } = await serve(async () => [{ name: 'database', ok: true }]);
  probes.retire();
  expect(await get('/readyz')).toEqual([503, { ready: false, stopping: true, checks: { database: true } }]);
  expect((await get('/livez'))[0]).toBe(200);
});

test('alive looks at the event loop only, and says how late it was', async () => {
  const { get } = await serve(() => Promise.reject(new Error('everything is away')));
  await get('/livez');
  await delay(50);
  const until = performance.now() + 300;
  while (performance.now() < until);
  await delay(50);
  const [status, body] = await get('/livez');
  expect(status).toBe(200);
  expect((body as { eventLoopDelayMs: number }).eventLoopDelayMs).toBeGreaterThan(200);
});

test('many questions at once are one look', async () => {
  let looks = 0;
  const migrated = async (): Promise<boolean> => {
    looks += 1;
    await delay(50);
    return true;
  };
  const readiness = createReadiness({ migrated, redis: null });
  await Promise.all(Array.from({ length: 20 }, () => readiness()));
  expect(looks).toBe(1);
});

test('nothing else is there', async () => {
  const { get } = await serve(async () => []);
  expect(await get('/graphql')).toEqual([404, { error: 'not_found' }]);
});
