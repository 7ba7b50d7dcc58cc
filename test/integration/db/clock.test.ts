import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { type OpenDb, openDb } from '../../../src/db/client.ts';
import { openDatabaseClock } from '../../../src/db/clock.ts';
import { createLogger } from '../../../src/log.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

let database: TestDatabase;
let open: OpenDb;
beforeAll(async () => {
  database = await createTestDatabase();
  open = openDb({ url: database.url, poolSize: 1, statementTimeoutMs: 5_000, applicationName: 'test' });
});
afterAll(async () => {
  await open.close();
  await database.drop();
});
afterEach(() => vi.restoreAllMocks());

test.each([600_000, -600_000])('a machine that is off by %i ms goes by the time of the database, and says so', async (shiftMs) => {
  const rightNow = Date.now.bind(Date);
  vi.spyOn(Date, 'now').mockImplementation(() => rightNow() + shiftMs);
  const lines: string[] = [];
  const clock = await openDatabaseClock(open.db, createLogger('warn', { write: (line) => void lines.push(line) }));
  expect(Math.abs(clock.now().getTime() - rightNow())).toBeLessThan(2_000);
  expect(lines.join()).toContain('differs from that of the database');
});

test('it goes on by itself and never back', async () => {
  const clock = await openDatabaseClock(open.db, createLogger('silent'));
  const first = clock.now().getTime();
  vi.spyOn(Date, 'now').mockReturnValue(0);
  await open.db.$queryRawUnsafe('SELECT 1 FROM pg_sleep(0.05)');
  const later = clock.now().getTime() - first;
  expect(later).toBeGreaterThanOrEqual(45);
});
