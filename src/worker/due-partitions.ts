// Which organizations have events to apply, as far as whoever stored them said so: then nobody has to look for them in the inbox.
// What nobody names (another process, or too many at once) is looked for.
import { createNudge, type Nudge } from '../lib/nudge.ts';

export interface DuePartitions extends Pick<Nudge, 'wait'> {
  /** Something was stored; without a name: somewhere. */
  nudge(partition?: string): void;
  /** All that were named until now. `elsewhere`: there may be others. */
  takeAll(): { partitions: Set<string>; elsewhere: boolean };
  /** One that was named and is not busy; undefined also while there may be others. */
  take(busy: ReadonlySet<string>): string | undefined;
  /** Whether there may be others than those that were named. */
  isElsewhere(): boolean;
  /** Told of every nudge; null: nobody. */
  listen(onNudge: (() => void) | null): void;
}

/** As many names are worth keeping; with more, a look at the inbox is cheaper. */
const MAX_NAMED = 1_000;

export function createDuePartitions(): DuePartitions {
  let named = new Set<string>();
  let elsewhere = true;
  let tell: (() => void) | null = null;
  const { nudge, wait } = createNudge();
  return {
    wait,
    nudge(partition) {
      if (partition === undefined || named.size === MAX_NAMED) elsewhere = true;
      else named.add(partition);
      nudge();
      tell?.();
    },
    takeAll() {
      const taken = { partitions: named, elsewhere };
      named = new Set();
      elsewhere = false;
      return taken;
    },
    take(busy) {
      if (elsewhere) return undefined;
      for (const partition of named) {
        if (!busy.has(partition) && named.delete(partition)) return partition;
      }
      return undefined;
    },
    isElsewhere: () => elsewhere,
    listen(onNudge) {
      tell = onNudge;
    },
  };
}
