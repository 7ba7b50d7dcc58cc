// Follows sync-health by looking again and again: what it is made of changes in many places and in many processes.
import { pullIterator } from '../lib/pull-iterator.ts';
import { sleep } from '../lib/sleep.ts';
import type { DependencyHealth } from './health-assess.ts';

export interface WatchOptions {
  intervalMs: number;
  maxSilenceMs: number;
}

export interface Watched {
  checkedAt: Date;
  dependencies: readonly DependencyHealth[];
}

/** Without what differs between any two looks. */
const gist = ({ checkedAt: _, dependencies, ...health }: Watched): string =>
  JSON.stringify({ ...health, dependencies: dependencies.map(({ latencyMs: __, ...rest }) => rest) }, (_key, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  );

export function watchHealth<T extends Watched>(
  read: () => Promise<T>,
  { intervalMs, maxSilenceMs }: WatchOptions,
  signal: AbortSignal,
): AsyncIterableIterator<T> {
  let shown: string | undefined;
  let shownAtMs = 0;
  return pullIterator(
    async (ending) => {
      if (shown !== undefined) await sleep(intervalMs, ending);
      while (!ending.aborted) {
        const health = await read();
        const state = gist(health);
        if (state !== shown || performance.now() - shownAtMs >= maxSilenceMs) {
          shown = state;
          shownAtMs = performance.now();
          return health;
        }
        await sleep(intervalMs, ending);
      }
      return undefined;
    },
    { signal },
  );
}
