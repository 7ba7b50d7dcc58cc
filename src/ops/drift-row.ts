// The row of a drift report. Every step is a compare-and-set on `step` in the transaction of its work, so two workers on one
// report can neither skip nor count anything twice, and a killed one leaves it where the next one goes on.
import type { Prisma, Tx } from '../db/client.ts';
import { databaseNow } from '../db/clock.ts';
import type { DriftKind } from './drift-classify.ts';

export type DriftReportRow = Prisma.DriftReportGetPayload<Record<string, never>>;
export type DriftPhase = DriftReportRow['phase'];
export type KindCounts = Partial<Record<DriftKind, number>>;

/** What a step alters. Times are told by the database. */
export type StepData = Pick<
  Prisma.DriftReportUncheckedUpdateManyInput,
  | 'status'
  | 'phase'
  | 'version'
  | 'directory'
  | 'pageAfter'
  | 'groupId'
  | 'progressKey'
  | 'usersRead'
  | 'activeUsersRead'
  | 'groupsRead'
  | 'membershipsRead'
  | 'accountsChecked'
  | 'accountsDrifted'
  | 'byKind'
  | 'repaired'
  | 'difference'
  | 'attempts'
  | 'error'
  | 'confirmToken'
  | 'givenToken'
  | 'startedAt'
  | 'readAt'
  | 'comparedAt'
  | 'finishedAt'
  | 'nextStepAt'
>;

/** Another worker has taken this report further, or it was ended. */
export class OvertakenError extends Error {
  override readonly name = 'OvertakenError';
}

/** Due again after all others that are due; after a failed step later. */
export async function stepReport(tx: Tx, row: Pick<DriftReportRow, 'id' | 'step'>, data: StepData): Promise<void> {
  const { count } = await tx.driftReport.updateMany({
    where: { id: row.id, step: row.step, status: { in: ['PENDING', 'RUNNING'] } },
    data: { attempts: 0, nextStepAt: await databaseNow(tx), ...data, step: row.step + 1 },
  });
  if (count === 0) throw new OvertakenError(`drift report ${row.id} is in other hands`);
}

// By primary key. Not by the client's deleteMany, which names rows one by one and ends at 32,767 of them.
const FORGET = ['drift_read_member', 'drift_read_user', 'drift_read_group'].map((table) => `DELETE FROM ${table} WHERE report_id = $1`);

/** What was read is of no use any more. */
export async function forgetRead(tx: Tx, reportId: string): Promise<void> {
  for (const sql of FORGET) await tx.$executeRawUnsafe(sql, reportId);
}

export interface Ending extends StepData {
  status: 'SUCCEEDED' | 'FAILED';
  error: string | null;
}

export async function endInTransaction(tx: Tx, row: DriftReportRow, ending: Ending): Promise<void> {
  await stepReport(tx, row, { ...ending, phase: 'FINISHED', confirmToken: null, finishedAt: await databaseNow(tx) });
  await forgetRead(tx, row.id);
}
