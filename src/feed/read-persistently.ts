// Reads of the log on behalf of subscribers: a few at a time, so that a thousand clients that come back at once queue here
// and not for the pool; each tried a few times, every time for a bounded while, then given up.
import { messageOf } from '../errors.ts';
import { backoffMs } from '../lib/backoff.ts';
import { sleep } from '../lib/sleep.ts';
import { createSlots } from '../lib/slots.ts';
import { within } from '../lib/within.ts';
import type { Logger } from '../log.ts';
import { feedUnavailable } from './feed-errors.ts';

/** Throws UNAVAILABLE in the end, also when the signal aborts meanwhile. */
export type ReadPersistently = <T>(read: () => Promise<T>, signal: AbortSignal) => Promise<T>;

const MAX_TRIES = 4;
const READ_TIMEOUT_MS = 5_000;

export function createReadPersistently({ concurrency, log }: { concurrency: number; log: Logger }): ReadPersistently {
  const slots = createSlots(concurrency);
  return async (read, signal) => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await slots.run(() => {
          signal.throwIfAborted();
          return within(READ_TIMEOUT_MS, 'change log', read());
        });
      } catch (error) {
        if (signal.aborted) throw feedUnavailable(error);
        if (attempt === MAX_TRIES) {
          log.warn({ err: messageOf(error) }, 'a subscription ends because the change log cannot be read');
          throw feedUnavailable(error);
        }
        await sleep(backoffMs(attempt, { minMs: 100, maxMs: 1_000 }), signal);
      }
    }
  };
}
