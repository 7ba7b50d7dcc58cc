import { openDb } from '../../src/db/client.ts';
import { lockPartition } from '../../src/db/lock.ts';

/** Keeps everybody else out of an organization, as a transaction of another process that does not end; there when this resolves. */
export async function holdPartition(url: string, partition: string): Promise<{ release(): Promise<void> }> {
  const holder = openDb({ url, poolSize: 1, statementTimeoutMs: 20_000, applicationName: 'holder' });
  const locked = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const holding = holder.db
    .$transaction(
      async (tx) => {
        await lockPartition(tx, partition);
        locked.resolve();
        await released.promise;
      },
      { timeout: 60_000 },
    )
    .finally(() => holder.close());
  await Promise.race([locked.promise, holding]);
  return {
    async release() {
      released.resolve();
      await holding;
    },
  };
}
