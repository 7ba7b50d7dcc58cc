// Reconciliations as operators ask for them: at most one of a directory is under way. One that would take access from too
// many accounts waits for its token, with what it has read; then it compares again and repairs only if the difference is still
// the one that was confirmed.
import type { Db, Tx } from '../db/client.ts';
import { databaseNow } from '../db/clock.ts';
import { inTransaction } from '../db/transaction.ts';
import { AccessError } from '../errors.ts';
import { type DriftReportRow, forgetRead } from './drift-row.ts';

export interface ReconcileRequest {
  directoryId: string;
  repair: boolean;
  /** null: the default of src/entitlements/revocation-limit.ts. */
  maxRevocations: number | null;
  confirmToken: string | null;
}

export interface Reconciliations {
  /** The report, PENDING, or RUNNING where a token let it go on. */
  start(request: ReconcileRequest, caller: { name: string; organizationId: string | null }): Promise<DriftReportRow>;
}

const AGAIN = {
  phase: 'COMPARING' as const,
  progressKey: null,
  accountsChecked: 0,
  accountsDrifted: 0,
  byKind: {},
  repaired: 0,
  confirmToken: null,
  error: null,
};

export function createReconciliations({ db, wake = () => {} }: { db: Db; wake?: () => void }): Reconciliations {
  return {
    async start(request, { name, organizationId: tenant }) {
      const { directoryId, confirmToken, repair } = request;
      const directory = await db.directory.findFirst({ where: { id: directoryId, ...(tenant !== null && { organizationId: tenant }) } });
      if (!directory) throw new AccessError('NOT_FOUND', 'directoryId: there is no such directory.');
      if (directory.state === 'DELETED')
        throw new AccessError('CONFLICT', 'directoryId: this directory was deleted; there is nothing to compare it with.');
      if (confirmToken !== null && !repair)
        throw new AccessError('BAD_USER_INPUT', 'confirmToken: it confirms a repair; ask with repair: true, or leave it out.');
      const report = await inTransaction(db, (tx) =>
        confirmToken === null
          ? begin(tx, { ...request, organizationId: directory.organizationId, requestedBy: name })
          : goOn(tx, request, confirmToken),
      );
      wake();
      return report;
    },
  };
}

export async function begin(
  tx: Tx,
  {
    directoryId,
    organizationId,
    repair,
    maxRevocations,
    requestedBy,
  }: Omit<ReconcileRequest, 'confirmToken'> & { organizationId: string; requestedBy: string },
): Promise<DriftReportRow> {
  const now = await databaseNow(tx);
  const data = { directoryId, organizationId, repair, maxRevocations, requestedBy, createdAt: now, nextStepAt: now };
  const [created] = await tx.driftReport.createManyAndReturn({ data: [data], skipDuplicates: true });
  if (!created) throw await underWay(tx, directoryId);
  for (const { id } of await tx.driftReport.findMany({ where: { directoryId, status: 'AWAITING_CONFIRMATION' }, select: { id: true } })) {
    await tx.driftReport.update({
      where: { id },
      data: {
        status: 'CANCELLED',
        phase: 'FINISHED',
        confirmToken: null,
        error: `Followed by ${created.id}.`,
        finishedAt: now,
      },
    });
    await forgetRead(tx, id);
  }
  return created;
}

async function underWay(tx: Tx, directoryId: string): Promise<AccessError> {
  const open = await tx.driftReport.findFirst({ where: { directoryId, status: { in: ['PENDING', 'RUNNING'] } } });
  return new AccessError('CONFLICT', 'A reconciliation of this directory is under way; look at its report.', {
    details: { driftReportId: open?.id ?? null },
  });
}

async function goOn(tx: Tx, { directoryId, maxRevocations }: ReconcileRequest, confirmToken: string): Promise<DriftReportRow> {
  if ((await tx.driftReport.count({ where: { directoryId, status: { in: ['PENDING', 'RUNNING'] } } })) > 0)
    throw await underWay(tx, directoryId);
  const waiting = await tx.driftReport.findFirst({ where: { directoryId, status: 'AWAITING_CONFIRMATION' }, orderBy: { id: 'desc' } });
  if (!waiting || waiting.confirmToken !== confirmToken) {
    const what = waiting
      ? 'Look at the report that waits, and give back its token.'
      : 'No report of this directory waits for one any more; start again without it.';
    throw new AccessError('CONFIRMATION_REQUIRED', `confirmToken: it stands for another difference, or has ended. ${what}`, {
      details: { confirmToken: waiting?.confirmToken ?? null, driftReportId: waiting?.id ?? null },
    });
  }
  const { count } = await tx.driftReport.updateMany({
    where: { id: waiting.id, status: 'AWAITING_CONFIRMATION', step: waiting.step },
    data: {
      ...AGAIN,
      status: 'RUNNING',
      step: waiting.step + 1,
      givenToken: confirmToken,
      nextStepAt: await databaseNow(tx),
      ...(maxRevocations !== null && { maxRevocations }),
    },
  });
  if (count === 0) throw await underWay(tx, directoryId);
  // Summed up anew.
  await tx.$executeRawUnsafe(FORGET_DIFFERENCE, waiting.id);
  await tx.$executeRawUnsafe(FORGET_ITEMS, waiting.id);
  return tx.driftReport.findUniqueOrThrow({ where: { id: waiting.id } });
}

const FORGET_ITEMS = 'DELETE FROM drift_item WHERE report_id = $1';
const FORGET_DIFFERENCE = 'UPDATE drift_report SET difference = NULL WHERE id = $1';
