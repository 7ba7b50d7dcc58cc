// Follows one replay: woken by the steps of this process, and looking for itself in case another one runs it.
import { createNudge } from '../lib/nudge.ts';
import { pullIterator } from '../lib/pull-iterator.ts';
import type { ReplayRow } from './replay-row.ts';

export interface ProgressSource {
  /** Rejects when there is no such replay. */
  read: () => Promise<ReplayRow>;
  /** Called when some replay of this process has moved. */
  watchers: Set<() => void>;
  pollIntervalMs: number;
}

/** What waits for a confirmation moves no further by itself. */
export const isOver = ({ status }: Pick<ReplayRow, 'status'>): boolean => status !== 'PENDING' && status !== 'RUNNING';

export function followReplay({ read, watchers, pollIntervalMs }: ProgressSource, signal: AbortSignal): AsyncIterableIterator<ReplayRow> {
  const nudge = createNudge();
  let shown: string | undefined;
  let over = false;
  watchers.add(nudge.nudge);
  return pullIterator(
    async (ending) => {
      if (over) return undefined;
      for (;;) {
        const row = await read();
        const state = JSON.stringify(row);
        if (state !== shown) {
          shown = state;
          over = isOver(row);
          return row;
        }
        await nudge.wait(pollIntervalMs, ending);
        if (ending.aborted) return undefined;
      }
    },
    { signal, onEnd: () => watchers.delete(nudge.nudge) },
  );
}
