import type { Db } from '../../src/db/client.ts';
import { lockPartition } from '../../src/db/lock.ts';

/**
 * Keeps everybody else out of an organization, as a transaction that does not end; there when this resolves. `db` is to have a
 * connection for it alone.
 */
export async function holdPartition(db: Db, partition: string): Promise<{ release(): Promise<void> }> {
  const locked = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const holding = db.$transaction(
    async (tx) => {
      await lockPartition(tx, partition);
      locked.resolve();
      await released.promise;
    },
    { timeout: 60_000 },
  );
  await Promise.race([locked.promise, holding]);
  return {
    async release() {
      released.resolve();
      await holding;
    },
  };
}
