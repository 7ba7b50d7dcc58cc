// F20: positions are given in the order of commits and without a hole, however long each writer's transaction takes, so a
// reader that goes on from the last position it saw misses nothing. The control shows that a sequence would not do.
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { appendChanges } from '../../../src/changes/append.ts';
import { openDb } from '../../../src/db/client.ts';
import { inTransaction } from '../../../src/db/transaction.ts';
import { createRandom } from '../../../src/lib/random.ts';
import { aChange, range } from '../../support/changes.ts';
import { type CoreDatabase, openCoreDatabase } from '../../support/core-database.ts';
import { execute } from '../../support/postgres.ts';
import { SEED } from '../../support/seed.ts';

const WRITERS = 8;
const TRANSACTIONS_EACH = 25;

let core: CoreDatabase;
let writers: ReturnType<typeof openDb>;
beforeAll(async () => {
  core = await openCoreDatabase();
  writers = openDb({ url: core.url, poolSize: WRITERS, statementTimeoutMs: 20_000, applicationName: 'writers' });
});
afterAll(async () => {
  await writers?.close();
  await core?.close();
});

/** Work of some length before and after what matters: the server is busy, nobody sleeps. */
const busy = (rows: number) => `SELECT count(*)::int AS rows FROM generate_series(1, ${rows}) AS g(i) WHERE md5(i::text) LIKE '0%'`;

test('eight writers: 1..N in commit order; a reader of `position > last` sees every row once', async () => {
  process.stdout.write(`seed ${SEED}\n`);
  let written = 0;
  let running = WRITERS;
  const write = async (writer: number): Promise<void> => {
    const random = createRandom(SEED + writer);
    for (let turn = 0; turn < TRANSACTIONS_EACH; turn += 1) {
      const count = random.below(4);
      await inTransaction(writers.db, async (tx) => {
        await tx.$queryRawUnsafe(busy(random.below(3_000)));
        await appendChanges(
          tx,
          Array.from({ length: count }, (_, index) => aChange(`w${writer}-${turn}-${index}`)),
        );
        await tx.$queryRawUnsafe(busy(random.below(1_500)));
      });
      written += count;
    }
    running -= 1;
  };
  const seen: number[] = [];
  const read = async (): Promise<void> => {
    for (let last = 0n, after = false; ; ) {
      const rows = await core.db.entitlementChange.findMany({
        where: { position: { gt: last } },
        orderBy: { position: 'asc' },
        select: { position: true },
      });
      seen.push(...rows.map(({ position }) => Number(position)));
      last = rows.at(-1)?.position ?? last;
      if (rows.length === 0 && after) return;
      after = running === 0;
    }
  };
  await Promise.all([read(), ...range(0, WRITERS - 1).map(write)]);
  expect(seen).toEqual(range(1, written));
  // One writer's changes of one transaction stand side by side, in their order.
  const rows = await core.db.entitlementChange.findMany({ orderBy: { position: 'asc' }, select: { userId: true } });
  for (const [index, { userId }] of rows.entries()) {
    const [, prefix, place] = /^(.*)-(\d+)$/.exec(userId) ?? [];
    if (Number(place) > 0) expect(rows[index - 1]?.userId).toBe(`${prefix}-${Number(place) - 1}`);
  }
});

test('a transaction that rolls back leaves no hole', async () => {
  const { position: before } = await core.db.changeLogHead.findUniqueOrThrow({ where: { id: 1 } });
  const rolledBack = inTransaction(core.db, async (tx) => {
    await appendChanges(tx, [aChange('lost')]);
    throw new Error('no');
  });
  await expect(rolledBack).rejects.toThrow('no');
  expect((await inTransaction(core.db, (tx) => appendChanges(tx, [aChange('next')]))).base).toBe(before);
});

test('control: with a sequence, a row that was numbered first and committed second is never seen', async () => {
  await execute(core.url, 'CREATE SEQUENCE numbered; CREATE TABLE by_sequence (position bigint DEFAULT nextval($$numbered$$), name text)');
  const [slow, quick, reader] = [1, 2, 3].map(() => new pg.Client({ connectionString: core.url })) as [pg.Client, pg.Client, pg.Client];
  for (const client of [slow, quick, reader]) await client.connect();
  const seen: string[] = [];
  let last = '0';
  const read = async (): Promise<void> => {
    const { rows } = await reader.query<{ position: string; name: string }>(
      'SELECT position, name FROM by_sequence WHERE position > $1 ORDER BY position',
      [last],
    );
    seen.push(...rows.map(({ name }) => name));
    last = rows.at(-1)?.position ?? last;
  };
  await slow.query('BEGIN');
  await slow.query("INSERT INTO by_sequence (name) VALUES ('first')");
  await quick.query("INSERT INTO by_sequence (name) VALUES ('second')");
  await read();
  await slow.query('COMMIT');
  await read();
  for (const client of [slow, quick, reader]) await client.end();
  expect(seen).toEqual(['second']);
});

test('the same interleaving with the counter: the second waits for the first, and nothing is missed', async () => {
  const { position: before } = await core.db.changeLogHead.findUniqueOrThrow({ where: { id: 1 } });
  let finishFirst: () => void = () => {};
  const mayFinish = new Promise<void>((resolve) => {
    finishFirst = resolve;
  });
  let appended: () => void = () => {};
  const firstAppended = new Promise<void>((resolve) => {
    appended = resolve;
  });
  const first = inTransaction(core.db, async (tx) => {
    const { base } = await appendChanges(tx, [aChange('first')]);
    appended();
    await mayFinish;
    return base;
  });
  await firstAppended;
  let secondDone = false;
  const second = inTransaction(writers.db, (tx) => appendChanges(tx, [aChange('second')])).then(({ base }) => {
    secondDone = true;
    return base;
  });
  const waiting = async (): Promise<boolean> =>
    (await execute(core.url, "SELECT 1 FROM pg_stat_activity WHERE application_name = 'writers' AND wait_event_type = 'Lock'")).rowCount ===
    1;
  while (!(await waiting())) expect(secondDone).toBe(false);
  expect(await core.db.entitlementChange.count({ where: { position: { gt: before } } })).toBe(0);
  finishFirst();
  expect([await first, await second]).toEqual([before, before + 1n]);
});
