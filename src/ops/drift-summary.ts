// Drift as sync-health tells it: the sum of the newest finished report of each directory in scope. What a report has repaired
// is drift no more; what waits for its confirmation still is.
import type { Db } from '../db/client.ts';
import type { DriftKind } from './drift-classify.ts';

export interface DriftSummary {
  accountsChecked: number;
  accountsDrifted: number;
  byKind: { kind: DriftKind; count: number }[];
  lastReportId: string | null;
  lastCheckedAt: Date | null;
}

// By (directory_id, id) for each directory in scope. One that was FAILED while it compared says nothing; one that could not
// put everything right does.
const NEWEST = `
  SELECT r.id, r.accounts_checked AS "accountsChecked", r.compared_at AS "comparedAt", r.repair AND r.status = 'SUCCEEDED' AS repaired,
    r.accounts_drifted AS "accountsDrifted", r.by_kind AS "byKind"
  FROM directory d CROSS JOIN LATERAL (
    SELECT * FROM drift_report WHERE directory_id = d.id AND compared_at IS NOT NULL AND (finished_at IS NOT NULL OR status = 'AWAITING_CONFIRMATION') ORDER BY id DESC LIMIT 1) r
  WHERE d.state <> 'DELETED' AND ($1::text IS NULL OR d.organization_id = $1) AND ($2::text IS NULL OR d.id = $2) AND ($3::text IS NULL OR d.organization_id = $3)
  ORDER BY r.compared_at DESC, r.id`;

interface NewestRow {
  id: string;
  accountsChecked: number;
  accountsDrifted: number;
  byKind: Partial<Record<DriftKind, number>>;
  comparedAt: Date;
  repaired: boolean;
}

export async function readDriftSummary(
  db: Db,
  { organizationId, directoryId }: { organizationId: string | null; directoryId: string | null },
  tenant: string | null,
): Promise<DriftSummary> {
  const reports = await db.$queryRawUnsafe<NewestRow[]>(NEWEST, organizationId, directoryId, tenant);
  const drifted = reports.filter(({ repaired }) => !repaired);
  const counts = new Map<DriftKind, number>();
  for (const { byKind } of drifted)
    for (const [kind, count] of Object.entries(byKind)) counts.set(kind as DriftKind, (counts.get(kind as DriftKind) ?? 0) + count);
  return {
    accountsChecked: reports.reduce((sum, report) => sum + report.accountsChecked, 0),
    accountsDrifted: drifted.reduce((sum, report) => sum + report.accountsDrifted, 0),
    byKind: [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([kind, count]) => ({ kind, count })),
    lastReportId: reports[0]?.id ?? null,
    lastCheckedAt: reports[0]?.comparedAt ?? null,
  };
}
