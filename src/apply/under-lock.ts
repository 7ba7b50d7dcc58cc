// Transactions of apply: work on one partition under its lock, and where that does not suffice under the lock of all.
import type { Db, Tx } from '../db/client.ts';
import { lockEnvironment, lockPartition } from '../db/lock.ts';
import { together } from '../db/together.ts';
import { inTransaction } from '../db/transaction.ts';
import { failpoint } from '../lib/failpoint.ts';

const ENVIRONMENT = 'environment';
const TRANSACTION_TIMEOUT_MS = 120_000;

export const lock = (tx: Tx, partition: string): Promise<void> =>
  partition === ENVIRONMENT ? lockEnvironment(tx) : lockPartition(tx, partition);

/** One transaction of apply, with the steps at which tests let it die. */
export async function applying<T>(db: Db, work: (tx: Tx) => Promise<T>, transact: typeof inTransaction = inTransaction): Promise<T> {
  const whole = async (tx: Tx): Promise<T> => {
    const done = await work(tx);
    await failpoint('before-commit');
    return done;
  };
  const result = await transact(db, whole, { timeoutMs: TRANSACTION_TIMEOUT_MS });
  await failpoint('after-commit');
  return result;
}

/**
 * Works under the lock of one partition. Where that turns out to reach into another one (a directory is new, or moves),
 * `work` answers undefined before it has written anything, and works again under the lock of all.
 */
export async function underLock<T>(
  db: Db,
  partition: string,
  work: (tx: Tx, within: string | null) => Promise<T | undefined>,
  transact: typeof inTransaction = inTransaction,
): Promise<T> {
  for (const held of [partition, ENVIRONMENT]) {
    // What the work reads first is asked along with the lock, and read when that is there.
    const run = async (tx: Tx): Promise<T | undefined> => (await together(lock(tx, held), work(tx, held === ENVIRONMENT ? null : held)))[1];
    const result = await applying(db, run, transact);
    if (result !== undefined) return result;
  }
  throw new Error('work under the lock of the environment has no bounds to reach beyond');
}
