// For a transaction that did not wait for the disk: what it wrote is seen by others at once, and gone after a crash of the
// database until something that was committed later has reached the disk. The log is written in order, so that is enough.
import type { Db } from './client.ts';

// A record in the write-ahead log that nobody reads: the least that makes a commit wait for the disk.
const FLUSH = `/* prepared: flush */ SELECT pg_logical_emit_message(true, 'access-service', '')`;

/** Returns when everything that was committed before is on disk. */
export async function flushCommitted(db: Db): Promise<void> {
  await db.$queryRawUnsafe(FLUSH);
}
