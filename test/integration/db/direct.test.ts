// Raw statements go past Prisma and stay within its transactions: what comes out is the same, and a transaction that has ended
// takes no more of them.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { classifyFailure } from '../../../src/apply/failure.ts';
import { type OpenDb, openDb, type Tx } from '../../../src/db/client.ts';
import { together } from '../../../src/db/together.ts';
import { sqlStateOf } from '../../../src/db/transaction.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

let database: TestDatabase;
let opened: OpenDb;
beforeAll(async () => {
  database = await createTestDatabase();
  opened = openDb({ url: database.url, poolSize: 1, statementTimeoutMs: 10_000, applicationName: 'test' });
}, 120_000);
afterAll(async () => {
  await opened?.close();
  await database?.drop();
}, 60_000);

const INSERT = "INSERT INTO ingest_stat (hour, channel, received) VALUES (date_trunc('hour', now()), 'WEBHOOK', $1)";
const count = () => opened.db.ingestStat.count();

test('values come out as Prisma makes them', async () => {
  const { db } = opened;
  const [direct] = await db.$queryRawUnsafe<object[]>(`
    SELECT 7::int AS a, 9007199254740993::bigint AS b, 1.5::float8 AS c, 12.30::numeric AS d, true AS e, NULL::text AS f, 5::int2 AS g,
      '2026-01-02 03:04:05.678+02'::timestamptz AS h, '1999-05-06 01:02:03Z'::timestamptz AS i, '2026-01-02'::date AS j,
      '{}'::text[] AS k, ARRAY['a', 'b c', 'd,e', 'q"x', 'b\\s', 'NULL', '', '{}']::text[] AS l, '{"a":[1,"x",null]}'::json AS m, '{"b":{}}'::jsonb AS n,
      'PENDING'::event_status AS o, ARRAY['one']::text[] AS p`);
  const [through] = await db.$queryRaw<object[]>`
    SELECT 7::int AS a, 9007199254740993::bigint AS b, 1.5::float8 AS c, 12.30::numeric AS d, true AS e, NULL::text AS f, 5::int2 AS g,
      '2026-01-02 03:04:05.678+02'::timestamptz AS h, '1999-05-06 01:02:03Z'::timestamptz AS i, '2026-01-02'::date AS j,
      '{}'::text[] AS k, ARRAY['a', 'b c', 'd,e', 'q"x', 'b\\s', 'NULL', '', '{}']::text[] AS l, '{"a":[1,"x",null]}'::json AS m, '{"b":{}}'::jsonb AS n,
      'PENDING'::event_status AS o, ARRAY['one']::text[] AS p`;
  expect(direct).toEqual(through);
  const moment = new Date('2026-07-08T09:10:11.012Z');
  const [back] = await db.$queryRawUnsafe<object[]>(
    'SELECT $1::timestamptz AS at, $2::bigint AS big, $3::text[] AS list',
    moment,
    2n ** 60n,
    ['a,b', '"'],
  );
  expect(back).toEqual({ at: moment, big: 2n ** 60n, list: ['a,b', '"'] });
});

test('raw statements and others share the transaction, and go with it', async () => {
  const { db } = opened;
  const work = db.$transaction(async (tx) => {
    expect(await tx.$executeRawUnsafe(INSERT, 3)).toBe(1);
    expect(await tx.ingestStat.findMany()).toMatchObject([{ received: 3 }]);
    throw new Error('not after all');
  });
  await expect(work).rejects.toThrow('not after all');
  expect(await count()).toBe(0);
});

test('a transaction that has ended takes no more statements: its connection is another’s', async () => {
  const { db } = opened;
  let late: Tx | undefined;
  await db.$transaction(async (tx) => {
    late = tx;
  });
  const failure = await (late as Tx).$executeRawUnsafe(INSERT, 1).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'P2028' });
  expect(classifyFailure(failure)).toBe('unexpected');
  expect(await count()).toBe(0);
});

test('nor does one that is past its time, and nothing of it stays', async () => {
  const { db } = opened;
  const slow = db.$transaction(
    async (tx) => {
      await tx.$executeRawUnsafe(INSERT, 1);
      await tx.$queryRawUnsafe('SELECT pg_sleep(1)::text');
      await tx.$executeRawUnsafe(`${INSERT} ON CONFLICT DO NOTHING`, 2);
    },
    { timeout: 200 },
  );
  await expect(slow).rejects.toMatchObject({ code: 'P2028' });
  expect(await count()).toBe(0);
});

test('statements that do not wait for each other are done in their order; the first that fails is told, and nothing stays', async () => {
  const { db } = opened;
  const order: string[] = [];
  const work = db.$transaction(async (tx) => {
    const say = (name: string) => () => void order.push(name);
    await together(
      tx.$executeRawUnsafe(INSERT, 4).then(say('written')),
      tx.$queryRawUnsafe('SELECT pg_sleep(0.1)::text').then(say('slept')),
      tx.$queryRawUnsafe<{ n: number }[]>('SELECT received AS n FROM ingest_stat').then(([row]) => order.push(`read ${row?.n}`)),
      tx.$executeRawUnsafe(INSERT, 5),
      tx.$queryRawUnsafe('SELECT 1'),
    );
  });
  const failure = await work.catch((error: unknown) => error);
  expect(sqlStateOf(failure), 'not that the transaction is aborted').toBe('23505');
  expect(order).toEqual(['written', 'slept', 'read 4']);
  expect(await count()).toBe(0);
});
