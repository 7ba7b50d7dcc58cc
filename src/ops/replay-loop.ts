// The worker's loop over replays: takes the oldest that waits, runs it to its end, looks again. Several processes may run it.
// A PENDING replay goes to whoever moves it to RUNNING. A RUNNING one belongs to whoever moves it forward; when it has stood
// still for a while, its worker is taken for dead and the next one goes on from where it stands. A mistake there costs work:
// every step is a compare-and-set.

import { runLoop } from '../lib/loop.ts';
import type { Nudge } from '../lib/nudge.ts';
import { isPassing } from './replay-failure.ts';
import { OvertakenError, type ReplayRow } from './replay-row.ts';
import { giveUp, type ReplayRunDeps, runReplay } from './replay-run.ts';

export interface ReplayLoopDeps extends ReplayRunDeps {
  /** Nudged when a replay was started or cancelled. Only this loop may wait on it. */
  nudge: Nudge;
  pollIntervalMs: number;
  /** A RUNNING replay that has not moved for so long is taken over. */
  stalledAfterMs: number;
}

// By status.
const CLAIM = `UPDATE replay SET status = 'RUNNING', started_at = now() WHERE id = $1 AND status = 'PENDING'`;

export async function runReplays(deps: ReplayLoopDeps, signal: AbortSignal): Promise<void> {
  const { db, log, nudge, pollIntervalMs, stalledAfterMs } = deps;
  /** RUNNING ones of others: how they stood, and since when. */
  const watched = new Map<string, { state: string; sinceMs: number }>();
  /** Ours, where an outage has left it. */
  let unfinished: string | null = null;

  const hasStalled = (row: ReplayRow): boolean => {
    const state = `${row.phase} ${row.progressKey} ${row.processed} ${row.total}`;
    const before = watched.get(row.id);
    if (before?.state !== state) watched.set(row.id, { state, sinceMs: performance.now() });
    return performance.now() - (watched.get(row.id)?.sinceMs ?? 0) >= stalledAfterMs;
  };

  async function next(): Promise<ReplayRow | undefined> {
    const rows = await db.replay.findMany({
      where: { status: { in: ['PENDING', 'RUNNING'] } },
      orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
    });
    for (const id of watched.keys()) if (!rows.some((row) => row.id === id)) watched.delete(id);
    for (const row of rows) {
      if (row.id === unfinished) return row;
      if (row.status === 'RUNNING' && hasStalled(row)) return row;
      if (row.status === 'PENDING' && (await db.$executeRawUnsafe(CLAIM, row.id)) === 1) return row;
    }
    return undefined;
  }

  async function step(): Promise<'again' | 'idle'> {
    const row = await next();
    if (!row) return 'idle';
    unfinished = row.id;
    try {
      const outcome = await runReplay(deps, row, signal);
      log.info(
        { replayId: row.id, dryRun: row.dryRun },
        outcome === 'ended' ? 'a replay has ended' : 'a replay is interrupted; it goes on with the next start',
      );
    } catch (error) {
      if (!(error instanceof OvertakenError)) {
        if (signal.aborted || isPassing(error)) throw error;
        await giveUp(deps, row, error);
      }
    }
    unfinished = null;
    return 'again';
  }

  await runLoop(step, {
    signal,
    idleMs: pollIntervalMs,
    nudge,
    onError: (error) => log.warn({ err: error }, 'replays are held up'),
  });
}
