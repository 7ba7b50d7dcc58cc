// A reconciliation, second part: once every event that the read may have seen the effect of is in the inbox, both sides are
// compared, so many accounts at a time. Apply is not at work on the partition meanwhile.
import type { Db, Prisma, Tx } from '../db/client.ts';
import { databaseNow } from '../db/clock.ts';
import { lockPartition } from '../db/lock.ts';
import { inTransaction } from '../db/transaction.ts';
import { readCounts } from './directory-counts.ts';
import { type DriftKind, type Finding, keyOf } from './drift-classify.ts';
import { compareAccounts, compareFrame, compareStated, nextAccounts, readOf } from './drift-compare.ts';
import { countTouched, isDirectoryFenced } from './drift-fences.ts';
import { type DriftReportRow, type KindCounts, type StepData, stepReport } from './drift-row.ts';

/** Another try will not mend it: the report has failed, and says why. */
export class ReconciliationFailure extends Error {
  override readonly name = 'ReconciliationFailure';
}

export interface ReconcileCompareDeps {
  db: Db;
  /** Events are held back by WorkOS for a few seconds before the Events API shows them. */
  settleMs: number;
  accountsPerStep: number;
}

const SETTLE_DEADLINE_MS = 900_000;
const SETTLE_POLL_MS = 1_000;

// By primary key.
const CAUGHT_UP = `SELECT coalesce(caught_up_at > $1::timestamptz + $2 * interval '1 millisecond', false) AS yes, clock_timestamp() AS now FROM sync_cursor WHERE id = 'events'`;

export async function settleStep({ db, settleMs }: ReconcileCompareDeps, row: DriftReportRow): Promise<void> {
  const readAt = row.readAt ?? row.createdAt;
  const [caughtUp] = await db.$queryRawUnsafe<{ yes: boolean; now: Date }[]>(CAUGHT_UP, readAt.toISOString(), settleMs);
  if (caughtUp?.yes) return inTransaction(db, (tx) => stepReport(tx, row, { phase: 'COMPARING', progressKey: null }));
  if (caughtUp && caughtUp.now.getTime() - readAt.getTime() > SETTLE_DEADLINE_MS + settleMs)
    throw new ReconciliationFailure(
      'The Events API has not been read to its end since the directory was read, so what differs may be events that are still to come. Try again when the sync has caught up.',
    );
  return inTransaction(db, async (tx) => stepReport(tx, row, { nextStepAt: new Date((await databaseNow(tx)).getTime() + SETTLE_POLL_MS) }));
}

// Counts by primary keys.
const KEPT = `
  SELECT (SELECT count(*)::int FROM drift_read_user WHERE report_id = $1) AS users, (SELECT count(*)::int FROM drift_read_group WHERE report_id = $1) AS groups,
    (SELECT count(*)::int FROM drift_read_member WHERE report_id = $1) AS memberships`;

/** A read that shows less than there is would say that the rest is gone. */
async function refusePartial(tx: Tx, row: DriftReportRow): Promise<void> {
  const [kept] = await tx.$queryRawUnsafe<{ users: number; groups: number; memberships: number }[]>(KEPT, row.id);
  if (kept?.users !== row.usersRead || kept.groups !== row.groupsRead || kept.memberships !== row.membershipsRead)
    throw new ReconciliationFailure('Of what was read, not everything is there any more. Nothing was compared; try again.');
  const counts = readCounts(JSON.parse(row.directory ?? 'null'));
  if (!counts) return;
  const touched = await countTouched(tx, readOf(row));
  if (row.activeUsersRead + touched.users < counts.activeUsers || row.groupsRead + touched.groups < counts.groups)
    throw new ReconciliationFailure(
      `The read is not complete: it showed ${row.activeUsersRead} active users and ${row.groupsRead} groups, and WorkOS counts ${counts.activeUsers} and ${counts.groups}. Nothing was compared; try again.`,
    );
}

const PUT_ITEMS = `
  INSERT INTO drift_item (report_id, key, kind, user_id, group_id, local, source)
  SELECT $1, key, kind, "userId", "groupId", local, source
  FROM json_to_recordset($2::json) AS t(key text, kind drift_kind, "userId" text, "groupId" text, local jsonb, source jsonb)
  ON CONFLICT DO NOTHING`;

const asCounts = (json: Prisma.JsonValue): KindCounts => json as KindCounts;

async function put(tx: Tx, row: DriftReportRow, findings: readonly Finding[]): Promise<KindCounts> {
  if (findings.length > 0)
    await tx.$executeRawUnsafe(PUT_ITEMS, row.id, JSON.stringify(findings.map((finding) => ({ key: keyOf(finding), ...finding }))));
  const counts: Record<string, number> = { ...asCounts(row.byKind) };
  for (const { kind } of findings) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

// Accounts found right: by primary keys. What was asked for before the read began has been answered by it.
const CLEAR = `UPDATE directory_user SET drift_suspected = false WHERE id = ANY($1::text[]) AND drift_suspected`;
const ANSWERED = `DELETE FROM refresh_task WHERE user_id = ANY($1::text[]) AND requested_at < $2::timestamptz`;

export async function clearSuspicion(tx: Tx, userIds: readonly string[], startedAt: Date): Promise<void> {
  await tx.$executeRawUnsafe(CLEAR, userIds);
  await tx.$executeRawUnsafe(ANSWERED, userIds, startedAt.toISOString());
}

/** First the groups, then accounts in id order. `done`: what becomes of the report when all are compared. */
export async function compareStep(
  { db, accountsPerStep }: ReconcileCompareDeps,
  row: DriftReportRow,
  done: (tx: Tx, row: DriftReportRow, data: StepData) => Promise<void>,
): Promise<void> {
  const report = readOf(row);
  await inTransaction(db, async (tx) => {
    await lockPartition(tx, row.organizationId);
    if (await isDirectoryFenced(tx, report))
      throw new ReconciliationFailure(
        'The directory was activated, deactivated or deleted while it was read. Nothing was altered; try again.',
      );
    if (row.progressKey === null) {
      await refusePartial(tx, row);
      const byKind = await put(tx, row, await compareFrame(tx, report, JSON.parse(row.directory ?? 'null')));
      return stepReport(tx, row, { byKind, progressKey: '' });
    }
    const userIds = await nextAccounts(tx, report, row.progressKey, accountsPerStep);
    if (userIds.length === 0) return done(tx, row, { comparedAt: await databaseNow(tx), progressKey: null });
    const { findings: drift, checked, right, agreed } = await compareAccounts(tx, report, userIds);
    const misstated = await compareStated(tx, agreed, report.startedAt);
    const wrong = new Set(misstated.map(({ userId }) => userId));
    await clearSuspicion(
      tx,
      right.filter((userId) => !wrong.has(userId)),
      report.startedAt,
    );
    const findings = [...drift, ...misstated];
    return stepReport(tx, row, {
      byKind: await put(tx, row, findings),
      accountsChecked: { increment: checked },
      accountsDrifted: { increment: new Set(findings.map(({ userId }) => userId)).size },
      progressKey: userIds.at(-1) ?? null,
    });
  });
}

export const countItems = (row: Pick<DriftReportRow, 'byKind'>): number =>
  Object.values(asCounts(row.byKind)).reduce((sum, count) => sum + count, 0);

export const kindsOf = (row: Pick<DriftReportRow, 'byKind'>): { kind: DriftKind; count: number }[] =>
  Object.entries(asCounts(row.byKind)).map(([kind, count]) => ({ kind: kind as DriftKind, count }));
