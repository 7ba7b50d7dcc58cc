import { afterAll, beforeAll, expect, test } from 'vitest';
import { type OpenDb, openDb } from '../../../src/db/client.ts';
import { createTestDatabase, execute, type TestDatabase } from '../../support/postgres.ts';

let database: TestDatabase;
let open: OpenDb;

beforeAll(async () => {
  database = await createTestDatabase();
  open = openDb({ url: database.url, poolSize: 2, statementTimeoutMs: 500, applicationName: 'client test' });
});
afterAll(async () => {
  await open?.close();
  await database?.drop();
});

test('a connection that the server ends is replaced, and the process lives on', async () => {
  await open.ping();
  await execute(database.url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'client test'");
  // The pool may not have heard of it yet: one query may fail, the next one must not.
  await open.ping().catch(() => {});
  expect(await open.ping()).toBeGreaterThan(0);
});

test('a statement that takes too long is ended by the server', async () => {
  await expect(open.db.$queryRaw`SELECT pg_sleep(5)::text`).rejects.toThrow(/statement timeout/);
});

test('moments come back as they went in, whatever time zone the database prefers', async () => {
  await execute(database.url, `ALTER DATABASE ${new URL(database.url).pathname.slice(1)} SET timezone = 'Asia/Kolkata'`);
  const other = openDb({ url: database.url, poolSize: 1, statementTimeoutMs: 5_000, applicationName: 'zone' });
  const at = new Date('2026-03-01T12:34:56.789Z');
  await other.db.syncCursor.update({ where: { id: 'events' }, data: { caughtUpAt: at } });
  const { caughtUpAt } = await other.db.syncCursor.findUniqueOrThrow({ where: { id: 'events' } });
  const [raw] = await other.db.$queryRaw<{ at: Date }[]>`SELECT caught_up_at AS at FROM sync_cursor`;
  await other.close();
  expect([caughtUpAt, raw?.at]).toEqual([at, at]);
});

test('a filter by undefined is an error and never every row', async () => {
  const organizationId = undefined as unknown as string;
  await expect(open.db.directoryUser.findMany({ where: { organizationId } })).rejects.toThrow(/undefined/);
});
