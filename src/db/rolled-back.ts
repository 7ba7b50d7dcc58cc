// Work in a transaction of which nothing stays: for dry runs and trials, which must go the very way of the real thing.
import type { Db, Tx } from './client.ts';
import { inTransaction, type TransactionOptions } from './transaction.ts';

class RollBack<T> extends Error {
  override readonly name = 'RollBack';
  readonly result: T;

  constructor(result: T) {
    super('rolled back on purpose');
    this.result = result;
  }
}

export async function rolledBack<T>(db: Db, work: (tx: Tx) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
  try {
    return await inTransaction(
      db,
      async (tx): Promise<never> => {
        throw new RollBack(await work(tx));
      },
      options,
    );
  } catch (error) {
    // Only what was thrown above can be one.
    if (error instanceof RollBack) return error.result as T;
    throw error;
  }
}
