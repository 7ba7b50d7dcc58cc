// One pass of a replay over its keys, from where it stands, chunk by chunk: derive, compare, repair, move the row forward, all
// in one transaction; a preview takes everything but the row back. What cannot be done as a chunk is tried in halves, so one
// account that fails fails alone. Stops between chunks when its signal aborts, and goes on from `progress_key` the next time.
//
// Access that a wide change has not come to yet (entitlements/wide-change.ts) differs from what the rows give, and is not wrong:
// that change is brought to its end first, also by a preview, so that its changes bear its own cause and count for nobody's bound.
import type { Db, Tx } from '../db/client.ts';
import { lockEnvironment, lockPartition } from '../db/lock.ts';
import { rolledBack } from '../db/rolled-back.ts';
import { inTransaction } from '../db/transaction.ts';
import { storeTransitions } from '../entitlements/store.ts';
import { finishWideChanges, unfinishedWideChanges } from '../entitlements/wide-change.ts';
import type { IncomingEvent } from '../ingest/envelope.ts';
import { failpoint } from '../lib/failpoint.ts';
import type { Logger } from '../log.ts';
import type { Cause } from '../model/change.ts';
import { UnreadableLogError } from './local-log.ts';
import { type ChangePreview, type ChunkResult, NeedsEnvironmentError, repairChunk } from './replay-chunk.ts';
import { isPassing } from './replay-failure.ts';
import { orderOf, type ReplayKey, readReplayKeys } from './replay-keys.ts';
import { assumeApplied } from './replay-missing.ts';
import { readUnderstandable } from './replay-quarantined.ts';
import { assumeFrame, emptyFrame, type Frame, sizeOfFrame } from './replay-repair.ts';
import { beginPass, MAX_PREVIEW, OvertakenError, type Place, type ReplayRow, type ReplayStep, stepReplay } from './replay-row.ts';
import { type ReplaySelection, selectedParameters } from './replay-selection.ts';
import { addToDifference, type Difference } from './revocation-guard.ts';

export interface ReplayPassDeps {
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
interface Pass {
  row: ReplayRow;
  signal: AbortSignal;
  place: Place;
  preview: boolean;
  /** Previews that the row can still take. */
  room: number;
  cancelRequested: boolean;
  failures: number;
  differs: boolean;
  difference: Difference;
  verified: Set<string>;
  /** Of a preview. */
  assumed: Frame;
  /** Users who were counted as repaired before their turn. */
  counted: Set<string>;
  quarantined: readonly string[];
  lacking: readonly IncomingEvent[];
}

export type PassOutcome =
  | 'stopped'
  | (Pick<Pass, 'place' | 'failures' | 'differs' | 'difference' | 'quarantined'> & { cancelled: boolean });

/** More accounts would lose a permission than was seen in the preview: nothing of the chunk was written. */
export class OverAllowanceError extends Error {
  override readonly name = 'OverAllowanceError';

  constructor() {
    super('More accounts would lose a permission than the preview had shown, again and again: the state does not stand still.');
  }
}

// By recorded_at; only for a replay that goes on after an interruption.
const REPAIRED_BEFORE = `
  SELECT DISTINCT user_id AS "userId" FROM entitlement_change WHERE recorded_at >= $2::timestamptz - interval '1 minute' AND replay_id = $1`;

/** `lacking`: of a dry run, events that are assumed to be here. */
export async function runPass(
  deps: ReplayPassDeps,
  row: ReplayRow,
  lacking: readonly IncomingEvent[],
  signal: AbortSignal,
): Promise<PassOutcome> {
  const { db, onStep } = deps;
  // Written by replay.ts only.
  const selection = row.selection as unknown as ReplaySelection;
  const receivedUntil = row.receivedUntil ?? row.createdAt;
  const parameters = selectedParameters(selection, row.organizationId, receivedUntil);
  const { keys, total } = await rolledBack(db, async (tx) => {
    await assumeApplied(tx, lacking, receivedUntil, null);
    return readReplayKeys(tx, parameters, row.organizationId);
  });
  await beginPass(db, row, total);
  onStep(false);
  const { id, phase, progressKey, cancelRequested, failed, differs, revocations, digest } = row;
  const pass: Pass = {
    row,
    signal,
    place: { id, phase, progressKey },
    preview: phase === 'PREVIEW',
    room: MAX_PREVIEW - (row.preview as unknown as ChangePreview[]).length,
    cancelRequested,
    failures: failed,
    differs,
    difference: { revocations, digest },
    verified: new Set(),
    assumed: emptyFrame(),
    counted: await countedBefore(db, row),
    quarantined: await readUnderstandable(db, parameters, signal),
    lacking,
  };
  for (const chunk of chunksOf(keys, progressKey, deps.chunkSize)) {
    if (pass.cancelRequested) return { ...pass, cancelled: true };
    if (signal.aborted) return 'stopped';
    if ((await takeChunk(deps, pass, chunk)) === 'stopped') return 'stopped';
  }
  return { ...pass, cancelled: false };
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
  if (row.phase === 'PREVIEW') return new Set(previewed);
  const recorded = await db.$queryRawUnsafe<{ userId: string }[]>(REPAIRED_BEFORE, row.id, row.startedAt ?? row.createdAt);
  return new Set([...previewed, ...recorded.map(({ userId }) => userId)]);
}

type ChunkOutcome = 'taken' | 'stopped';

async function takeChunk(deps: ReplayPassDeps, pass: Pass, keys: readonly ReplayKey[]): Promise<ChunkOutcome> {
  try {
    return await repair(deps, pass, keys, keys[0]?.partition ?? '').catch((error: unknown) => {
      if (error instanceof NeedsEnvironmentError) return repair(deps, pass, keys, null);
      throw error;
    });
  } catch (error) {
    if (error instanceof OvertakenError || error instanceof OverAllowanceError || isPassing(error)) throw error;
    if (keys.length > 1) {
      const half = Math.ceil(keys.length / 2);
      const first = await takeChunk(deps, pass, keys.slice(0, half));
      return first === 'stopped' ? first : await takeChunk(deps, pass, keys.slice(half));
    }
    await fail(deps, pass, keys, error);
    return 'taken';
  }
}

async function repair(deps: ReplayPassDeps, pass: Pass, keys: readonly ReplayKey[], within: string | null): Promise<ChunkOutcome> {
  const { db, clock, onStep } = deps;
  const { row, place, preview } = pass;
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
  type Done = { result: ChunkResult; step: ReplayStep; after: { cancelRequested: boolean; room: number } };
  const work = async (tx: Tx): Promise<Done | 'access is computed again'> => {
    if (within === null) await lockEnvironment(tx);
    else await lockPartition(tx, within);
    if ((await unfinishedWideChanges(tx, within)).length > 0) return 'access is computed again';
    const { verified, assumed, quarantined, lacking } = pass;
    await assumeApplied(tx, lacking, row.receivedUntil ?? row.createdAt, within);
    const result = await repairChunk(tx, { keys, verified, assumed, quarantined, cause, within, tenant: row.organizationId });
    const step = stepOf(pass, keys, result);
    if (!preview && step.difference.revocations > (row.allowance ?? 0)) throw new OverAllowanceError();
    const after = await stepReplay(tx, place, pass.room, step);
    await storeTransitions(tx, result.transitions);
    await failpoint('replay-before-commit');
    return { result, step, after };
  };
  const take = () => (preview ? rolledBack(db, work, TRANSACTION) : inTransaction(db, work, TRANSACTION));
  let done = await take();
  while (done === 'access is computed again') {
    await finishWideChanges(db, await unfinishedWideChanges(db, within), { signal: pass.signal, onChanges: () => onStep(true) });
    if (pass.signal.aborted) return 'stopped';
    done = await take();
  }
  await failpoint('replay-after-commit');
  const after = preview ? await stepReplay(db, place, pass.room, done.step) : done.after;
  advance(pass, done.step, after);
  for (const id of done.result.repaired) pass.counted.add(id);
  for (const id of done.result.frame.seen) pass.verified.add(id);
  if (preview) assumeFrame(pass.assumed, done.result.frame.altered);
  onStep(!preview && done.result.transitions.length > 0);
  return 'taken';
}

function advance(pass: Pass, { to, differs, difference }: ReplayStep, after: { cancelRequested: boolean; room: number }): void {
  Object.assign(pass, after, { difference, differs: pass.differs || differs, place: { ...pass.place, progressKey: to } });
}

const eventsOf = (keys: readonly ReplayKey[]): number => keys.reduce((sum, key) => sum + key.events, 0);

/** Everybody counts once: at their turn, or before it when they were repaired together with others. */
function stepOf({ counted, difference }: Pass, keys: readonly ReplayKey[], { repaired, previews, frame }: ChunkResult): ReplayStep {
  const fresh = [...repaired].filter((id) => !counted.has(id));
  const right = keys.filter(({ kind, id }) => kind === 'user' && !repaired.has(id) && !counted.has(id));
  const shown = previews.filter(({ userId }) => !counted.has(userId));
  return {
    to: orderOf(keys.at(-1) as ReplayKey),
    processed: eventsOf(keys),
    repaired: fresh.length,
    unchanged: right.length,
    failed: 0,
    previews: shown,
    differs: repaired.size > 0 || sizeOfFrame(frame.altered) > 0,
    difference: addToDifference(difference, shown),
    error: null,
  };
}

/** One key alone. */
async function fail({ db, log, onStep }: ReplayPassDeps, pass: Pass, keys: readonly ReplayKey[], error: unknown): Promise<void> {
  const [key] = keys;
  if (!key) return;
  log.error({ err: error, replayId: pass.row.id, kind: key.kind, id: key.id }, 'a replay could not re-derive');
  const reason = error instanceof UnreadableLogError ? error.message : 'see the log of the worker.';
  const step: ReplayStep = {
    to: orderOf(key),
    processed: key.events,
    repaired: 0,
    unchanged: 0,
    failed: key.kind === 'user' ? 1 : 0,
    previews: [],
    differs: false,
    difference: pass.difference,
    error: `${key.kind} ${key.id} could not be re-derived and is as it was: ${reason}`,
  };
  advance(pass, step, await stepReplay(db, pass.place, pass.room, step));
  pass.failures += 1;
  onStep(false);
}
