// Who wakes whom: each loop has a nudge in this process, and whoever gives a loop something to do wakes it wherever it runs,
// here and, through hints, in the other processes. A hint that is lost costs one poll.
import { createNudge, type Nudge } from '../lib/nudge.ts';
import { createDuePartitions, type DuePartitions } from './due-partitions.ts';

const LOOPS = ['poll', 'apply', 'relay', 'replays'] as const;
export type WakeableLoop = (typeof LOOPS)[number];

export interface Wake {
  /** Each is waited on by one loop of this process. */
  nudges: Readonly<Record<WakeableLoop, Nudge> & { apply: DuePartitions }>;
  /** `partition`, for apply: where there is something to do. */
  wake(loop: WakeableLoop, partition?: string): void;
  /** Takes hints of other processes until the signal aborts. */
  listen(signal: AbortSignal): Promise<void>;
}

export interface HintsOfOthers {
  send(hint: string): void;
  listen(onHint: (hint: string | null) => void, signal: AbortSignal): Promise<void>;
}

/**
 * What a webhook has brought is stored already, and a look at the source only moves the cursor: it comes after what is under way,
 * and once for many webhooks. Not after a time that is always the same: it would meet every next one of those that come as often.
 */
const POLL_DELAY_MS = { atLeast: 400, spread: 500 };
const pollDelayMs = (): number => POLL_DELAY_MS.atLeast + Math.random() * POLL_DELAY_MS.spread;

/** null: there are no other processes. */
export function createWake(hints: HintsOfOthers | null): Wake {
  const nudges = { poll: createNudge(), apply: createDuePartitions(), relay: createNudge(), replays: createNudge() };
  let isPollComing = false;

  function wakeNow(loop: WakeableLoop, partition?: string): void {
    nudges[loop].nudge(partition);
    hints?.send(loop);
  }
  function wakePoll(): void {
    isPollComing = false;
    wakeNow('poll');
  }

  return {
    nudges,
    wake(loop, partition) {
      if (loop !== 'poll') return wakeNow(loop, partition);
      if (!isPollComing) setTimeout(wakePoll, pollDelayMs()).unref();
      isPollComing = true;
    },
    async listen(signal) {
      await hints?.listen((hint) => {
        for (const loop of LOOPS) if (hint === null || hint === loop) nudges[loop].nudge();
      }, signal);
    },
  };
}
