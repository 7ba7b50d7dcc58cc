// A wake-up that is never lost and never queues: any number of nudges before a wait count as one. The log is the truth
// and a nudge is a hint, so every waiter also has a timeout after which it looks for itself.
import { sleep } from './sleep.ts';

export interface Nudge {
  nudge(): void;
  /** Resolves at the next nudge (or at once if one came since the last wait), after `timeoutMs`, or when the signal aborts. */
  wait(timeoutMs: number, signal: AbortSignal): Promise<void>;
}

export function createNudge(): Nudge {
  let pending = false;
  let wake: (() => void) | undefined;
  return {
    nudge() {
      pending = true;
      wake?.();
    },
    async wait(timeoutMs, signal) {
      if (!pending && !signal.aborted) {
        const timer = new AbortController();
        const nudged = new Promise<void>((resolve) => {
          wake = resolve;
        });
        await Promise.race([nudged, sleep(timeoutMs, AbortSignal.any([signal, timer.signal]))]);
        timer.abort();
        wake = undefined;
      }
      pending = false;
    },
  };
}
