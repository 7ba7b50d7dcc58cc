// Who wakes whom: each loop has a nudge in this process, and whoever gives a loop something to do wakes it wherever it runs,
// here and, through hints, in the other processes. A hint that is lost costs one poll.
import { createNudge, type Nudge } from '../lib/nudge.ts';

const LOOPS = ['poll', 'apply', 'relay', 'replays'] as const;
export type WakeableLoop = (typeof LOOPS)[number];

export interface Wake {
  /** Each is waited on by one loop of this process. */
  nudges: Readonly<Record<WakeableLoop, Nudge>>;
  wake(loop: WakeableLoop): void;
  /** Takes hints of other processes until the signal aborts. */
  listen(signal: AbortSignal): Promise<void>;
}

export interface HintsOfOthers {
  send(hint: string): void;
  listen(onHint: (hint: string | null) => void, signal: AbortSignal): Promise<void>;
}

/** Two looks at the source that are asked for lie so far apart: what a webhook has brought is stored, and the look only moves the cursor. */
const MIN_POLL_INTERVAL_MS = 1_000;

/** null: there are no other processes. */
export function createWake(hints: HintsOfOthers | null): Wake {
  const nudges = { poll: createNudge(), apply: createNudge(), relay: createNudge(), replays: createNudge() };
  let polledAtMs = Number.NEGATIVE_INFINITY;
  let isPollComing = false;

  function wakeNow(loop: WakeableLoop): void {
    nudges[loop].nudge();
    hints?.send(loop);
  }
  function wakePoll(): void {
    isPollComing = false;
    polledAtMs = performance.now();
    wakeNow('poll');
  }

  return {
    nudges,
    wake(loop) {
      if (loop !== 'poll') return wakeNow(loop);
      const waitMs = polledAtMs + MIN_POLL_INTERVAL_MS - performance.now();
      if (waitMs <= 0) wakePoll();
      else if (!isPollComing) setTimeout(wakePoll, waitMs).unref();
      isPollComing = waitMs > 0;
    },
    async listen(signal) {
      await hints?.listen((hint) => {
        for (const loop of LOOPS) if (hint === null || hint === loop) nudges[loop].nudge();
      }, signal);
    },
  };
}
