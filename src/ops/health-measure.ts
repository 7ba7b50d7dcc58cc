// Measures the state of the sync from the tables, for one directory, one organization or the whole, in few statements. The
// clock is the database's.
import type { Db } from '../db/client.ts';
import { inTransaction } from '../db/transaction.ts';
import type { HealthMeasurements } from './health-assess.ts';
import { readLatencies } from './health-latencies.ts';
import { MAX_LISTED, type MeasuredScope } from './health-scope.ts';
import { readRevokedTokens } from './health-tokens.ts';
import { type FeedStats, readOtherNodes } from './node-status.ts';

export interface LeaseHealth {
  job: string;
  /** The process that leads it; null: nobody does. */
  holder: string | null;
  epoch: bigint;
  /** Of the last takeover, or of the end of the last lease where nobody has followed. */
  since: Date;
}

export type TableMeasurements = Omit<
  HealthMeasurements,
  | 'dependencies'
  | 'downSince'
  | 'retentionSeconds'
  | 'windowSeconds'
  | 'silentDirectories'
  | 'drift'
  | 'leaderless'
  | 'slowestSubscriberLagSeconds'
> & {
  head: bigint;
  /** Changes that are recorded and not handed on. */
  unrelayed: number;
  acceptedWebhooks: number;
  /** null: asked about a part. */
  leases: LeaseHealth[] | null;
  otherNodes: FeedStats;
};

const IN_SCOPE = '($1::text IS NULL OR partition = $1) AND ($2::text IS NULL OR directory_id = $2)';

// Counts by (status, partition, id), or by (directory_id, id) for a directory; attempts, what waits and wide changes by their partial
// indexes.
// What waits in the environment's own partition keeps everybody waiting.
const EVENTS = `
  SELECT now() AS at,
    (SELECT coalesce(json_object_agg(status, n), '{}') FROM (SELECT status, count(*)::int AS n FROM directory_event WHERE ${IN_SCOPE} GROUP BY status) s) AS counts,
    (SELECT coalesce(sum(attempts), 0)::int FROM directory_event WHERE attempts > 0 AND ${IN_SCOPE}) AS "failedAttempts",
    (SELECT min(occurred_at) FROM directory_event WHERE status = 'PENDING' AND (${IN_SCOPE} OR partition = 'environment')) AS "oldestPendingAt",
    (SELECT min(received_at) FROM directory_event WHERE status = 'QUARANTINED' AND ${IN_SCOPE}) AS "oldestQuarantinedAt",
    (SELECT min(started_at) FROM wide_change WHERE finished_at IS NULL AND ($1::text IS NULL OR organization_id = $1)
       AND ($2::text IS NULL OR organization_id = (SELECT organization_id FROM directory WHERE id = $2))) AS "oldestWideChangeAt"`;

// Single rows by primary key; the oldest change that was not handed on is the one after relayed_position; replays by status;
// suspected accounts by organization or directory.
const STATE = `
  SELECT c.event_id AS "eventId", c.event_created_at AS "eventCreatedAt", c.caught_up_at AS "caughtUpAt", c.updated_at AS "updatedAt", h.position AS head, (h.position - h.relayed_position)::int AS unrelayed,
    (SELECT recorded_at FROM entitlement_change WHERE position > h.relayed_position ORDER BY position LIMIT 1) AS "oldestUnpublishedAt",
    (SELECT json_build_object('received', coalesce(sum(received), 0), 'duplicate', coalesce(sum(duplicate), 0),
       'accepted', coalesce(sum(received) FILTER (WHERE channel = 'WEBHOOK' AND hour > now() - $3 * interval '1 second' - interval '1 hour'), 0),
       'refused', coalesce(sum(refused) FILTER (WHERE hour > now() - $3 * interval '1 second' - interval '1 hour'), 0),
       'refusedSince', min(hour) FILTER (WHERE refused > 0 AND hour > now() - $3 * interval '1 second' - interval '1 hour')) FROM ingest_stat) AS ingest,
    (SELECT json_build_object('running', count(*) FILTER (WHERE status IN ('PENDING', 'RUNNING')), 'succeeded', count(*) FILTER (WHERE status = 'SUCCEEDED'),
       'failed', count(*) FILTER (WHERE status = 'FAILED')) FROM replay
     WHERE $1::text IS NULL OR organization_id = $1 OR selection ->> 'organizationId' = $1) AS replays,
    (SELECT json_build_object('accounts', count(*), 'since', min(t.requested_at)) FROM directory_user u LEFT JOIN refresh_task t ON t.user_id = u.id
     WHERE u.drift_suspected AND ($1::text IS NULL OR u.organization_id = $1) AND ($2::text IS NULL OR u.directory_id = $2)) AS suspected
  FROM sync_cursor c, change_log_head h WHERE c.id = 'events' AND h.id = 1`;

// Small tables, and replays by status.
const TROUBLES = `
  (SELECT 'import' AS of, directory_id AS id, '' AS state, error, users_read AS users, groups_read AS groups, memberships_read AS memberships, started_at AS since
   FROM directory_import WHERE phase <> 'FINISHED' AND ($1::text IS NULL OR organization_id = $1) AND ($2::text IS NULL OR directory_id = $2)
   ORDER BY directory_id LIMIT ${MAX_LISTED})
  UNION ALL
  (SELECT CASE WHEN source_updated_at < 'epoch' THEN 'unknown' ELSE 'inactive' END, id, state::text, NULL, 0, 0, 0, greatest(source_updated_at, 'epoch')
   FROM directory WHERE state NOT IN ('ACTIVE', 'DELETED') AND ($1::text IS NULL OR organization_id = $1) AND ($2::text IS NULL OR id = $2) ORDER BY id LIMIT ${MAX_LISTED})
  UNION ALL
  (SELECT 'replay', id, '', NULL, 0, 0, 0, finished_at FROM replay
   WHERE status = 'FAILED' AND finished_at >= now() - $3 * interval '1 second' AND ($1::text IS NULL OR organization_id = $1 OR selection ->> 'organizationId' = $1)
   ORDER BY finished_at DESC LIMIT ${MAX_LISTED})`;

// All of a small table.
const LEASES = `
  SELECT job, CASE WHEN expires_at > now() THEN holder END AS holder, epoch, CASE WHEN expires_at > now() THEN taken_at ELSE expires_at END AS since
  FROM lease ORDER BY job`;

interface EventsRow {
  at: Date;
  counts: Partial<Record<'PENDING' | 'APPLIED' | 'STALE' | 'IGNORED' | 'QUARANTINED' | 'SKIPPED', number>>;
  failedAttempts: number;
  oldestPendingAt: Date | null;
  oldestQuarantinedAt: Date | null;
  oldestWideChangeAt: Date | null;
}

interface StateRow {
  eventId: string | null;
  eventCreatedAt: Date | null;
  caughtUpAt: Date | null;
  updatedAt: Date;
  head: bigint;
  unrelayed: number;
  oldestUnpublishedAt: Date | null;
  ingest: { received: number; duplicate: number; accepted: number; refused: number; refusedSince: string | null };
  replays: { running: number; succeeded: number; failed: number };
  suspected: { accounts: number; since: string | null };
}

interface TroubleRow {
  of: 'import' | 'unknown' | 'inactive' | 'replay';
  id: string;
  state: string;
  error: string | null;
  users: number;
  groups: number;
  memberships: number;
  since: Date;
}

const toDate = (text: string | null): Date | null => (text === null ? null : new Date(text));

export async function measureTables(
  db: Db,
  { organizationId, directoryId }: MeasuredScope,
  windowSeconds: number,
  { nodeId, tenant }: { nodeId: string; tenant: string | null },
): Promise<TableMeasurements> {
  const whole = organizationId === null && directoryId === null;
  // One snapshot: a cursor that stands at the end beside "nothing pending" must mean that all of it is applied.
  const { events, state, troubles, ...rest } = await inTransaction(
    db,
    async (tx) => {
      const [counted] = await tx.$queryRawUnsafe<EventsRow[]>(EVENTS, organizationId, directoryId);
      const [single] = await tx.$queryRawUnsafe<StateRow[]>(STATE, organizationId, directoryId, windowSeconds);
      return {
        events: counted,
        state: single,
        troubles: await tx.$queryRawUnsafe<TroubleRow[]>(TROUBLES, organizationId, directoryId, windowSeconds),
        latencies: await readLatencies(tx, { organizationId, directoryId }, windowSeconds),
        revokedTokens: await readRevokedTokens(tx, { organizationId, directoryId }),
        leases: whole ? await tx.$queryRawUnsafe<LeaseHealth[]>(LEASES) : null,
        otherNodes: await readOtherNodes(tx, nodeId, tenant),
      };
    },
    { isolation: 'RepeatableRead' },
  );
  if (!events || !state) throw new Error('sync_cursor or change_log_head has no row: the migrations did not run to the end');

  const { counts, at, failedAttempts, oldestPendingAt, oldestQuarantinedAt, oldestWideChangeAt } = events;
  const { ingest, replays, suspected, head, unrelayed, oldestUnpublishedAt, ...cursor } = state;
  const stored = Object.values(counts).reduce((sum, n) => sum + n, 0);
  const of = (kind: TroubleRow['of']): TroubleRow[] => troubles.filter((row) => row.of === kind);
  const inTrouble = ({ id, state: directoryState, since }: TroubleRow) => ({ directoryId: id, state: directoryState, since });
  return {
    at,
    head,
    unrelayed,
    cursor,
    events: {
      // Arrivals are counted for the whole only; of a part we know what is there.
      received: whole ? ingest.received : stored,
      duplicate: whole ? ingest.duplicate : 0,
      pending: counts.PENDING ?? 0,
      applied: counts.APPLIED ?? 0,
      stale: counts.STALE ?? 0,
      ignored: counts.IGNORED ?? 0,
      quarantined: counts.QUARANTINED ?? 0,
      failedAttempts,
    },
    oldestPendingAt,
    oldestQuarantinedAt,
    oldestWideChangeAt,
    ...rest.latencies,
    revokedTokens: rest.revokedTokens,
    leases: rest.leases,
    otherNodes: rest.otherNodes,
    replays,
    failedReplays: of('replay').map(({ id, since }) => ({ id, finishedAt: since })),
    suspectedAccounts: suspected.accounts,
    suspectedSince: toDate(suspected.since),
    acceptedWebhooks: whole ? ingest.accepted : 0,
    refusedWebhooks: whole ? ingest.refused : 0,
    refusedSince: toDate(ingest.refusedSince),
    oldestUnpublishedAt,
    unfinishedImports: of('import').map(({ id, users, groups, memberships, since, error }) => ({
      directoryId: id,
      usersRead: users,
      groupsRead: groups,
      membershipsRead: memberships,
      startedAt: since,
      error,
    })),
    inactiveDirectories: of('inactive').map(inTrouble),
    unknownDirectories: of('unknown').map((row) => ({ ...inTrouble(row), since: at })),
  };
}
