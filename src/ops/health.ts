// Sync-health: measured from the tables and the dependencies, assessed by a table of checks, read once or watched.
import type { Db } from '../db/client.ts';
import { isOutage } from '../db/outage.ts';
import { AccessError } from '../errors.ts';
import { type Latency, NO_LATENCY } from '../model/latency.ts';
import { type DriftSummary, readDriftSummary } from './drift-summary.ts';
import {
  assessHealth,
  DEFAULT_THRESHOLDS,
  type DependencyHealth,
  type DirectorySince,
  type HealthMeasurements,
  type HealthThresholds,
  type SyncProblem,
  type SyncStatus,
} from './health-assess.ts';
import { type Dependency, lookAt } from './health-dependencies.ts';
import { type LeaseHealth, measureTables, type TableMeasurements } from './health-measure.ts';
import { type HealthScope, resolveScope } from './health-scope.ts';
import { readSilentDirectories } from './health-silence.ts';
import { watchHealth } from './health-watch.ts';
import { ALL, addStats, type FeedStatsByTenant, NO_SUBSCRIBERS } from './node-status.ts';

export type { HealthScope } from './health-scope.ts';

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
  /** By the newest report of each directory; accounts under suspicion count, where they are more. */
  drift: DriftSummary;
  feed: {
    head: bigint;
    unrelayed: number;
    relayLagSeconds: number;
    subscribers: number;
    slowestSubscriberLagSeconds: number | null;
    stalledReaders: number;
  };
  /** Deliveries within the window, to the hour; of the whole only. */
  webhooks: { accepted: number; refused: number };
  /** Of the whole only. */
  leases: LeaseHealth[];
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
  /** Names this process among those that tell of their subscribers. */
  nodeId?: string;
  /** Of this process; what the others say is in the database. */
  feedStats: () => FeedStatsByTenant;
  /** The jobs that somebody has to lead. */
  jobs?: readonly string[];
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

interface BesideTables {
  silentNow: DirectorySince[];
  drift: DriftSummary;
  dependencies: DependencyHealth[];
  tenant: string | null;
}

const DAY_SECONDS = 86_400;
const SILENCE_CHECK_MS = 60_000;

const seconds = (from: Date | null, to: Date): number => (from ? Math.max(0, (to.getTime() - from.getTime()) / 1_000) : 0);

export function createHealth(deps: HealthDeps): HealthService {
  const {
    db,
    clock,
    feedStats,
    nodeId = '',
    jobs = [],
    thresholds = DEFAULT_THRESHOLDS,
    windowSeconds = 3_600,
    watchIntervalMs = 2_000,
    maxSilenceMs = 15_000,
  } = deps;
  const retentionSeconds = deps.retentionDays * DAY_SECONDS;
  /** Watchers of one scope share what is no older than this. */
  const sharedMs = watchIntervalMs / 2;
  const recent = new Map<string, { atMs: number; health: Promise<SyncHealth> }>();
  const silent = new Map<string, { atMs: number; directories: Promise<DirectorySince[]> }>();
  const downSince = new Map<string, Date>();
  const bornAt = clock();

  /** Silence is a matter of hours, and costs a look at many of them. */
  function silentDirectories(scope: HealthScope): Promise<DirectorySince[]> {
    const key = JSON.stringify(scope);
    const known = silent.get(key);
    if (known && performance.now() - known.atMs < SILENCE_CHECK_MS) return known.directories;
    for (const [old, { atMs }] of silent) if (performance.now() - atMs >= SILENCE_CHECK_MS) silent.delete(old);
    const directories = readSilentDirectories(db, scope, thresholds.silentDirectoryHours);
    directories.catch(() => silent.delete(key));
    silent.set(key, { atMs: performance.now(), directories });
    return directories;
  }

  function remember(dependencies: readonly DependencyHealth[]): void {
    for (const { name, ok } of dependencies) {
      if (ok) downSince.delete(name);
      else if (!downSince.has(name)) downSince.set(name, clock());
    }
  }

  async function measure(scope: HealthScope, tenant: string | null): Promise<SyncHealth> {
    const dependencies = await lookAt(deps.dependencies);
    const workos = deps.workosError?.();
    if (workos !== undefined) dependencies.push({ name: 'workos', ok: workos === null, latencyMs: null, error: workos });
    remember(dependencies);
    try {
      const measuredScope = await resolveScope(db, scope, tenant);
      const measured = await measureTables(db, measuredScope, windowSeconds, { nodeId, tenant });
      const [silentNow, drift] = await Promise.all([silentDirectories(measuredScope), readDriftSummary(db, measuredScope, tenant)]);
      return toHealth(measured, { silentNow, drift, dependencies, tenant });
    } catch (error) {
      if (error instanceof AccessError || !isOutage(error)) throw error;
      const others = dependencies.filter(({ name }) => name !== 'database');
      return toHealth(unmeasured(clock()), {
        silentNow: [],
        drift: NO_DRIFT,
        dependencies: [{ name: 'database', ok: false, latencyMs: null, error: 'it does not answer' }, ...others],
        tenant,
      });
    }
  }

  function toHealth(
    { head, unrelayed, acceptedWebhooks, leases, otherNodes, ...measured }: TableMeasurements,
    { silentNow, drift, dependencies, tenant }: BesideTables,
  ): SyncHealth {
    const feed = addStats(feedStats()[tenant ?? ALL] ?? NO_SUBSCRIBERS, otherNodes);
    const { at, cursor, oldestPendingAt, oldestUnpublishedAt, replays, suspectedAccounts, events, eventLag, revocationLatency } = measured;
    const { status, problems } = assessHealth(
      {
        ...measured,
        silentDirectories: silentNow,
        drift,
        leaderless: leases ? leaderlessAmong(leases) : [],
        slowestSubscriberLagSeconds: feed.slowestLagSeconds,
        dependencies,
        downSince,
        retentionSeconds,
        windowSeconds,
      },
      thresholds,
    );
    const keptUntil = cursor.caughtUpAt ?? cursor.eventCreatedAt;
    const ended = replays.succeeded + replays.failed;
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
      drift: { ...drift, accountsDrifted: Math.max(drift.accountsDrifted, suspectedAccounts) },
      feed: {
        head,
        unrelayed,
        relayLagSeconds: seconds(oldestUnpublishedAt, at),
        subscribers: feed.subscribers,
        slowestSubscriberLagSeconds: feed.slowestLagSeconds,
        stalledReaders: feed.stalledReaders,
      },
      webhooks: { accepted: acceptedWebhooks, refused: measured.refusedWebhooks },
      leases: leases ?? [],
      dependencies,
    };
  }

  /** A job that was never led is counted from when this process began to look. */
  function leaderlessAmong(leases: readonly LeaseHealth[]): { job: string; since: Date }[] {
    return jobs.flatMap((job) => {
      const lease = leases.find((one) => one.job === job);
      return lease?.holder ? [] : [{ job, since: lease?.since ?? bornAt }];
    });
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

const NO_DRIFT: DriftSummary = { accountsChecked: 0, accountsDrifted: 0, byKind: [], lastReportId: null, lastCheckedAt: null };

/** While the database is away nothing is known, and that is the news. */
const unmeasured = (at: Date): TableMeasurements => ({
  at,
  head: 0n,
  unrelayed: 0,
  cursor: { eventId: null, eventCreatedAt: null, caughtUpAt: null, updatedAt: null },
  events: { received: 0, duplicate: 0, pending: 0, applied: 0, stale: 0, ignored: 0, quarantined: 0, failedAttempts: 0 },
  oldestPendingAt: null,
  oldestQuarantinedAt: null,
  oldestWideChangeAt: null,
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
  revokedTokens: [],
  acceptedWebhooks: 0,
  leases: null,
  otherNodes: NO_SUBSCRIBERS,
});
