// The worker's loop over replays: takes the oldest that is not over, runs it to its end, looks again. One process leads it (lease
// `replays`), so a RUNNING replay that nobody here has begun was left by a leader of before, whose every transaction fails from
// now on: it goes on at once from where it stands. Should two be at it all the same, that costs work: every step is a
// compare-and-set.
import { runLoop } from '../lib/loop.ts';
import type { Nudge } from '../lib/nudge.ts';
import { isPassing } from './replay-failure.ts';
import { OvertakenError, type ReplayRow } from './replay-row.ts';
import { giveUp, type ReplayRunDeps, runReplay } from './replay-run.ts';

export interface ReplayLoopDeps extends ReplayRunDeps {
  /** Nudged when a replay was started or cancelled. Only this loop may wait on it. */
  nudge: Nudge;
  pollIntervalMs: number;
}

// By status.
const CLAIM = `UPDATE replay SET status = 'RUNNING', started_at = now() WHERE id = $1 AND status = 'PENDING'`;

export async function runReplays(deps: ReplayLoopDeps, signal: AbortSignal): Promise<void> {
  const { db, log, nudge, pollIntervalMs } = deps;

  async function next(): Promise<ReplayRow | undefined> {
    const rows = await db.replay.findMany({
      where: { status: { in: ['PENDING', 'RUNNING'] } },
      orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
    });
    for (const row of rows) if (row.status === 'RUNNING' || (await db.$executeRawUnsafe(CLAIM, row.id)) === 1) return row;
    return undefined;
  }

  async function step(): Promise<'again' | 'idle'> {
    const row = await next();
    if (!row) return 'idle';
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
    return 'again';
  }

  await runLoop(step, {
    signal,
    idleMs: pollIntervalMs,
    nudge,
    onError: (error) => log.warn({ err: error }, 'replays are held up'),
  });
}
