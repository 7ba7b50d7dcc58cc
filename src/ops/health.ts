// Sync-health: measured from the tables and the dependencies, assessed by a table of checks, read once or watched.
import type { Db } from '../db/client.ts';
import { isOutage } from '../db/outage.ts';
import { AccessError } from '../errors.ts';
import {
  assessHealth,
  DEFAULT_THRESHOLDS,
  type DependencyHealth,
  type HealthMeasurements,
  type HealthThresholds,
  type Latency,
  type SyncProblem,
  type SyncStatus,
} from './health-assess.ts';
import { type Dependency, lookAt } from './health-dependencies.ts';
import { type MeasuredScope, measureTables, type TableMeasurements } from './health-measure.ts';
import { watchHealth } from './health-watch.ts';

export interface HealthScope {
  organizationId: string | null;
  directoryId: string | null;
}

export interface SyncHealth {
  status: SyncStatus;
  problems: SyncProblem[];
  checkedAt: Date;
  windowSeconds: number;
  cursor: { eventId: string | null; eventCreatedAt: Date | null; updatedAt: Date | null; fallsOffRetentionAt: Date | null };
  /** Age of the oldest event that is known and not applied; 0 when there is none. */
  currentLagSeconds: number;
  eventLag: Latency;
  revocationLatency: Latency;
  events: HealthMeasurements['events'];
  replays: { running: number; succeeded: number; failed: number; successRate: number | null };
  drift: { accountsChecked: number; accountsDrifted: number; byKind: []; lastReportId: null; lastCheckedAt: null };
  feed: { head: bigint; relayLagSeconds: number; subscribers: number; slowestSubscriberLagSeconds: number | null };
  dependencies: DependencyHealth[];
}

export interface HealthService {
  /** NOT_FOUND for an organization or directory that is unknown or foreign. */
  read(scope: HealthScope, tenant: string | null): Promise<SyncHealth>;
  /** Now, then whenever something has changed, and at least every 15 s; ends with the signal. */
  watch(scope: HealthScope, tenant: string | null, signal: AbortSignal): AsyncIterableIterator<SyncHealth>;
}

export interface HealthDeps {
  db: Db;
  retentionDays: number;
  feedStats: () => { subscribers: number; slowestLagSeconds: number | null };
  /** `check` answers in milliseconds of one round trip, or rejects. Among them "database". */
  dependencies: readonly Dependency[];
  /** How the last round to WorkOS ended: null, or what went wrong. null where no poller runs in this process. */
  workosError: (() => string | null) | null;
  clock: () => Date;
  thresholds?: HealthThresholds;
  windowSeconds?: number;
  watchIntervalMs?: number;
  maxSilenceMs?: number;
}

const DAY_SECONDS = 86_400;

const seconds = (from: Date | null, to: Date): number => (from ? Math.max(0, (to.getTime() - from.getTime()) / 1_000) : 0);

export function createHealth(deps: HealthDeps): HealthService {
  const {
    db,
    clock,
    feedStats,
    thresholds = DEFAULT_THRESHOLDS,
    windowSeconds = 3_600,
    watchIntervalMs = 2_000,
    maxSilenceMs = 15_000,
  } = deps;
  const retentionSeconds = deps.retentionDays * DAY_SECONDS;
  /** Watchers of one scope share what is no older than this. */
  const sharedMs = watchIntervalMs / 2;
  const recent = new Map<string, { atMs: number; health: Promise<SyncHealth> }>();

  async function measure(scope: HealthScope, tenant: string | null): Promise<SyncHealth> {
    const dependencies = await lookAt(deps.dependencies);
    const workos = deps.workosError?.();
    if (workos !== undefined) dependencies.push({ name: 'workos', ok: workos === null, latencyMs: null, error: workos });
    try {
      return toHealth(await measureTables(db, await resolveScope(db, scope, tenant), windowSeconds), dependencies);
    } catch (error) {
      if (error instanceof AccessError || !isOutage(error)) throw error;
      const others = dependencies.filter(({ name }) => name !== 'database');
      return toHealth(unmeasured(clock()), [{ name: 'database', ok: false, latencyMs: null, error: 'it does not answer' }, ...others]);
    }
  }

  function toHealth({ head, ...measured }: TableMeasurements, dependencies: DependencyHealth[]): SyncHealth {
    const { at, cursor, oldestPendingAt, oldestUnpublishedAt, replays, suspectedAccounts, events, eventLag, revocationLatency } = measured;
    const { status, problems } = assessHealth({ ...measured, dependencies, retentionSeconds, windowSeconds }, thresholds);
    const keptUntil = cursor.caughtUpAt ?? cursor.eventCreatedAt;
    const ended = replays.succeeded + replays.failed;
    const { subscribers, slowestLagSeconds } = feedStats();
    return {
      status,
      problems,
      checkedAt: at,
      windowSeconds,
      cursor: {
        eventId: cursor.eventId,
        eventCreatedAt: cursor.eventCreatedAt,
        updatedAt: cursor.updatedAt,
        fallsOffRetentionAt: keptUntil && new Date(keptUntil.getTime() + retentionSeconds * 1_000),
      },
      currentLagSeconds: seconds(oldestPendingAt, at),
      eventLag,
      revocationLatency,
      events,
      replays: { ...replays, successRate: ended === 0 ? null : replays.succeeded / ended },
      // No directory has been compared with its source yet: drift is a suspicion, of no kind.
      drift: { accountsChecked: 0, accountsDrifted: suspectedAccounts, byKind: [], lastReportId: null, lastCheckedAt: null },
      feed: { head, relayLagSeconds: seconds(oldestUnpublishedAt, at), subscribers, slowestSubscriberLagSeconds: slowestLagSeconds },
      dependencies,
    };
  }

  function share(scope: HealthScope, tenant: string | null): Promise<SyncHealth> {
    const key = JSON.stringify([scope.organizationId, scope.directoryId, tenant]);
    const known = recent.get(key);
    if (known && performance.now() - known.atMs < sharedMs) return known.health;
    for (const [old, { atMs }] of recent) if (performance.now() - atMs >= sharedMs) recent.delete(old);
    const health = measure(scope, tenant);
    recent.set(key, { atMs: performance.now(), health });
    return health;
  }

  return {
    read: measure,
    watch: (scope, tenant, signal) => watchHealth(() => share(scope, tenant), { intervalMs: watchIntervalMs, maxSilenceMs }, signal),
  };
}

// By primary keys.
const SCOPE = `
  SELECT (SELECT id FROM organization WHERE id = $1) AS "organizationId", (SELECT organization_id FROM directory WHERE id = $2) AS "directoryOrganizationId"`;

/** What the caller may see of what it asked for. */
async function resolveScope(db: Db, { organizationId, directoryId }: HealthScope, tenant: string | null): Promise<MeasuredScope> {
  if (organizationId === null && directoryId === null) return { organizationId: tenant, directoryId: null };
  const usable = [organizationId, directoryId].every((id) => id === null || (!id.includes('\0') && id.isWellFormed()));
  const [found] = usable
    ? await db.$queryRawUnsafe<{ organizationId: string | null; directoryOrganizationId: string | null }[]>(
        SCOPE,
        organizationId,
        directoryId,
      )
    : [];
  const owner = directoryId === null ? found?.organizationId : found?.directoryOrganizationId;
  const visible = owner != null && (tenant === null || owner === tenant) && (organizationId === null || owner === organizationId);
  if (!visible)
    throw new AccessError(
      'NOT_FOUND',
      directoryId === null ? 'organizationId: there is no such organization.' : 'directoryId: there is no such directory.',
    );
  return { organizationId: owner, directoryId };
}

const NO_LATENCY: Latency = { p50Seconds: null, p95Seconds: null, p99Seconds: null, maxSeconds: null, samples: 0 };

/** While the database is away nothing is known, and that is the news. */
const unmeasured = (at: Date): TableMeasurements => ({
  at,
  head: 0n,
  cursor: { eventId: null, eventCreatedAt: null, caughtUpAt: null, updatedAt: null },
  events: { received: 0, duplicate: 0, pending: 0, applied: 0, stale: 0, ignored: 0, quarantined: 0, failedAttempts: 0 },
  oldestPendingAt: null,
  oldestQuarantinedAt: null,
  eventLag: NO_LATENCY,
  revocationLatency: NO_LATENCY,
  replays: { running: 0, succeeded: 0, failed: 0 },
  failedReplays: [],
  suspectedAccounts: 0,
  suspectedSince: null,
  refusedWebhooks: 0,
  refusedSince: null,
  oldestUnpublishedAt: null,
  unfinishedImports: [],
  inactiveDirectories: [],
  unknownDirectories: [],
});
