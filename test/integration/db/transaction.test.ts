import { afterAll, beforeAll, expect, test } from 'vitest';
import { type OpenDb, openDb } from '../../../src/db/client.ts';
import { lockEnvironment, lockPartition } from '../../../src/db/lock.ts';
import { inTransaction, sqlStateOf } from '../../../src/db/transaction.ts';
import { createTestDatabase, execute, type TestDatabase } from '../../support/postgres.ts';
import { waitFor } from '../../support/wait-for.ts';

let database: TestDatabase;
let open: OpenDb;

beforeAll(async () => {
  database = await createTestDatabase();
  await execute(database.url, 'CREATE TABLE counter (id int PRIMARY KEY, n int NOT NULL)');
  await execute(database.url, 'INSERT INTO counter VALUES (1, 0), (2, 0)');
  open = openDb({ url: database.url, poolSize: 6, statementTimeoutMs: 10_000, applicationName: 'test' });
});
afterAll(async () => {
  await open?.close();
  await database?.drop();
});

/** A door that `count` callers must reach before any goes on. */
function barrier(count: number): () => Promise<void> {
  let arrived = 0;
  let opened = () => {};
  const all = new Promise<void>((resolve) => {
    opened = resolve;
  });
  return async () => {
    arrived += 1;
    if (arrived >= count) opened();
    await all;
  };
}

test('a deadlock costs another try, not an error', async () => {
  const bothHoldTheirFirst = barrier(2);
  let tries = 0;
  const bump = (first: number, second: number) =>
    inTransaction(open.db, async (tx) => {
      tries += 1;
      await tx.$executeRawUnsafe('UPDATE counter SET n = n + 1 WHERE id = $1', first);
      await bothHoldTheirFirst();
      await tx.$executeRawUnsafe('UPDATE counter SET n = n + 1 WHERE id = $1', second);
    });
  await Promise.all([bump(1, 2), bump(2, 1)]);
  expect(tries).toBe(3);
  expect((await execute(database.url, 'SELECT n FROM counter ORDER BY id')).rows).toEqual([{ n: 2 }, { n: 2 }]);
});

test('a serialization failure costs another try, in raw SQL and in the client alike', async () => {
  await execute(database.url, 'UPDATE counter SET n = 0');
  const bothHaveRead = barrier(2);
  let tries = 0;
  const bump = () =>
    inTransaction(
      open.db,
      async (tx) => {
        tries += 1;
        const [row] = await tx.$queryRawUnsafe<{ n: number }[]>('SELECT n FROM counter WHERE id = 1');
        await bothHaveRead();
        await tx.$executeRawUnsafe('UPDATE counter SET n = $1 WHERE id = 1', (row?.n ?? 0) + 1);
      },
      { isolation: 'Serializable' },
    );
  await Promise.all([bump(), bump()]);
  expect(tries).toBe(3);
  expect((await execute(database.url, 'SELECT n FROM counter WHERE id = 1')).rows).toEqual([{ n: 2 }]);
});

test('an error that another try cannot mend is thrown at once, with its SQLSTATE', async () => {
  let tries = 0;
  const failing = inTransaction(open.db, async (tx) => {
    tries += 1;
    await tx.$executeRawUnsafe('INSERT INTO counter VALUES (1, 0)');
  });
  const error = await failing.catch((thrown: unknown) => thrown);
  expect(sqlStateOf(error)).toBe('23505');
  expect(tries).toBe(1);
  const coded = (code: string) => sqlStateOf(Object.assign(new Error('x'), { code }));
  expect(['P0001', '57014', 'EPIPE', 'P2010', 'ECONNREFUSED'].map(coded)).toEqual(['P0001', '57014', undefined, undefined, undefined]);
});

test('one partition does not wait for another; the environment waits for all and lets nobody in', async () => {
  const order: string[] = [];
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const waiting = async () =>
    (await execute(database.url, "SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")).rows[0]
      .n as number;

  const first = inTransaction(open.db, async (tx) => {
    await lockPartition(tx, 'org_a');
    order.push('a');
    await held;
    order.push('a done');
  });
  await waitFor('the first lock', () => order.includes('a'));
  await inTransaction(open.db, (tx) => lockPartition(tx, 'org_b'));
  order.push('b');
  const again = inTransaction(open.db, async (tx) => {
    await lockPartition(tx, 'org_a');
    order.push('a again');
  });
  const catalog = inTransaction(open.db, async (tx) => {
    await lockEnvironment(tx);
    order.push('environment');
  });
  await waitFor('two that wait', async () => (await waiting()) === 2);
  expect(order).toEqual(['a', 'b']);
  release();
  await Promise.all([first, again, catalog]);
  expect(order.slice(0, 3)).toEqual(['a', 'b', 'a done']);
  expect(order).toHaveLength(5);
});
