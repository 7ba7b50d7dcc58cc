// A reconciliation, last part: what differs is put right by the facts of the read, on the way that events take too. Each
// drifted account is stated whole (the user, and its complete list of groups, and what follows from them), then groups that came
// or went. All counts as of the read, so any newer event wins; all is kept with the reads, so a replay derives the same.
//
// Before anything is altered the same is done and taken back: that is the difference that the guard judges.
import { applyFacts, previewFacts, type StatedFacts } from '../apply/apply-facts.ts';
import type { StateReadPage } from '../apply/parse-read.ts';
import type { Db, Tx } from '../db/client.ts';
import { inTransaction } from '../db/transaction.ts';
import { countActiveAccounts, revocationLimit } from '../entitlements/revocation-limit.ts';
import type { Cause } from '../model/change.ts';
import { compareAccounts, compareFrame, readOf } from './drift-compare.ts';
import { type DriftReportRow, endInTransaction, stepReport } from './drift-row.ts';
import { netChanges } from './net-changes.ts';
import { clearSuspicion, countItems } from './reconcile-compare.ts';
import { addToDifference, type Difference, judgeRevocations, NO_DIFFERENCE } from './revocation-guard.ts';
import { causeOfRead, keepStateRead, observationOf } from './state-read.ts';

export interface ReconcileRepairDeps {
  db: Db;
  clock: () => Date;
  /** Accounts of one transaction of a repair. */
  repairsPerStep: number;
  /** The change log has grown. */
  onChanges: () => void;
}

interface Chunk {
  pages: StateReadPage[];
  facts: StatedFacts;
}

// By (report_id, user_id).
const NEXT_DRIFTED = `
  SELECT DISTINCT user_id AS id FROM drift_item WHERE report_id = $1 AND user_id IS NOT NULL AND user_id > $2 ORDER BY id LIMIT $3`;
const ITEMS_OF = `SELECT count(*)::int AS n FROM drift_item WHERE report_id = $1 AND user_id = ANY($2::text[])`;
const DRIFTED_AMONG = `SELECT DISTINCT user_id AS id FROM drift_item WHERE report_id = $1 AND user_id = ANY($2::text[])`;

// By primary keys.
const READ_ACCOUNTS = `SELECT user_id AS "userId", raw FROM drift_read_user WHERE report_id = $1 AND user_id = ANY($2::text[]) ORDER BY user_id`;
const READ_GROUPS_OF = `
  SELECT m.user_id AS "userId", g.raw FROM drift_read_member m JOIN drift_read_group g ON g.report_id = m.report_id AND g.group_id = m.group_id
  WHERE m.report_id = $1 AND m.user_id = ANY($2::text[]) ORDER BY m.user_id, m.group_id`;
const FRAME_ITEMS = `
  SELECT i.group_id AS "groupId", g.raw FROM drift_item i LEFT JOIN drift_read_group g ON g.report_id = i.report_id AND g.group_id = i.group_id
  WHERE i.report_id = $1 AND i.user_id IS NULL ORDER BY i.key`;

type Raw = { userId: string; raw: string };

function chunkOf(row: DriftReportRow, pages: StateReadPage[], userIds: readonly string[]): Chunk {
  const cause: Cause = { ...causeOfRead('reconciliation', row.readAt ?? row.createdAt), driftReportId: row.id, actor: row.requestedBy };
  return { pages, facts: { observations: pages.map((page) => observationOf(page, row.version, cause)), restated: { userIds, cause } } };
}

/** Each account as the read has shown it, or that it is gone. */
async function accountsChunk(db: Db, row: DriftReportRow, userIds: readonly string[]): Promise<Chunk> {
  const base = { directoryId: row.directoryId, group: null };
  const users = await db.$queryRawUnsafe<Raw[]>(READ_ACCOUNTS, row.id, userIds);
  const groups = await db.$queryRawUnsafe<Raw[]>(READ_GROUPS_OF, row.id, userIds);
  const shown = new Set(users.map(({ userId }) => userId));
  const pages: StateReadPage[] = users.flatMap(({ userId, raw }) => [
    { ...base, kind: 'USERS', userId: null, items: [JSON.parse(raw) as unknown] },
    {
      ...base,
      kind: 'USER_GROUPS',
      userId,
      items: groups.flatMap((group) => (group.userId === userId ? [JSON.parse(group.raw) as unknown] : [])),
    },
  ]);
  for (const userId of userIds) if (!shown.has(userId)) pages.push({ ...base, kind: 'USER_GONE', userId, items: [] });
  return chunkOf(row, pages, userIds);
}

/** Groups that came, went or changed, and the directory where its state differs. */
async function frameChunk(db: Db, row: DriftReportRow): Promise<Chunk> {
  const { directoryId, organizationId } = row;
  const base = { directoryId, userId: null };
  const items = await db.$queryRawUnsafe<{ groupId: string | null; raw: string | null }[]>(FRAME_ITEMS, row.id);
  const pages = items.map(({ groupId, raw }): StateReadPage => {
    if (groupId === null) return { ...base, kind: 'DIRECTORY', group: null, items: [JSON.parse(row.directory ?? 'null') as unknown] };
    if (raw === null) return { ...base, kind: 'GROUP_GONE', group: { id: groupId, directoryId, organizationId }, items: [] };
    return { ...base, kind: 'GROUPS', group: null, items: [JSON.parse(raw) as unknown] };
  });
  return chunkOf(row, pages, []);
}

const idsOf = (rows: readonly { id: string }[]): string[] => rows.map(({ id }) => id);

const nextDrifted = async ({ db, repairsPerStep }: ReconcileRepairDeps, row: DriftReportRow): Promise<string[]> =>
  idsOf(await db.$queryRawUnsafe<{ id: string }[]>(NEXT_DRIFTED, row.id, row.progressKey ?? '', repairsPerStep));

export async function previewStep(deps: ReconcileRepairDeps, row: DriftReportRow): Promise<void> {
  const { db } = deps;
  const before = (row.difference as Difference | null) ?? NO_DIFFERENCE;
  const userIds = await nextDrifted(deps, row);
  if (userIds.length > 0) {
    const own = new Set(userIds);
    const { facts } = await accountsChunk(db, row, userIds);
    const changes = netChanges(await previewFacts(db, row.organizationId, facts)).filter(({ userId }) => own.has(userId));
    const difference = { ...addToDifference(before, changes) };
    return inTransaction(db, (tx) => stepReport(tx, row, { difference, progressKey: userIds.at(-1) ?? null }));
  }
  // Whoever is touched by what becomes of a group, without having drifted.
  const { facts } = await frameChunk(db, row);
  const others = netChanges(await previewFacts(db, row.organizationId, facts));
  const drifted = new Set(
    idsOf(
      await db.$queryRawUnsafe<{ id: string }[]>(
        DRIFTED_AMONG,
        row.id,
        others.map(({ userId }) => userId),
      ),
    ),
  );
  const difference = addToDifference(
    before,
    others.filter(({ userId }) => !drifted.has(userId)),
  );
  await judge(deps, row, difference);
}

async function judge({ db, clock }: ReconcileRepairDeps, row: DriftReportRow, difference: Difference): Promise<void> {
  const { directoryId } = row;
  const limit = revocationLimit(row.maxRevocations, await countActiveAccounts(db, { organizationIds: null, directoryId }));
  const verdict = judgeRevocations(
    { kind: 'RECONCILIATION', scope: directoryId, difference },
    { limit, confirmToken: row.givenToken, now: clock() },
  );
  await inTransaction(db, (tx) =>
    stepReport(tx, row, {
      difference: { ...difference },
      progressKey: null,
      ...(verdict.allowed
        ? { phase: 'REPAIRING' }
        : { status: 'AWAITING_CONFIRMATION', confirmToken: verdict.confirmToken, error: verdict.message }),
    }),
  );
}

export async function repairStep(deps: ReconcileRepairDeps, row: DriftReportRow): Promise<void> {
  const { db, onChanges } = deps;
  const report = readOf(row);
  const keep = async (tx: Tx, { pages }: Chunk): Promise<void> => {
    for (const page of pages) await keepStateRead(tx, page, row.version);
  };
  const userIds = await nextDrifted(deps, row);
  if (userIds.length > 0) {
    const chunk = await accountsChunk(db, row, userIds);
    const changes = await applyFacts(db, row.organizationId, chunk.facts, async (tx) => {
      await keep(tx, chunk);
      const [items] = await tx.$queryRawUnsafe<{ n: number }[]>(ITEMS_OF, row.id, userIds);
      const { findings, right } = await compareAccounts(tx, report, userIds);
      await clearSuspicion(tx, right, report.startedAt);
      await stepReport(tx, row, { repaired: { increment: (items?.n ?? 0) - findings.length }, progressKey: userIds.at(-1) ?? null });
    });
    if (changes > 0) onChanges();
    return;
  }
  const chunk = await frameChunk(db, row);
  const changes = await applyFacts(db, row.organizationId, chunk.facts, async (tx) => {
    await keep(tx, chunk);
    const left = await compareFrame(tx, report, JSON.parse(row.directory ?? 'null'));
    const repaired = row.repaired + chunk.pages.length - left.length;
    const missed = countItems(row) - repaired;
    const error = missed > 0 ? `${missed} differences could not be put right: what stands here is newer than what WorkOS shows.` : null;
    await endInTransaction(tx, row, { status: missed > 0 ? 'FAILED' : 'SUCCEEDED', error, repaired });
  });
  if (changes > 0) onChanges();
}
