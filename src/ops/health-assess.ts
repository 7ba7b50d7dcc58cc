// Pure: what the measurements mean. FAILING: authorization may be stale now. DEGRADED: it is not, as far as we know, but
// something needs a look. Every problem says since when, and what to do.
import type { Latency } from '../model/latency.ts';
import type { DriftSummary } from './drift-summary.ts';

export interface DependencyHealth {
  name: string;
  ok: boolean;
  latencyMs: number | null;
  error: string | null;
}

export interface DirectoryInTrouble {
  directoryId: string;
  state: string;
  since: Date;
}

export interface DirectorySince {
  directoryId: string;
  since: Date;
}

export interface UnfinishedImport {
  directoryId: string;
  usersRead: number;
  groupsRead: number;
  membershipsRead: number;
  startedAt: Date;
  /** Of the last attempt. */
  error: string | null;
}

export interface FailedReplay {
  id: string;
  finishedAt: Date;
}

export interface HealthMeasurements {
  /** By the clock of the database. */
  at: Date;
  windowSeconds: number;
  retentionSeconds: number;
  cursor: { eventId: string | null; eventCreatedAt: Date | null; caughtUpAt: Date | null; updatedAt: Date | null };
  /** Events in scope. */
  events: Record<'received' | 'duplicate' | 'pending' | 'applied' | 'stale' | 'ignored' | 'quarantined' | 'failedAttempts', number>;
  oldestPendingAt: Date | null;
  oldestQuarantinedAt: Date | null;
  /** Since when the oldest unfinished change that touches many is under way. */
  oldestWideChangeAt: Date | null;
  eventLag: Latency;
  revocationLatency: Latency;
  replays: { running: number; succeeded: number; failed: number };
  /** Failed within the window; the newest. */
  failedReplays: FailedReplay[];
  /** By the newest report of each directory. */
  drift: DriftSummary;
  suspectedAccounts: number;
  /** When the oldest of them was queued to be read again. */
  suspectedSince: Date | null;
  /** Webhook deliveries refused within the window; 0 where the caller does not see the whole. */
  refusedWebhooks: number;
  refusedSince: Date | null;
  oldestUnpublishedAt: Date | null;
  unfinishedImports: UnfinishedImport[];
  inactiveDirectories: DirectoryInTrouble[];
  /** Known from events about their users and groups only. */
  unknownDirectories: DirectoryInTrouble[];
  /** Nothing can be pushed any more. */
  revokedTokens: DirectorySince[];
  /** Usually active, now quiet. */
  silentDirectories: DirectorySince[];
  /** Jobs that no process leads. */
  leaderless: { job: string; since: Date }[];
  /** Over all nodes; null without any subscriber. */
  slowestSubscriberLagSeconds: number | null;
  dependencies: DependencyHealth[];
  /** By name of the dependency, as far as this process has seen. */
  downSince: ReadonlyMap<string, Date>;
}

export interface HealthThresholds {
  /** Age of the oldest event that is known and not applied. */
  eventLagSeconds: number;
  /** Age of the oldest change that is recorded and not handed on. */
  relayLagSeconds: number;
  /** Since a poll last reached the end of the Events API. */
  cursorStaleSeconds: number;
  /** Age of the oldest change that the slowest subscriber has not taken. */
  subscriberLagSeconds: number;
  /** A job without a process that leads it. */
  noLeaderSeconds: number;
  /** Less quiet than this is no silence, whatever a directory's habits. */
  silentDirectoryHours: number;
}

export const DEFAULT_THRESHOLDS: HealthThresholds = {
  eventLagSeconds: 30,
  relayLagSeconds: 5,
  cursorStaleSeconds: 120,
  subscriberLagSeconds: 60,
  noLeaderSeconds: 15,
  silentDirectoryHours: 6,
};

export type SyncStatus = 'HEALTHY' | 'DEGRADED' | 'FAILING';

export interface SyncProblem {
  code: string;
  message: string;
  since: Date;
}

interface Finding extends SyncProblem {
  /** Authorization may be stale now. */
  failing: boolean;
}

type Check = (measured: HealthMeasurements, thresholds: HealthThresholds) => Finding[];

const secondsSince = (at: Date, since: Date): number => (at.getTime() - since.getTime()) / 1_000;
const whole = (seconds: number): string => `${Math.round(seconds).toLocaleString('en-US')} s`;
const count = (n: number, one: string, many: string): string => `${n.toLocaleString('en-US')} ${n === 1 ? one : many}`;

const CHECKS: readonly Check[] = [
  ({ dependencies, downSince, at }) =>
    dependencies
      .filter(({ ok }) => !ok)
      .map(({ name, error }) => ({
        code: 'DEPENDENCY_DOWN',
        message: `${name} does not answer${error ? `: ${error}` : ''}. ${DEPENDENCY_ADVICE[name] ?? 'See that it runs and can be reached from here.'}`,
        since: downSince.get(name) ?? at,
        failing: name !== 'redis',
      })),
  ({ cursor, at, retentionSeconds }) => {
    const { caughtUpAt } = cursor;
    if (!caughtUpAt || secondsSince(at, caughtUpAt) <= retentionSeconds) return [];
    const message = `The Events API was last read to its end ${whole(secondsSince(at, caughtUpAt))} ago, longer than WorkOS keeps events: some may be lost. Start \`work\`; it reads every directory again.`;
    return [{ code: 'RETENTION_GAP', message, since: new Date(caughtUpAt.getTime() + retentionSeconds * 1_000), failing: true }];
  },
  ({ events, oldestQuarantinedAt, at }) =>
    events.quarantined === 0
      ? []
      : [
          {
            code: 'EVENTS_QUARANTINED',
            message: `${count(events.quarantined, 'event', 'events')} could not be applied, so access may differ from the directory. See directoryEvents(statuses: [QUARANTINED]), then retryEvents or replayEvents when the cause is mended, or skipEvent.`,
            since: oldestQuarantinedAt ?? at,
            failing: true,
          },
        ],
  ({ oldestPendingAt, at }, { eventLagSeconds }) => {
    if (!oldestPendingAt || secondsSince(at, oldestPendingAt) <= eventLagSeconds) return [];
    const message = `Events wait to be applied, the oldest happened ${whole(secondsSince(at, oldestPendingAt))} ago (limit ${eventLagSeconds} s). If that does not shrink, see that \`work\` runs and what its log says.`;
    return [{ code: 'EVENT_LAG', message, since: oldestPendingAt, failing: true }];
  },
  ({ oldestWideChangeAt, at }, { eventLagSeconds }) => {
    if (!oldestWideChangeAt || secondsSince(at, oldestWideChangeAt) <= eventLagSeconds) return [];
    const message = `A change of the catalog that touches many is not carried out to the end after ${whole(secondsSince(at, oldestWideChangeAt))} (limit ${eventLagSeconds} s), so access of some is still as before. If that lasts, see that \`work\` runs and what its log says.`;
    return [{ code: 'WIDE_CHANGE_LAG', message, since: oldestWideChangeAt, failing: true }];
  },
  ({ cursor, at, unfinishedImports }, { cursorStaleSeconds }) => {
    // A first read of the directories comes before the first poll.
    const since = cursor.caughtUpAt ?? (unfinishedImports.length > 0 ? null : cursor.updatedAt);
    if (!since || secondsSince(at, since) <= cursorStaleSeconds) return [];
    const message = `No poll has reached the end of the Events API for ${whole(secondsSince(at, since))} (limit ${cursorStaleSeconds} s). See that \`work\` runs and that WorkOS answers it.`;
    return [{ code: 'CURSOR_STALE', message, since, failing: false }];
  },
  ({ oldestUnpublishedAt, at }, { relayLagSeconds }) => {
    if (!oldestUnpublishedAt || secondsSince(at, oldestUnpublishedAt) <= relayLagSeconds) return [];
    const message = `Changes wait for the relay since ${whole(secondsSince(at, oldestUnpublishedAt))} (limit ${relayLagSeconds} s); subscribers get them by polling, later. See that \`work\` runs and that Redis answers it.`;
    return [{ code: 'RELAY_LAG', message, since: oldestUnpublishedAt, failing: false }];
  },
  ({ leaderless, at }, { noLeaderSeconds }) =>
    leaderless
      .filter(({ since }) => secondsSince(at, since) > noLeaderSeconds)
      .map(({ job, since }) => ({
        code: 'NO_LEADER',
        message: `No process leads the job "${job}" (limit ${noLeaderSeconds} s), so nobody does it. See that \`work\` or \`start\` runs and reaches the database.`,
        since,
        failing: KEEPS_ACCESS_CURRENT.has(job),
      })),
  ({ slowestSubscriberLagSeconds: lagSeconds, at }, { subscriberLagSeconds }) => {
    if (lagSeconds === null || lagSeconds <= subscriberLagSeconds) return [];
    const message = `A subscriber is ${whole(lagSeconds)} behind (limit ${subscriberLagSeconds} s), so what it enforces is old. See which service reads its feed slowly, or not at all.`;
    return [{ code: 'SUBSCRIBER_LAG', message, since: new Date(at.getTime() - lagSeconds * 1_000), failing: false }];
  },
  ({ unfinishedImports }) =>
    unfinishedImports.map(({ directoryId, usersRead, groupsRead, membershipsRead, startedAt, error }) => {
      const progress = `users ${usersRead.toLocaleString('en-US')}, groups ${groupsRead.toLocaleString('en-US')}, memberships ${membershipsRead.toLocaleString('en-US')}`;
      return error === null
        ? {
            code: 'IMPORT_RUNNING',
            message: `Directory ${directoryId} is being read in full: ${progress} so far. Nothing to do but wait.`,
            since: startedAt,
            failing: false,
          }
        : {
            code: 'IMPORT_FAILED',
            message: `The full read of directory ${directoryId} does not get on (${progress}): ${error}. It is tried again by itself; see that WorkOS answers.`,
            since: startedAt,
            failing: false,
          };
    }),
  ({ unknownDirectories }) =>
    unknownDirectories.map(({ directoryId, since }) => ({
      code: 'UNKNOWN_DIRECTORY',
      message: `Directory ${directoryId} is known only from events about its users and groups, so they have no access yet. A full read or its dsync.activated event will tell; see that INITIAL_IMPORT is not off.`,
      since,
      failing: false,
    })),
  ({ inactiveDirectories }) =>
    inactiveDirectories.map(({ directoryId, state, since }) => ({
      code: 'DIRECTORY_NOT_ACTIVE',
      message: `Directory ${directoryId} is ${state}, so none of its users has access. ${STATE_ADVICE[state] ?? 'See its connection in WorkOS.'}`,
      since,
      failing: false,
    })),
  ({ revokedTokens }) =>
    revokedTokens.map(({ directoryId, since }) => ({
      code: 'SCIM_TOKEN_REVOKED',
      message: `The SCIM token of directory ${directoryId} was revoked and nothing has come from it since, so leavers keep their access. Give the identity provider a new token from WorkOS.`,
      since,
      failing: false,
    })),
  ({ silentDirectories }) =>
    silentDirectories.map(({ directoryId, since }) => ({
      code: 'SILENT_DIRECTORY',
      message: `Directory ${directoryId} is usually active, and now quiet for longer than ever lately. See that its identity provider still pushes to WorkOS, and reconcile it.`,
      since,
      failing: false,
    })),
  ({ drift, at }) =>
    drift.accountsDrifted === 0
      ? []
      : [
          {
            code: 'DRIFT_FOUND',
            message: `${count(drift.accountsDrifted, 'account differs', 'accounts differ')} from the directory, by the last comparison. See driftReports, and repair with reconcileDirectory(repair: true).`,
            since: drift.lastCheckedAt ?? at,
            // A name that differs opens no door.
            failing: drift.byKind.some(({ kind }) => kind !== 'ATTRIBUTES'),
          },
        ],
  ({ suspectedAccounts, suspectedSince, at }) =>
    suspectedAccounts === 0
      ? []
      : [
          {
            code: 'DRIFT_SUSPECTED',
            message: `${count(suspectedAccounts, 'account', 'accounts')} may differ from the directory and will be read again from WorkOS. If that does not happen, see that WorkOS answers.`,
            since: suspectedSince ?? at,
            failing: false,
          },
        ],
  ({ refusedWebhooks, refusedSince, at, windowSeconds }) =>
    refusedWebhooks === 0
      ? []
      : [
          {
            code: 'WEBHOOKS_REFUSED',
            message: `${count(refusedWebhooks, 'webhook delivery', 'webhook deliveries')} refused within the last ${whole(windowSeconds)}. See that WORKOS_WEBHOOK_SECRET holds the secret of the endpoint in WorkOS, and that the clocks agree.`,
            since: refusedSince ?? at,
            failing: false,
          },
        ],
  ({ failedReplays }) =>
    failedReplays.map(({ id, finishedAt }) => ({
      code: 'REPLAY_FAILED',
      message: `Replay ${id} failed. See its error, mend the cause and start it again; what it did repair stays.`,
      since: finishedAt,
      failing: false,
    })),
];

/** Without them access goes stale; without the others something else waits. */
const KEEPS_ACCESS_CURRENT: ReadonlySet<string> = new Set(['sync', 'apply']);

const DEPENDENCY_ADVICE: Readonly<Record<string, string>> = {
  database: 'Nothing can be applied or answered without it; see that Postgres runs and DATABASE_URL is right.',
  redis: 'Changes reach subscribers by polling until it is back; see that Redis runs and REDIS_URL is right.',
  workos: 'New events do not arrive until it is back; see that WORKOS_API_KEY is valid and WORKOS_API_URL can be reached.',
};

const STATE_ADVICE: Readonly<Record<string, string>> = {
  INVALID_CREDENTIALS: 'Renew the credentials of its connection in WorkOS.',
  INACTIVE: 'Link it again in WorkOS, or delete it there if it is not wanted any more.',
  VALIDATING: 'WorkOS is still checking its connection; if that lasts, see there.',
};

export function assessHealth(
  measured: HealthMeasurements,
  thresholds: HealthThresholds = DEFAULT_THRESHOLDS,
): { status: SyncStatus; problems: SyncProblem[] } {
  const findings = CHECKS.flatMap((check) => check(measured, thresholds));
  const status = findings.some(({ failing }) => failing) ? 'FAILING' : findings.length > 0 ? 'DEGRADED' : 'HEALTHY';
  return { status, problems: findings.map(({ code, message, since }) => ({ code, message, since })) };
}
