// Reads the change log forwards. One statement per page sees one snapshot, and positions are commit-ordered, so nothing
// at or below `scannedTo` can turn up later: a reader that goes on from there misses nothing and repeats nothing.
// A page looks at a bounded number of rows and says how far it looked, so a reader with a rare filter that is far behind
// advances by every page instead of beginning anew.
import type { Db, Tx } from '../db/client.ts';
import type { Cause, ChangeFilter, RecordedChange } from '../model/change.ts';
import { OPEN_END, type Position } from '../model/cursor.ts';

export interface ReadAfter {
  after: Position;
  /** Inclusive; the log's head when absent. */
  upTo?: Position;
  /** 1 to MAX_LIMIT matching changes. */
  limit: number;
  filter?: ChangeFilter;
  /** Organization that the caller is bound to; null for none. */
  tenant?: string | null;
}

export interface ChangePage {
  /** Oldest first. */
  changes: RecordedChange[];
  /** Every match at or below this position was given, by this page or earlier ones. */
  scannedTo: Position;
  /** Where the scan ends: the head of this snapshot, or the requested `upTo` if lower. */
  end: Position;
  /** Everything after this position is kept. A reader that asked for less has missed something. */
  keptAfter: Position;
}

export const MAX_LIMIT = 1_000;
/** Rows taken up by one page whose conditions no index serves. */
const MAX_SCAN = 5_000;
/** Positions that one page spans, should the planner look for a rare organization along the primary key. */
const MAX_SPAN = 100_000n;

// Plan: index scan of entitlement_change's primary key from `after` upwards, or of (organization_id, position), or of (user_id,
// position) and a sort; at most `scan` rows into `scanned`. The conditions without an index only filter those. Plans are made
// for the values at hand (the statement has no name), so the conditions on absent parameters fold away.
export const PAGE_SQL = `
  WITH bound AS MATERIALIZED (
    SELECT position AS head, least(position, $2::bigint) AS last, least(position, $2::bigint, $11::bigint) AS upto FROM change_log_head WHERE id = 1
  ), scanned AS MATERIALIZED (
    SELECT * FROM entitlement_change
    WHERE position > $1::bigint AND position <= (SELECT upto FROM bound)
      AND ($3::text IS NULL OR organization_id = $3::text)
      AND ($4::text IS NULL OR organization_id = $4::text)
      AND ($5::text[] IS NULL OR user_id = ANY ($5::text[]))
    ORDER BY position LIMIT $9::int
  ), matched AS MATERIALIZED (
    SELECT * FROM scanned
    WHERE ($6::text IS NULL OR directory_id = $6::text)
      AND ($7::text[] IS NULL OR granted_permissions && $7::text[] OR revoked_permissions && $7::text[])
      AND ($8::text[] IS NULL OR granted_roles && $8::text[] OR revoked_roles && $8::text[])
    ORDER BY position LIMIT $10::int
  )
  SELECT b.last AS "end", b.upto AS "lookedTo", coalesce((SELECT min(position) - 1 FROM entitlement_change), b.head) AS "keptAfter",
    s.rows AS "scannedRows", s.last AS "scannedLast",
    m.position, m.organization_id AS "organizationId", m.directory_id AS "directoryId", m.user_id AS "userId",
    m.granted_permissions AS "grantedPermissions", m.revoked_permissions AS "revokedPermissions",
    m.granted_roles AS "grantedRoles", m.revoked_roles AS "revokedRoles",
    m.cause_kind::text AS kind, m.event_id AS "eventId", m.event_type AS "eventType", m.replay_id AS "replayId",
    m.drift_report_id AS "driftReportId", m.actor, m.reason, m.occurred_at AS "occurredAt", m.recorded_at AS "recordedAt"
  FROM bound b
  CROSS JOIN (SELECT count(*)::int AS rows, max(position) AS last FROM scanned) s
  LEFT JOIN matched m ON true
  ORDER BY m.position`;

type ChangeColumns = Omit<RecordedChange, 'cause'> & Cause;
type PageRow = { end: bigint; lookedTo: bigint; keptAfter: bigint; scannedRows: number; scannedLast: bigint | null } & (
  | ChangeColumns
  | { [column in keyof ChangeColumns]: null }
);

const NO_LOG = { end: 0n, lookedTo: 0n, keptAfter: 0n, scannedRows: 0, scannedLast: null };

function toChange(row: ChangeColumns): RecordedChange {
  const { kind, eventId, eventType, replayId, driftReportId, actor, reason, occurredAt } = row;
  return {
    position: row.position,
    organizationId: row.organizationId,
    directoryId: row.directoryId,
    userId: row.userId,
    grantedPermissions: row.grantedPermissions,
    revokedPermissions: row.revokedPermissions,
    grantedRoles: row.grantedRoles,
    revokedRoles: row.revokedRoles,
    recordedAt: row.recordedAt,
    cause: { kind, eventId, eventType, replayId, driftReportId, actor, reason, occurredAt },
  };
}

export async function readPage(db: Db | Tx, { after, upTo = OPEN_END, limit, filter = {}, tenant = null }: ReadAfter): Promise<ChangePage> {
  const rowLimit = Math.min(Math.max(1, limit), MAX_LIMIT);
  const indexed = filter.directoryId == null && !filter.permissions && !filter.roles;
  const scan = indexed ? rowLimit : Math.max(rowLimit, MAX_SCAN);
  const rows = await db.$queryRawUnsafe<PageRow[]>(
    PAGE_SQL,
    after,
    upTo,
    tenant,
    filter.organizationId ?? null,
    filter.userIds ?? null,
    filter.directoryId ?? null,
    filter.permissions ?? null,
    filter.roles ?? null,
    scan,
    rowLimit,
    after < OPEN_END - MAX_SPAN ? after + MAX_SPAN : OPEN_END,
  );
  const changes = rows.flatMap((row) => (row.position === null ? [] : [toChange(row)]));
  const { end, lookedTo, keptAfter, scannedRows, scannedLast } = rows[0] ?? NO_LOG;
  const lastGiven = changes.length === rowLimit ? changes.at(-1)?.position : undefined;
  const scannedTo = lastGiven ?? (scannedRows === scan && scannedLast !== null ? scannedLast : lookedTo);
  return { changes, scannedTo: scannedTo > after ? scannedTo : after, end, keptAfter };
}

/** The first `limit` matches after a position, however many pages that takes; fewer only when the log has no more. */
export async function readAfter(db: Db | Tx, options: ReadAfter): Promise<RecordedChange[]> {
  const limit = Math.min(Math.max(1, options.limit), MAX_LIMIT);
  const changes: RecordedChange[] = [];
  for (let { after } = options; ; ) {
    const page = await readPage(db, { ...options, after, limit: limit - changes.length });
    changes.push(...page.changes);
    if (changes.length >= limit || page.scannedTo >= page.end) return changes;
    after = page.scannedTo;
  }
}
