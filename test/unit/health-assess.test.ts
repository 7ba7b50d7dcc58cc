// Which measurement is a problem, how bad it is, and since when.
import { expect, test } from 'vitest';
import { NO_LATENCY as LATENCY } from '../../src/model/latency.ts';
import { assessHealth, DEFAULT_THRESHOLDS, type HealthMeasurements } from '../../src/ops/health-assess.ts';

const AT = new Date('2026-03-01T12:00:00Z');
const ago = (seconds: number): Date => new Date(AT.getTime() - seconds * 1_000);
const DAY = 86_400;

const WELL: HealthMeasurements = {
  at: AT,
  windowSeconds: 3_600,
  retentionSeconds: 30 * DAY,
  cursor: { eventId: 'event_1', eventCreatedAt: ago(90 * DAY), caughtUpAt: ago(2), updatedAt: ago(2) },
  events: { received: 9, duplicate: 0, pending: 0, applied: 9, stale: 0, ignored: 0, quarantined: 0, failedAttempts: 3 },
  oldestPendingAt: null,
  oldestWideChangeAt: null,
  oldestQuarantinedAt: null,
  eventLag: LATENCY,
  revocationLatency: LATENCY,
  replays: { running: 1, succeeded: 1, failed: 1 },
  failedReplays: [],
  suspectedAccounts: 0,
  suspectedSince: null,
  refusedWebhooks: 0,
  refusedSince: null,
  oldestUnpublishedAt: null,
  unfinishedImports: [],
  inactiveDirectories: [],
  unknownDirectories: [],
  drift: { accountsChecked: 9, accountsDrifted: 0, byKind: [], lastReportId: 'r', lastCheckedAt: ago(30) },
  revokedTokens: [],
  silentDirectories: [],
  leaderless: [],
  slowestSubscriberLagSeconds: null,
  downSince: new Map(),
  dependencies: [
    { name: 'database', ok: true, latencyMs: 1, error: null },
    { name: 'redis', ok: true, latencyMs: 1, error: null },
    { name: 'workos', ok: true, latencyMs: null, error: null },
  ],
};

const down = (name: string) => ({ dependencies: [{ name, ok: false, latencyMs: null, error: 'it does not answer' }] });
const anImport = { directoryId: 'directory_1', usersRead: 1_200, groupsRead: 30, membershipsRead: 0, startedAt: ago(60), error: null };
const aDirectory = { directoryId: 'directory_1', state: 'INVALID_CREDENTIALS', since: ago(50) };
const { eventLagSeconds, relayLagSeconds, cursorStaleSeconds, subscriberLagSeconds, noLeaderSeconds } = DEFAULT_THRESHOLDS;

test.each<[string, Partial<HealthMeasurements>, 'HEALTHY' | 'DEGRADED' | 'FAILING', string | null, Date | null]>([
  ['nothing, on a quiet directory whose last event is long past', {}, 'HEALTHY', null, null],
  ['an event that has just come', { oldestPendingAt: ago(eventLagSeconds) }, 'HEALTHY', null, null],
  ['an event that waits too long', { oldestPendingAt: ago(eventLagSeconds + 1) }, 'FAILING', 'EVENT_LAG', ago(eventLagSeconds + 1)],
  ['a wide change that has just begun', { oldestWideChangeAt: ago(eventLagSeconds) }, 'HEALTHY', null, null],
  [
    'a wide change that nobody finishes',
    { oldestWideChangeAt: ago(eventLagSeconds + 1) },
    'FAILING',
    'WIDE_CHANGE_LAG',
    ago(eventLagSeconds + 1),
  ],
  [
    'a quarantined event',
    { events: { ...WELL.events, quarantined: 1 }, oldestQuarantinedAt: ago(40) },
    'FAILING',
    'EVENTS_QUARANTINED',
    ago(40),
  ],
  ['a change that has just been recorded', { oldestUnpublishedAt: ago(relayLagSeconds) }, 'HEALTHY', null, null],
  ['a relay that is behind', { oldestUnpublishedAt: ago(relayLagSeconds + 1) }, 'DEGRADED', 'RELAY_LAG', ago(relayLagSeconds + 1)],
  [
    'no poll for long',
    { cursor: { ...WELL.cursor, caughtUpAt: ago(cursorStaleSeconds + 1) } },
    'DEGRADED',
    'CURSOR_STALE',
    ago(cursorStaleSeconds + 1),
  ],
  [
    'no poll ever, while nothing else is going on',
    { cursor: { eventId: null, eventCreatedAt: null, caughtUpAt: null, updatedAt: ago(500) } },
    'DEGRADED',
    'CURSOR_STALE',
    ago(500),
  ],
  [
    'a first catching up that moves',
    { cursor: { eventId: 'event_1', eventCreatedAt: ago(DAY), caughtUpAt: null, updatedAt: ago(1) } },
    'HEALTHY',
    null,
    null,
  ],
  ['a full read under way', { unfinishedImports: [anImport] }, 'DEGRADED', 'IMPORT_RUNNING', ago(60)],
  ['a full read that does not get on', { unfinishedImports: [{ ...anImport, error: 'refused' }] }, 'DEGRADED', 'IMPORT_FAILED', ago(60)],
  ['a directory that is not linked', { inactiveDirectories: [aDirectory] }, 'DEGRADED', 'DIRECTORY_NOT_ACTIVE', ago(50)],
  ['a directory that nobody has told of', { unknownDirectories: [aDirectory] }, 'DEGRADED', 'UNKNOWN_DIRECTORY', ago(50)],
  ['suspected drift', { suspectedAccounts: 2, suspectedSince: ago(30) }, 'DEGRADED', 'DRIFT_SUSPECTED', ago(30)],
  ['refused webhooks', { refusedWebhooks: 1, refusedSince: ago(20) }, 'DEGRADED', 'WEBHOOKS_REFUSED', ago(20)],
  ['a failed replay', { failedReplays: [{ id: 'r', finishedAt: ago(10) }] }, 'DEGRADED', 'REPLAY_FAILED', ago(10)],
  ['the database away', down('database'), 'FAILING', 'DEPENDENCY_DOWN', AT],
  ['WorkOS away', down('workos'), 'FAILING', 'DEPENDENCY_DOWN', AT],
  [
    'a database that has been away for a while',
    { ...down('database'), downSince: new Map([['database', ago(70)]]) },
    'FAILING',
    'DEPENDENCY_DOWN',
    ago(70),
  ],
  ['a job between two leaders', { leaderless: [{ job: 'apply', since: ago(noLeaderSeconds) }] }, 'HEALTHY', null, null],
  [
    'nobody who applies',
    { leaderless: [{ job: 'apply', since: ago(noLeaderSeconds + 1) }] },
    'FAILING',
    'NO_LEADER',
    ago(noLeaderSeconds + 1),
  ],
  ['nobody who prunes', { leaderless: [{ job: 'upkeep', since: ago(99) }] }, 'DEGRADED', 'NO_LEADER', ago(99)],
  ['subscribers that take what there is', { slowestSubscriberLagSeconds: subscriberLagSeconds }, 'HEALTHY', null, null],
  ['a subscriber that does not', { slowestSubscriberLagSeconds: 90 }, 'DEGRADED', 'SUBSCRIBER_LAG', ago(90)],
  ['a revoked token', { revokedTokens: [{ directoryId: 'directory_1', since: ago(80) }] }, 'DEGRADED', 'SCIM_TOKEN_REVOKED', ago(80)],
  [
    'a silent directory',
    { silentDirectories: [{ directoryId: 'directory_1', since: ago(90_000) }] },
    'DEGRADED',
    'SILENT_DIRECTORY',
    ago(90_000),
  ],
  [
    'access that differs',
    { drift: { ...WELL.drift, accountsDrifted: 1, byKind: [{ kind: 'STATE', count: 1 }] } },
    'FAILING',
    'DRIFT_FOUND',
    ago(30),
  ],
  [
    'a name that differs',
    { drift: { ...WELL.drift, accountsDrifted: 2, byKind: [{ kind: 'ATTRIBUTES', count: 2 }] } },
    'DEGRADED',
    'DRIFT_FOUND',
    ago(30),
  ],
  ['Redis away, which costs latency only', down('redis'), 'DEGRADED', 'DEPENDENCY_DOWN', AT],
])('%s', (_what, over, status, code, since) => {
  const health = assessHealth({ ...WELL, ...over }, DEFAULT_THRESHOLDS);
  expect(health.status).toBe(status);
  expect(health.problems.map((problem) => [problem.code, problem.since])).toEqual(code === null ? [] : [[code, since]]);
  for (const { message } of health.problems) expect(message).toMatch(/^\S.+[^.]\. \S.+[^.]\.$/);
});

test('an absence longer than the retention is a gap, since the first event was lost', () => {
  const { status, problems } = assessHealth({ ...WELL, cursor: { ...WELL.cursor, caughtUpAt: ago(31 * DAY) } });
  expect(status).toBe('FAILING');
  expect(problems).toContainEqual(expect.objectContaining({ code: 'RETENTION_GAP', since: ago(DAY) }));
});

test('a read under way says how far it is', () => {
  const { problems } = assessHealth({ ...WELL, unfinishedImports: [anImport] });
  expect(problems[0]?.message).toContain('users 1,200, groups 30');
});

test('the worst of several decides; each is told', () => {
  const { status, problems } = assessHealth({ ...WELL, refusedWebhooks: 1, oldestPendingAt: ago(99), inactiveDirectories: [aDirectory] });
  expect(status).toBe('FAILING');
  expect(problems.map(({ code }) => code).sort()).toEqual(['DIRECTORY_NOT_ACTIVE', 'EVENT_LAG', 'WEBHOOKS_REFUSED']);
});

test('thresholds are settings', () => {
  const waiting = { ...WELL, oldestPendingAt: ago(50) };
  expect(assessHealth(waiting, { ...DEFAULT_THRESHOLDS, eventLagSeconds: 60 }).status).toBe('HEALTHY');
});
