// One replay from where it stands to its end, chunk by chunk: derive, compare, repair, move the row forward, all in one
// transaction. What cannot be done as a chunk is tried in halves, so one account that fails fails alone. Stops between
// chunks when its signal aborts, and goes on from `progress_key` the next time.

import type { Db, Tx } from '../db/client.ts';
import { lockEnvironment, lockPartition } from '../db/lock.ts';
import { inTransaction } from '../db/transaction.ts';
import { storeTransitions } from '../entitlements/store.ts';
import { messageOf } from '../errors.ts';
import { failpoint } from '../lib/failpoint.ts';
import type { Logger } from '../log.ts';
import type { Cause } from '../model/change.ts';
import { UnreadableLogError } from './local-log.ts';
import { type ChangePreview, type ChunkResult, NeedsEnvironmentError, repairChunk } from './replay-chunk.ts';
import { isPassing } from './replay-failure.ts';
import { orderOf, type ReplayKey, readReplayKeys } from './replay-keys.ts';
import { markApplied, readUnderstandable } from './replay-quarantined.ts';
import { assumeFrame, emptyFrame, type Frame } from './replay-repair.ts';
import {
  beginReplay,
  type Ending,
  endReplay,
  MAX_PREVIEW,
  OvertakenError,
  type ReplayRow,
  type ReplayStep,
  stepReplay,
} from './replay-row.ts';
import { type ReplaySelection, selectedParameters } from './replay-selection.ts';
import { rolledBack } from './rolled-back.ts';

export interface ReplayRunDeps {
  db: Db;
  log: Logger;
  clock: () => Date;
  /** Keys of one transaction. */
  chunkSize: number;
  /** After every step of the row; `changes`: the change log has grown. */
  onStep: (changes: boolean) => void;
}

const TRANSACTION = { timeoutMs: 120_000 };

/** What this process has learnt on the way. Lost with it, which costs work and no more. */
interface Run {
  row: ReplayRow;
  progressKey: string | null;
  /** Previews that the row can still take. */
  room: number;
  cancelRequested: boolean;
  failures: number;
  verified: Set<string>;
  /** Of a dry run. */
  assumed: Frame;
  /** Users who were counted as repaired before their turn. */
  counted: Set<string>;
  quarantined: readonly string[];
}

// By recorded_at; only for a replay that goes on after an interruption.
const REPAIRED_BEFORE = `
  SELECT DISTINCT user_id AS "userId" FROM entitlement_change WHERE recorded_at >= $2::timestamptz - interval '1 minute' AND replay_id = $1`;

/** Rejects when the database is away, and when another worker was faster (OvertakenError). */
export async function runReplay(deps: ReplayRunDeps, row: ReplayRow, signal: AbortSignal): Promise<'ended' | 'stopped'> {
  const { db, onStep } = deps;
  // Written by replay.ts only.
  const selection = row.selection as unknown as ReplaySelection;
  const parameters = selectedParameters(selection, row.organizationId, row.createdAt);
  const { keys, total } = await readReplayKeys(db, parameters, row.organizationId);
  if (!(await beginReplay(db, row.id, total))) throw new OvertakenError(`replay ${row.id} has ended`);
  onStep(false);
  const run: Run = {
    row,
    progressKey: row.progressKey,
    room: MAX_PREVIEW - (row.preview as unknown as ChangePreview[]).length,
    cancelRequested: row.cancelRequested,
    failures: row.failed,
    verified: new Set(),
    assumed: emptyFrame(),
    counted: await countedBefore(db, row),
    quarantined: await readUnderstandable(db, parameters, signal),
  };
  let cancelled = false;
  for (const chunk of chunksOf(keys, row.progressKey, deps.chunkSize)) {
    cancelled = run.cancelRequested;
    if (cancelled) break;
    if (signal.aborted) return 'stopped';
    await takeChunk(deps, run, chunk);
  }
  await finish(deps, run, cancelled);
  return 'ended';
}

/** Keys after `progressKey`, together as far as they are of one partition. */
export function* chunksOf(keys: readonly ReplayKey[], progressKey: string | null, size: number): Generator<ReplayKey[]> {
  let chunk: ReplayKey[] = [];
  for (const key of keys) {
    if (progressKey !== null && orderOf(key) <= progressKey) continue;
    if (chunk.length > 0 && (chunk.length >= size || chunk[0]?.partition !== key.partition)) {
      yield chunk;
      chunk = [];
    }
    chunk.push(key);
  }
  if (chunk.length > 0) yield chunk;
}

async function countedBefore(db: Db, row: ReplayRow): Promise<Set<string>> {
  if (row.progressKey === null) return new Set();
  const previewed = (row.preview as unknown as ChangePreview[]).map((preview) => preview.userId);
  const recorded = await db.$queryRawUnsafe<{ userId: string }[]>(REPAIRED_BEFORE, row.id, row.startedAt ?? row.createdAt);
  return new Set([...previewed, ...recorded.map(({ userId }) => userId)]);
}

async function takeChunk(deps: ReplayRunDeps, run: Run, keys: readonly ReplayKey[]): Promise<void> {
  try {
    await repair(deps, run, keys, keys[0]?.partition ?? '').catch((error: unknown) => {
      if (error instanceof NeedsEnvironmentError) return repair(deps, run, keys, null);
      throw error;
    });
  } catch (error) {
    if (error instanceof OvertakenError || isPassing(error)) throw error;
    if (keys.length > 1) {
      const half = Math.ceil(keys.length / 2);
      await takeChunk(deps, run, keys.slice(0, half));
      await takeChunk(deps, run, keys.slice(half));
    } else await fail(deps, run, keys, error);
  }
}

async function repair(deps: ReplayRunDeps, run: Run, keys: readonly ReplayKey[], within: string | null): Promise<void> {
  const { db, clock, onStep } = deps;
  const { row } = run;
  const cause: Cause = {
    kind: 'REPLAY',
    eventId: null,
    eventType: null,
    replayId: row.id,
    driftReportId: null,
    actor: row.requestedBy,
    reason: row.reason,
    occurredAt: clock(),
  };
  const work = async (tx: Tx): Promise<{ result: ChunkResult; step: ReplayStep; after: { cancelRequested: boolean; room: number } }> => {
    if (within === null) await lockEnvironment(tx);
    else await lockPartition(tx, within);
    const { verified, assumed, quarantined } = run;
    const result = await repairChunk(tx, { keys, verified, assumed, quarantined, cause, within, tenant: row.organizationId });
    const step = stepOf(run, keys, result);
    const after = await stepReplay(tx, row.id, run.room, step);
    await storeTransitions(tx, result.transitions);
    await failpoint('replay-before-commit');
    return { result, step, after };
  };
  const done = row.dryRun ? await rolledBack(db, work, TRANSACTION) : await inTransaction(db, work, TRANSACTION);
  await failpoint('replay-after-commit');
  const after = row.dryRun ? await stepReplay(db, row.id, run.room, done.step) : done.after;
  Object.assign(run, after, { progressKey: done.step.to });
  for (const id of done.result.repaired) run.counted.add(id);
  for (const id of done.result.frame.seen) run.verified.add(id);
  if (row.dryRun) assumeFrame(run.assumed, done.result.frame.altered);
  onStep(!row.dryRun && done.result.transitions.length > 0);
}

const eventsOf = (keys: readonly ReplayKey[]): number => keys.reduce((sum, key) => sum + key.events, 0);

/** Everybody counts once: at their turn, or before it when they were repaired together with others. */
function stepOf(run: Run, keys: readonly ReplayKey[], { repaired, previews }: ChunkResult): ReplayStep {
  const fresh = [...repaired].filter((id) => !run.counted.has(id));
  const right = keys.filter(({ kind, id }) => kind === 'user' && !repaired.has(id) && !run.counted.has(id));
  return {
    from: run.progressKey,
    to: orderOf(keys.at(-1) as ReplayKey),
    processed: eventsOf(keys),
    repaired: fresh.length,
    unchanged: right.length,
    failed: 0,
    previews: previews.filter(({ userId }) => !run.counted.has(userId)),
    error: null,
  };
}

/** One key alone. */
async function fail({ db, log, onStep }: ReplayRunDeps, run: Run, keys: readonly ReplayKey[], error: unknown): Promise<void> {
  const [key] = keys;
  if (!key) return;
  log.error({ err: error, replayId: run.row.id, kind: key.kind, id: key.id }, 'a replay could not re-derive');
  const reason = error instanceof UnreadableLogError ? error.message : 'see the log of the worker.';
  const after = await stepReplay(db, run.row.id, run.room, {
    from: run.progressKey,
    to: orderOf(key),
    processed: key.events,
    repaired: 0,
    unchanged: 0,
    failed: key.kind === 'user' ? 1 : 0,
    previews: [],
    error: `${key.kind} ${key.id} could not be re-derived and is as it was: ${reason}`,
  });
  Object.assign(run, after, { progressKey: orderOf(key) });
  run.failures += 1;
  onStep(false);
}

async function finish({ db, onStep }: ReplayRunDeps, run: Run, cancelled: boolean): Promise<void> {
  const { row, progressKey, quarantined } = run;
  const ending: Ending = cancelled
    ? { status: 'CANCELLED', error: null }
    : run.failures > 0
      ? { status: 'FAILED', error: null }
      : { status: 'SUCCEEDED', error: null };
  await inTransaction(db, async (tx) => {
    await endReplay(tx, row.id, progressKey, ending);
    if (ending.status === 'SUCCEEDED' && !row.dryRun) await markApplied(tx, quarantined);
  });
  onStep(false);
}

/** For a failure that another try will not mend. */
export async function giveUp({ db, log, onStep }: ReplayRunDeps, row: ReplayRow, error: unknown): Promise<void> {
  log.error({ err: messageOf(error), replayId: row.id }, 'a replay failed');
  const current = await db.replay.findUnique({ where: { id: row.id } });
  if (current?.status !== 'RUNNING') return;
  await endReplay(db, row.id, current.progressKey, {
    status: 'FAILED',
    error: 'The replay failed; the log of the worker says why. Start it again when that is mended.',
  });
  onStep(false);
}
