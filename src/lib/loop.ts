// A loop with one owner: runs a step again and again until its signal aborts, waits between steps, and backs off after a
// failure. The step says how to go on; the loop never throws, so that no promise floats.
import { backoffMs } from './backoff.ts';
import type { Nudge } from './nudge.ts';
import { sleep } from './sleep.ts';

export interface LoopOptions {
  signal: AbortSignal;
  /** Between two steps that found nothing to do, unless a nudge comes first. */
  idleMs: number;
  nudge?: Nudge;
  onError: (error: unknown, failures: number) => void;
  failureMinMs?: number;
  failureMaxMs?: number;
}

/** `step` answers 'again' when there is more to do at once, 'idle' when there is not, or the milliseconds to wait. */
export async function runLoop(step: (signal: AbortSignal) => Promise<'again' | 'idle' | number>, options: LoopOptions): Promise<void> {
  const { signal, idleMs, nudge, failureMinMs = 200, failureMaxMs = 10_000 } = options;
  let failures = 0;
  while (!signal.aborted) {
    try {
      const next = await step(signal);
      failures = 0;
      if (next === 'again') continue;
      const waitMs = next === 'idle' ? idleMs : next;
      if (nudge) await nudge.wait(waitMs, signal);
      else await sleep(waitMs, signal);
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      options.onError(error, failures);
      await sleep(backoffMs(failures, { minMs: failureMinMs, maxMs: failureMaxMs }), signal);
    }
  }
}
