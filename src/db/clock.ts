// The time of the database, which is the one time that all processes share: a machine whose clock is wrong must not end grants,
// judge tokens or date facts by it. Asked for now and then; in between it is carried on by a watch that nobody can put.
import { messageOf } from '../errors.ts';
import { sleep } from '../lib/sleep.ts';
import type { Logger } from '../log.ts';
import type { Db, Tx } from './client.ts';

export interface DatabaseClock {
  now(): Date;
  /** Asks again and again until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

const INTERVAL_MS = 60_000;
/** The answer of a slower one may be off by more than it corrects. */
const MAX_ROUND_TRIP_MS = 500;
const WORTH_SAYING_MS = 5_000;

// As columns round it.
const NOW = 'SELECT clock_timestamp()::timestamptz(3) AS now';

/** For what is stored and compared with what others store. A default of the schema is no such time: the client fills it in. */
export async function databaseNow(db: Db | Tx): Promise<Date> {
  const [row] = await db.$queryRawUnsafe<{ now: Date }[]>(NOW);
  if (!row) throw new Error('the database told no time');
  return row.now;
}

export async function openDatabaseClock(db: Db, log: Logger): Promise<DatabaseClock> {
  /** What the database's clock shows when our watch shows 0. */
  async function ask(): Promise<{ zeroMs: number; roundTripMs: number }> {
    const startedAt = performance.now();
    const now = await databaseNow(db);
    const roundTripMs = performance.now() - startedAt;
    return { zeroMs: now.getTime() - startedAt - roundTripMs / 2, roundTripMs };
  }

  let { zeroMs } = await ask();
  const now = (): Date => new Date(zeroMs + performance.now());
  const offByMs = Math.round(Date.now() - now().getTime());
  if (Math.abs(offByMs) > WORTH_SAYING_MS)
    log.warn({ offByMs }, 'the clock of this machine differs from that of the database, which counts');

  return {
    now,
    async run(signal) {
      for (await sleep(INTERVAL_MS, signal); !signal.aborted; await sleep(INTERVAL_MS, signal)) {
        try {
          const answer = await ask();
          if (answer.roundTripMs < MAX_ROUND_TRIP_MS) zeroMs = answer.zeroMs;
        } catch (error) {
          log.debug({ err: messageOf(error) }, 'the time of the database cannot be asked for');
        }
      }
    },
  };
}
