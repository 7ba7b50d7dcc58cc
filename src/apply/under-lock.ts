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

export interface ApplyingOptions {
  transact?: typeof inTransaction;
  /** See TransactionOptions. */
  rawOnly?: boolean;
}

/** One transaction of apply. Whoever writes comes by the failpoint "before-commit" himself: the end may travel with what he writes. */
export async function applying<T>(
  db: Db,
  work: (tx: Tx) => Promise<T>,
  { transact = inTransaction, rawOnly = false }: ApplyingOptions = {},
): Promise<T> {
  const result = await transact(db, work, { timeoutMs: TRANSACTION_TIMEOUT_MS, rawOnly });
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
  options: ApplyingOptions = {},
): Promise<T> {
  for (const held of [partition, ENVIRONMENT]) {
    // What the work reads first is asked along with the lock, and read when that is there.
    const run = async (tx: Tx): Promise<T | undefined> => (await together(lock(tx, held), work(tx, held === ENVIRONMENT ? null : held)))[1];
    const result = await applying(db, run, options);
    if (result !== undefined) return result;
  }
  throw new Error('work under the lock of the environment has no bounds to reach beyond');
}
