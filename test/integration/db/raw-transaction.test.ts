// Transactions of raw statements: their end may travel with the last of them, and it is the end all the same.
import { beforeEach, expect, test } from 'vitest';
import { classifyFailure } from '../../../src/apply/failure.ts';
import type { Tx } from '../../../src/db/client.ts';
import { commitAlong } from '../../../src/db/raw-transaction.ts';
import { together } from '../../../src/db/together.ts';
import { inTransaction, sqlStateOf, withLastStep } from '../../../src/db/transaction.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';

// The one connection must be usable after whatever happened on it.
const core = useCoreDatabase({ poolSize: 1, each: 'empty' });
const RAW = { rawOnly: true };
const insert = (tx: Tx, id: string) =>
  tx.$executeRawUnsafe("INSERT INTO refresh_task (user_id, directory_id, reason) VALUES ($1, 'd', 'r')", id);
const stored = async () => (await core.db.refreshTask.findMany({ orderBy: { userId: 'asc' } })).map(({ userId }) => userId);

let late: Tx | undefined;
beforeEach(() => {
  late = undefined;
});

test('what was sent before its end is committed, what comes after it is refused', async () => {
  const done = await inTransaction(
    core.db,
    async (tx) => {
      late = tx;
      const answer = insert(tx, 'a');
      commitAlong(tx);
      await expect(insert(tx, 'b')).rejects.toThrow(/already closed/);
      return answer;
    },
    RAW,
  );
  expect(done).toBe(1);
  await expect(insert(late as Tx, 'c')).rejects.toThrow(/already closed/);
  expect(await stored()).toEqual(['a']);
});

test('without an end of its own it ends with its work', async () => {
  expect(await inTransaction(core.db, (tx) => insert(tx, 'a'), RAW)).toBe(1);
  expect(await stored()).toEqual(['a']);
});

test('a statement that fails takes everything with it, also when the commit was on its way', async () => {
  const work = inTransaction(
    core.db,
    async (tx) => {
      const answers = together(insert(tx, 'a'), tx.$queryRawUnsafe('SELECT 1/0'), insert(tx, 'b'));
      commitAlong(tx);
      return answers;
    },
    RAW,
  );
  expect(sqlStateOf(await work.catch((error: unknown) => error))).toBe('22012');
  expect(await stored()).toEqual([]);
});

test('a failure that was not looked at is no commit', async () => {
  const work = async (tx: Tx): Promise<void> => {
    await insert(tx, 'a');
    await tx.$queryRawUnsafe('SELECT 1/0').catch(() => {});
  };
  await expect(inTransaction(core.db, work, RAW)).rejects.toThrow(/already closed/);
  expect(await stored()).toEqual([]);
});

test('work that throws leaves nothing behind', async () => {
  const work = async (tx: Tx): Promise<void> => {
    await insert(tx, 'a');
    throw new Error('not after all');
  };
  await expect(inTransaction(core.db, work, RAW)).rejects.toThrow('not after all');
  expect(await stored()).toEqual([]);
});

test('one that is past its time is rolled back, and called so', async () => {
  const work = async (tx: Tx): Promise<void> => {
    await insert(tx, 'a');
    await tx.$queryRawUnsafe('SELECT pg_sleep(0.3)');
    await insert(tx, 'b');
  };
  const error = await inTransaction(core.db, work, { ...RAW, timeoutMs: 100 }).catch((e: unknown) => e);
  expect(error).toMatchObject({ code: 'P2028' });
  expect(classifyFailure(error)).toBe('unexpected');
  expect(await stored()).toEqual([]);
});

test('a connection that is lost is an outage, and another one takes its place', async () => {
  const work = async (tx: Tx): Promise<void> => {
    await insert(tx, 'a');
    await tx.$queryRawUnsafe('SELECT pg_terminate_backend(pg_backend_pid())');
  };
  const error = await inTransaction(core.db, work, RAW).catch((e: unknown) => e);
  expect(classifyFailure(error)).toBe('outage');
  expect(await inTransaction(core.db, (tx) => insert(tx, 'b'), RAW)).toBe(1);
  expect(await stored()).toEqual(['b']);
});

test('a last step still belongs to it', async () => {
  const work = async (tx: Tx): Promise<void> => {
    const answer = insert(tx, 'a');
    commitAlong(tx);
    await answer;
  };
  const failing = withLastStep(
    async (tx) => {
      await insert(tx, 'last');
      throw new Error('the audit failed');
    },
    () => inTransaction(core.db, work, RAW),
  );
  await expect(failing).rejects.toThrow('the audit failed');
  expect(await stored()).toEqual([]);
});
