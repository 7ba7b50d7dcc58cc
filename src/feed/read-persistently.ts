// A read of the log on behalf of a subscriber: tried a few times, each time for a bounded while, then given up.
import { backoffMs } from '../lib/backoff.ts';
import { sleep } from '../lib/sleep.ts';
import { within } from '../lib/within.ts';
import type { Logger } from '../log.ts';
import { feedUnavailable } from './feed-errors.ts';

const MAX_TRIES = 4;
const READ_TIMEOUT_MS = 5_000;

export async function readPersistently<T>(read: () => Promise<T>, { signal, log }: { signal: AbortSignal; log: Logger }): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await within(READ_TIMEOUT_MS, 'change log', read());
    } catch (error) {
      if (signal.aborted) throw feedUnavailable(error);
      if (attempt === MAX_TRIES) {
        log.warn({ err: error }, 'a subscription ends because the change log cannot be read');
        throw feedUnavailable(error);
      }
      await sleep(backoffMs(attempt, { minMs: 100, maxMs: 1_000 }), signal);
    }
  }
}
