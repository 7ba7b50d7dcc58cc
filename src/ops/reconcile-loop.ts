// The worker's side of reconciliations: one step of the report that has waited longest, each step a transaction, so a killed
// worker's successor goes on where it stopped. A step that fails is tried again later, by a table; then the report has failed,
// says why, and nothing was altered by it that was not confirmed as the directory's word.
import { databaseNow } from '../db/clock.ts';
import { isOutage } from '../db/outage.ts';
import { inTransaction } from '../db/transaction.ts';
import { messageOf } from '../errors.ts';
import { failpoint } from '../lib/failpoint.ts';
import type { Logger } from '../log.ts';
import { WorkosError } from '../workos/workos-error.ts';
import { type DriftReportRow, endInTransaction, forgetRead, OvertakenError, stepReport } from './drift-row.ts';
import { compareStep, countItems, type ReconcileCompareDeps, ReconciliationFailure, settleStep } from './reconcile-compare.ts';
import { type ReconcileReadDeps, readStep } from './reconcile-read.ts';
import { previewStep, type ReconcileRepairDeps, repairStep } from './reconcile-repair.ts';
import { versionOfReadNow } from './state-read.ts';

export interface ReconcilerDeps extends ReconcileReadDeps, Pick<ReconcileRepairDeps, 'clock' | 'onChanges'> {
  log: Logger;
  settleMs?: number;
  accountsPerStep?: number;
  repairsPerStep?: number;
  /** Waits after failed steps; after the last one the report has failed. */
  retryDelaysMs?: readonly number[];
}

const DEFAULT_RETRY_DELAYS_MS = [1_000, 5_000, 30_000, 60_000, 120_000];
/** A read that waits for its token is of no use for longer. */
const CONFIRMATION_MS = 3_600_000;
const IMPORT_POLL_MS = 5_000;

// By (status, next_step_at).
const CLAIM = `
  UPDATE drift_report SET status = 'RUNNING', version = $2, started_at = $3::timestamptz, step = step + 1, attempts = 0, error = NULL, next_step_at = $4::timestamptz WHERE id = $1 AND status = 'PENDING'`;
const LATER = `UPDATE drift_report SET next_step_at = $2::timestamptz WHERE id = $1 AND status = 'PENDING'`;

export function createReconciler(deps: ReconcilerDeps): { step(signal: AbortSignal): Promise<boolean> } {
  const {
    db,
    workos,
    log,
    clock,
    settleMs = 10_000,
    accountsPerStep = 500,
    repairsPerStep = 50,
    retryDelaysMs = DEFAULT_RETRY_DELAYS_MS,
  } = deps;
  const comparing: ReconcileCompareDeps = { db, settleMs, accountsPerStep };
  const repairing: ReconcileRepairDeps = { ...deps, repairsPerStep };

  async function claim(row: DriftReportRow, signal: AbortSignal): Promise<void> {
    const importing = await db.directoryImport.findUnique({ where: { directoryId: row.directoryId } });
    if (importing && importing.phase !== 'FINISHED') {
      // What stands here is not complete: an import is under way, and says all that there is to say.
      await db.$executeRawUnsafe(LATER, row.id, new Date(clock().getTime() + IMPORT_POLL_MS).toISOString());
      return;
    }
    // Where no event is known the version is a time, and must be one of the clock that events have.
    const { at } = await workos.listDirectories({ limit: 1, signal });
    const startedAt = await databaseNow(db);
    const version = await versionOfReadNow(db, row.directoryId, at);
    await db.$executeRawUnsafe(CLAIM, row.id, version, startedAt.toISOString(), clock().toISOString());
    log.info({ reportId: row.id, directoryId: row.directoryId, repair: row.repair }, 'reconciliation: begun');
  }

  async function takeStep(row: DriftReportRow, signal: AbortSignal): Promise<void> {
    if (row.status === 'PENDING') return claim(row, signal);
    switch (row.phase) {
      case 'USERS':
      case 'GROUPS':
      case 'MEMBERSHIPS':
        return readStep(deps, row, signal);
      case 'SETTLING':
        return settleStep(comparing, row);
      case 'COMPARING':
        return compareStep(comparing, row, (tx, compared, data) =>
          compared.repair && countItems(compared) > 0
            ? stepReport(tx, compared, { ...data, phase: 'PREVIEWING' })
            : endInTransaction(tx, compared, { ...data, status: 'SUCCEEDED', error: null }),
        );
      case 'PREVIEWING':
        return previewStep(repairing, row);
      case 'REPAIRING':
        return repairStep(repairing, row);
      case 'FINISHED':
        throw new Error(`drift report ${row.id} is RUNNING and FINISHED`);
      default:
        row.phase satisfies never;
    }
  }

  /** undefined: another try will not mend it. */
  function delayAfter(row: DriftReportRow, error: unknown): number | undefined {
    if (error instanceof ReconciliationFailure) return undefined;
    // 404 to a list of a directory's own: the directory is gone.
    if (error instanceof WorkosError && error.kind === 'not_found') return undefined;
    const delayMs = retryDelaysMs[row.attempts];
    return delayMs === undefined ? undefined : Math.max(delayMs, (error instanceof WorkosError && error.retryAfterMs) || 0);
  }

  async function recordFailure(row: DriftReportRow, error: unknown): Promise<void> {
    const known = error instanceof WorkosError || error instanceof ReconciliationFailure;
    const reason = known ? messageOf(error).slice(0, 500) : 'A step failed; the log of the worker says why.';
    const delayMs = delayAfter(row, error);
    log.warn(
      { reportId: row.id, phase: row.phase, attempts: row.attempts + 1, error: messageOf(error) },
      'a step of a reconciliation failed',
    );
    await inTransaction(db, (tx) =>
      delayMs === undefined
        ? endInTransaction(tx, row, { status: 'FAILED', error: reason })
        : stepReport(tx, row, { attempts: row.attempts + 1, error: reason, nextStepAt: new Date(clock().getTime() + delayMs) }),
    );
  }

  async function expire(): Promise<void> {
    const ended = { status: 'AWAITING_CONFIRMATION' as const, nextStepAt: { lt: new Date(clock().getTime() - CONFIRMATION_MS) } };
    for (const { id } of await db.driftReport.findMany({ where: ended, select: { id: true } })) {
      await inTransaction(db, async (tx) => {
        const error = 'Nobody confirmed it within an hour; start again.';
        const data = { status: 'CANCELLED' as const, phase: 'FINISHED' as const, confirmToken: null, error, finishedAt: clock() };
        const { count } = await tx.driftReport.updateMany({ where: { id, ...ended }, data });
        if (count > 0) await forgetRead(tx, id);
      });
    }
  }

  return {
    /** false: there is nothing to do now. */
    async step(signal) {
      const row = await db.driftReport.findFirst({
        where: { status: { in: ['PENDING', 'RUNNING'] }, nextStepAt: { lte: clock() } },
        orderBy: [{ nextStepAt: 'asc' }, { id: 'asc' }],
      });
      if (!row) {
        await expire();
        return false;
      }
      try {
        await failpoint('reconcile-step');
        await takeStep(row, signal);
      } catch (error) {
        if (error instanceof OvertakenError) return true;
        if (signal.aborted || (!(error instanceof WorkosError) && isOutage(error))) throw error;
        await recordFailure(row, error);
      }
      await tell(row);
      return true;
    },
  };

  async function tell(before: DriftReportRow): Promise<void> {
    const row = await db.driftReport.findUnique({ where: { id: before.id } });
    if (!row || (row.phase === before.phase && row.status === before.status)) return;
    const {
      id: reportId,
      directoryId,
      status,
      phase,
      usersRead,
      groupsRead,
      membershipsRead,
      accountsChecked,
      accountsDrifted,
      byKind,
      repaired,
      error,
    } = row;
    const counts = { usersRead, groupsRead, membershipsRead, accountsChecked, accountsDrifted, byKind, repaired };
    const over = status !== 'RUNNING';
    log[status === 'FAILED' ? 'error' : 'info'](
      { reportId, directoryId, status, phase, ...counts, ...(over && error && { error }) },
      over ? 'reconciliation: over, or waiting for its confirmation' : 'reconciliation',
    );
  }
}
