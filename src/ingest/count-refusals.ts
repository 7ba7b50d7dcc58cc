// Counts webhook deliveries that were not accepted, for sync-health. At most one write is under way at a time and takes all
// that came meanwhile: a flood of forged deliveries must not become a flood of writes.
import type { Db } from '../db/client.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';

export interface RefusalCounter {
  add(): void;
  /** Resolves when everything counted so far is written, or could not be. */
  settled(): Promise<void>;
}

// Plan: one upsert by primary key.
const COUNT = `
  INSERT INTO ingest_stat AS s (hour, channel, refused) VALUES (date_trunc('hour', now(), 'UTC'), 'WEBHOOK', $1::int)
  ON CONFLICT (hour, channel) DO UPDATE SET refused = s.refused + excluded.refused`;

export function createRefusalCounter(db: Db, log: Logger): RefusalCounter {
  let waiting = 0;
  let writing: Promise<void> | undefined;

  async function write(): Promise<void> {
    while (waiting > 0) {
      const taken = waiting;
      waiting = 0;
      try {
        await db.$executeRawUnsafe(COUNT, taken);
      } catch (error) {
        log.warn({ err: messageOf(error), refused: taken }, 'refused webhook deliveries could not be counted');
      }
    }
    writing = undefined;
  }

  return {
    add() {
      waiting += 1;
      writing ??= write();
    },
    settled: () => writing ?? Promise.resolve(),
  };
}
