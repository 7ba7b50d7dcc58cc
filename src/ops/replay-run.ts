// One replay from where it stands to its end: read again (WORKOS_EVENTS), preview, guard, repair. A replay that would take
// access from more accounts than it may ends after its preview and waits for somebody to confirm that very difference. A
// dry run ends there too, with the token of what it has shown.
import { inTransaction } from '../db/transaction.ts';
import { countActiveAccounts, revocationLimit } from '../entitlements/revocation-limit.ts';
import { messageOf } from '../errors.ts';
import { WorkosError } from '../workos/workos-error.ts';
import { type FetchDeps, type Fetched, fetchSelected } from './replay-fetch.ts';
import { OverAllowanceError, type PassOutcome, type ReplayPassDeps, runPass } from './replay-pass.ts';
import { markApplied } from './replay-quarantined.ts';
import { awaitConfirmation, type Ending, endReplay, OvertakenError, type Place, type ReplayRow, turnReplay } from './replay-row.ts';
import { type ReplaySelection, scopeOf } from './replay-selection.ts';
import { type GuardedChange, issueToken, judgeRevocations } from './revocation-guard.ts';

export interface ReplayRunDeps extends ReplayPassDeps, FetchDeps {}

type Finished = Exclude<PassOutcome, 'stopped'>;

/** So often may what is repaired turn out to be more than what was previewed: then the state does not stand still. */
const MAX_PREVIEWS = 3;

/** Rejects when the database or WorkOS is away, and when another worker was faster (OvertakenError). */
export async function runReplay(deps: ReplayRunDeps, claimed: ReplayRow, signal: AbortSignal): Promise<'ended' | 'stopped'> {
  let row = isHalfForgotten(claimed) ? await turnReplay(deps.db, claimed, { phase: 'FETCH', allowance: null }) : claimed;
  let lacking: Fetched['lacking'] = [];
  let previews = 0;
  if (row.phase === 'FETCH') {
    const fetched = await fetchSelected(deps, row, signal);
    if (fetched === 'stopped') return 'stopped';
    if (fetched.cancelled) return end(deps, fetched.place, { status: 'CANCELLED' });
    row = await turnReplay(deps.db, fetched.place, { phase: 'PREVIEW', allowance: null });
    ({ lacking } = fetched);
  }
  for (;;) {
    try {
      const outcome = await runPass(deps, row, lacking, signal);
      if (outcome === 'stopped') return 'stopped';
      const next = row.phase === 'PREVIEW' ? await afterPreview(deps, row, outcome) : await finish(deps, row, outcome);
      if (next === 'ended') return 'ended';
      row = next;
    } catch (error) {
      if (!(error instanceof OverAllowanceError)) throw error;
      previews += 1;
      if (previews >= MAX_PREVIEWS) throw error;
      const stopped = await deps.db.replay.findUniqueOrThrow({ where: { id: row.id } });
      // What was revoked already counts.
      row = await turnReplay(deps.db, stopped, { phase: 'PREVIEW', allowance: (stopped.allowance ?? 0) - stopped.revocations });
    }
  }
}

/** A dry run holds what it has read of WorkOS in memory alone, so whoever takes it over begins anew. */
const isHalfForgotten = ({ dryRun, source, phase, progressKey }: ReplayRow): boolean =>
  dryRun && source === 'WORKOS_EVENTS' && (phase !== 'FETCH' || progressKey !== null);

async function afterPreview(deps: ReplayRunDeps, row: ReplayRow, outcome: Finished): Promise<ReplayRow | 'ended'> {
  const { db, clock } = deps;
  const { place, differs, difference, cancelled } = outcome;
  const selection = row.selection as unknown as ReplaySelection;
  const change: GuardedChange = { kind: 'REPLAY', scope: scopeOf(row.organizationId, row.source, selection), difference };
  if (row.dryRun && !cancelled && difference.revocations > 0) {
    return finish(deps, row, outcome, issueToken(change, clock()));
  }
  if (row.dryRun || cancelled || !differs) return finish(deps, row, outcome);

  const organization = row.organizationId ?? selection.organizationId;
  const within = { organizationIds: organization === null ? null : [organization], directoryId: selection.directoryId };
  const accounts = await countActiveAccounts(db, within);
  const limit = row.allowance ?? revocationLimit(row.maxRevocations, accounts);
  const verdict = judgeRevocations(change, { limit, confirmToken: row.givenToken, now: clock() });
  if (verdict.allowed) return turnReplay(db, place, { phase: 'REPAIR', allowance: Math.max(limit, difference.revocations) });
  await awaitConfirmation(db, place, verdict);
  deps.onStep(false);
  return 'ended';
}

async function finish(deps: ReplayRunDeps, row: ReplayRow, outcome: Finished, confirmToken?: string): Promise<'ended'> {
  const { place, failures, cancelled, quarantined } = outcome;
  const status = cancelled ? 'CANCELLED' : failures > 0 ? 'FAILED' : 'SUCCEEDED';
  await inTransaction(deps.db, async (tx) => {
    await endReplay(tx, place, { status, ...(confirmToken && { confirmToken }) });
    if (status === 'SUCCEEDED' && !row.dryRun) await markApplied(tx, quarantined);
  });
  deps.onStep(false);
  return 'ended';
}

async function end({ db, onStep }: ReplayRunDeps, place: Place, ending: Ending): Promise<'ended'> {
  await endReplay(db, place, ending);
  onStep(false);
  return 'ended';
}

/** For a failure that another try will not mend. */
export async function giveUp(deps: ReplayRunDeps, row: ReplayRow, error: unknown): Promise<void> {
  const { db, log } = deps;
  log.error({ err: messageOf(error), replayId: row.id }, 'a replay failed');
  const current = await db.replay.findUnique({ where: { id: row.id } });
  if (current?.status !== 'RUNNING') return;
  const told =
    error instanceof WorkosError || error instanceof OverAllowanceError
      ? messageOf(error)
      : 'The replay failed; the log of the worker says why. Start it again when that is mended.';
  await end(deps, current, { status: 'FAILED', error: told }).catch((failure: unknown) => {
    if (!(failure instanceof OvertakenError)) throw failure;
  });
}
