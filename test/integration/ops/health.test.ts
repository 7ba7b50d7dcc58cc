// Sync-health as the tables give it, for the whole, an organization and a directory.
import { beforeEach, expect, test } from 'vitest';
import { openDb } from '../../../src/db/client.ts';
import { countLatencies } from '../../../src/db/record-latency.ts';
import { QUANTILE_ERROR } from '../../../src/model/latency.ts';
import { createHealth, type HealthDeps, type HealthService, type SyncHealth } from '../../../src/ops/health.ts';
import { reportNode } from '../../../src/ops/node-status.ts';
import { pruneHealthHistory } from '../../../src/ops/prune-health-history.ts';
import { markRelayed } from '../../../src/relay/mark-relayed.ts';
import { applyDue, deliver, emptyTables, store } from '../../support/core-database.ts';
import { found, headOf, NEXT } from '../../support/small-company.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { aDirectory, aGroup, aMembership, anEvent, aUser } from '../../support/workos-objects.ts';

const core = useCoreDatabase();

const WHOLE = { organizationId: null, directoryId: null };
const sql = (text: string): Promise<number> => core.db.$executeRawUnsafe(text);
const codes = ({ problems }: SyncHealth): string[] => problems.map(({ code }) => code).sort();

const healthOf = (over: Partial<HealthDeps> = {}): HealthService =>
  createHealth({
    db: core.db,
    retentionDays: 30,
    feedStats: () => ({
      '': { subscribers: 3, slowestLagSeconds: 0.5, stalledReaders: 0 },
      org_1: { subscribers: 1, slowestLagSeconds: 0, stalledReaders: 0 },
    }),
    dependencies: [{ name: 'database', check: async () => 1.5 }],
    workosError: () => null,
    clock: () => new Date(),
    ...over,
  });

/** As if everything had been counted when it happened, which the tests have moved since. */
async function countAgain(): Promise<void> {
  await sql('TRUNCATE latency_histogram');
  await sql(`WITH done AS (SELECT partition AS organization_id, directory_id, extract(epoch FROM applied_at - occurred_at)::float8 AS seconds
             FROM directory_event WHERE status = 'APPLIED')${countLatencies('EVENT_LAG', 'done')}`);
  await sql(`WITH done AS (SELECT organization_id, directory_id, 20::float8 AS seconds
             FROM entitlement_change WHERE cardinality(revoked_permissions) > 0)${countLatencies('REVOCATION', 'done')}`);
}

beforeEach(async () => {
  const { db } = core;
  await emptyTables(db);
  await found(db);
  await deliver(db, [
    anEvent(NEXT, 'dsync.activated', aDirectory('directory_2', { organization_id: 'org_2' })),
    anEvent(NEXT + 1, 'dsync.user.created', aUser('eve', { directory_id: 'directory_2', organization_id: 'org_2' })),
    anEvent(NEXT + 2, 'dsync.group.user_removed', aMembership(aUser('bob'), aGroup('engineers'))),
    anEvent(NEXT + 3, 'dsync.token.created', { id: 'token_1', directory_id: 'directory_1', organization_id: 'org_1' }),
  ]);
  await markRelayed(db, 0n, BigInt(await headOf(db)));
  // The history was a minute ago.
  await sql("UPDATE directory_event SET occurred_at = now() - interval '60 seconds', applied_at = now() - interval '50 seconds'");
  await sql("UPDATE entitlement_change SET occurred_at = now() - interval '60 seconds'");
  await sql(
    "UPDATE sync_cursor SET event_id = 'event_1', event_created_at = now() - interval '60 seconds', caught_up_at = now(), updated_at = now()",
  );
  await countAgain();
});

test('apply and relay count what they do, in what they do it with; a repeat counts nothing', async () => {
  const { db } = core;
  await emptyTables(db);
  await found(db);
  await deliver(db, [anEvent(NEXT + 2, 'dsync.group.user_removed', aMembership(aUser('bob'), aGroup('engineers')))]);
  for (let n = 0; n < 2; n += 1) await markRelayed(db, 0n, BigInt(await headOf(db)));
  const { eventLag, revocationLatency } = await healthOf().read(WHOLE, null);
  expect(eventLag.samples).toBe(await db.directoryEvent.count({ where: { status: 'APPLIED' } }));
  const [exact] = await db.$queryRaw<{ applied: number; revoked: number }[]>`
    SELECT (SELECT max(extract(epoch FROM applied_at - occurred_at))::float8 FROM directory_event) AS applied,
           (SELECT extract(epoch FROM now() - occurred_at)::float8 FROM entitlement_change WHERE cardinality(revoked_permissions) > 0) AS revoked`;
  expect(eventLag.maxSeconds).toBeCloseTo(exact?.applied ?? 0, 2);
  expect(revocationLatency.samples).toBe(1);
  // It was handed on between its event and this question.
  expect(revocationLatency.maxSeconds).toBeGreaterThan((exact?.revoked ?? 0) - 30);
  expect(revocationLatency.maxSeconds).toBeLessThan(exact?.revoked ?? 0);
});

test('the whole, when all is well', async () => {
  await sql('UPDATE ingest_stat SET received = 20, duplicate = 7');
  const health = await healthOf().read(WHOLE, null);
  expect(health).toMatchObject({
    status: 'HEALTHY',
    problems: [],
    windowSeconds: 3_600,
    currentLagSeconds: 0,
    eventLag: { p50Seconds: 10, p95Seconds: 10, p99Seconds: 10, maxSeconds: 10, samples: 12 },
    revocationLatency: { p50Seconds: 20, maxSeconds: 20, samples: 1 },
    events: { received: 20, duplicate: 7, pending: 0, applied: 12, stale: 0, ignored: 1, quarantined: 0, failedAttempts: 0 },
    replays: { running: 0, succeeded: 0, failed: 0, successRate: null },
    drift: { accountsChecked: 0, accountsDrifted: 0, byKind: [], lastReportId: null, lastCheckedAt: null },
    feed: { head: BigInt(await headOf(core.db)), relayLagSeconds: 0, subscribers: 3, slowestSubscriberLagSeconds: 0.5 },
    dependencies: [
      { name: 'database', ok: true, latencyMs: 1.5, error: null },
      { name: 'workos', ok: true, latencyMs: null, error: null },
    ],
    cursor: { eventId: 'event_1' },
  });
  const { caughtUpAt } = await core.db.syncCursor.findUniqueOrThrow({ where: { id: 'events' } });
  expect(health.cursor.fallsOffRetentionAt?.getTime()).toBe((caughtUpAt?.getTime() ?? 0) + 30 * 86_400_000);
});

test('percentiles are of the window only', async () => {
  await sql(`UPDATE directory_event SET applied_at = occurred_at + n * interval '1 second' FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM directory_event) t
             WHERE t.id = directory_event.id`);
  await countAgain();
  const all = (await healthOf().read(WHOLE, null)).eventLag;
  expect(all).toMatchObject({ samples: 12, maxSeconds: 12 });
  expect(all.p50Seconds).toBeGreaterThanOrEqual(6);
  expect(all.p50Seconds).toBeLessThan(6 * QUANTILE_ERROR);
  await sql("UPDATE latency_histogram SET minute = minute - interval '2 hours' WHERE organization_id = 'org_2'");
  expect((await healthOf().read(WHOLE, null)).eventLag.samples).toBe(10);
  expect((await healthOf({ windowSeconds: 3 * 3_600 }).read(WHOLE, null)).eventLag.samples).toBe(12);
  expect(
    (await healthOf({ windowSeconds: 3 * 3_600 }).read({ organizationId: null, directoryId: 'directory_2' }, null)).eventLag.samples,
  ).toBe(2);
  await pruneHealthHistory(core.db, { latencySeconds: 3_600, activitySeconds: 0 });
  expect((await healthOf({ windowSeconds: 3 * 3_600 }).read(WHOLE, null)).eventLag.samples).toBe(10);
  expect(await core.db.directoryActivity.count()).toBe(0);
});

test('subscribers of all nodes count; a node that has gone silent does not', async () => {
  const { db } = core;
  const stats = (subscribers: number, slowestLagSeconds: number | null) => ({ subscribers, slowestLagSeconds, stalledReaders: 1 });
  await reportNode(db, 'other', { '': stats(10, 70), org_2: stats(4, 2) });
  await reportNode(db, 'this', { '': stats(99, 1_000) });
  await reportNode(db, 'dead', { '': stats(5, 500) });
  await sql("UPDATE node_status SET seen_at = now() - interval '31 seconds' WHERE id = 'dead'");
  const health = await healthOf({ nodeId: 'this' }).read(WHOLE, null);
  expect(health.feed).toMatchObject({ subscribers: 13, slowestSubscriberLagSeconds: 70, stalledReaders: 1 });
  expect(codes(health)).toEqual(['SUBSCRIBER_LAG']);
  // A bound caller is told of those that are bound as it is.
  expect((await healthOf({ nodeId: 'this' }).read(WHOLE, 'org_1')).feed).toMatchObject({
    subscribers: 1,
    slowestSubscriberLagSeconds: 0,
    stalledReaders: 0,
  });
  expect((await healthOf({ nodeId: 'this' }).read(WHOLE, 'org_2')).feed).toMatchObject({
    subscribers: 4,
    slowestSubscriberLagSeconds: 2,
    stalledReaders: 1,
  });
  await reportNode(db, 'other', { '': stats(10, null) });
  expect((await db.nodeStatus.findMany({ orderBy: { id: 'asc' } })).map(({ id }) => id)).toEqual(['other', 'this']);
  expect((await healthOf({ nodeId: 'this' }).read(WHOLE, null)).feed).toMatchObject({ slowestSubscriberLagSeconds: 0.5 });
});

test('who leads what is told of the whole; a job that nobody leads is a problem', async () => {
  await sql(`INSERT INTO lease (job, holder, epoch, expires_at, taken_at) VALUES
    ('apply', 'one', 3, now() - interval '20 seconds', now() - interval '1 hour'), ('relay', 'two', 1, now() + interval '6 seconds', now() - interval '1 hour')`);
  const health = healthOf({ jobs: ['apply', 'relay'] });
  const whole = await health.read(WHOLE, null);
  expect(whole.leases).toMatchObject([
    { job: 'apply', holder: null, epoch: 3n },
    { job: 'relay', holder: 'two', epoch: 1n },
  ]);
  expect(whole.problems).toMatchObject([{ code: 'NO_LEADER', since: whole.leases[0]?.since }]);
  expect(await health.read(WHOLE, 'org_1')).toMatchObject({ leases: [], problems: [] });
  let now = new Date();
  const other = healthOf({ jobs: ['sync'], clock: () => now });
  now = new Date(now.getTime() + 60_000);
  expect(codes(await other.read(WHOLE, null))).toEqual([]);
});

test('a directory without a token, and one that fell silent', async () => {
  const { db } = core;
  await deliver(db, [
    anEvent(NEXT + 7, 'dsync.token.revoked', { id: 'token_1', directory_id: 'directory_1', organization_id: 'org_1' }),
    anEvent(NEXT + 8, 'dsync.token.revoked', { id: 'token_2', directory_id: 'directory_2', organization_id: 'org_2' }),
  ]);
  await sql('TRUNCATE directory_activity');
  await sql(
    `INSERT INTO directory_activity SELECT 'directory_2', hour, 3 FROM generate_series(date_trunc('hour', now()) - interval '16 days', now() - interval '2 days', interval '1 hour') hour`,
  );
  const both = await healthOf().read(WHOLE, null);
  expect(codes(both)).toEqual(['SCIM_TOKEN_REVOKED', 'SCIM_TOKEN_REVOKED', 'SILENT_DIRECTORY']);
  expect(codes(await healthOf().read(WHOLE, 'org_1'))).toEqual(['SCIM_TOKEN_REVOKED']);
  await deliver(db, [anEvent(NEXT + 9, 'dsync.user.updated', aUser('eve', { directory_id: 'directory_2', organization_id: 'org_2' }))]);
  expect(codes(await healthOf().read({ organizationId: 'org_2', directoryId: null }, null))).not.toContain('SCIM_TOKEN_REVOKED');
});

test('an organization and a directory see what is theirs; a bound caller sees its own without asking', async () => {
  const health = healthOf();
  const own = { received: 11, duplicate: 0, applied: 10, ignored: 1 };
  expect(await health.read({ organizationId: 'org_1', directoryId: null }, null)).toMatchObject({ events: own });
  expect(await health.read({ organizationId: null, directoryId: 'directory_1' }, 'org_1')).toMatchObject({ events: own });
  expect(await health.read({ organizationId: 'org_1', directoryId: 'directory_1' }, null)).toMatchObject({ events: own });
  expect(await health.read(WHOLE, 'org_2')).toMatchObject({ events: { received: 2, applied: 2 }, revocationLatency: { samples: 0 } });

  await sql("UPDATE directory_user SET drift_suspected = true WHERE id = 'eve'");
  await sql("UPDATE directory_event SET status = 'QUARANTINED' WHERE user_id = 'eve'");
  expect(codes(await health.read(WHOLE, 'org_1'))).toEqual([]);
  expect(codes(await health.read(WHOLE, 'org_2'))).toEqual(['DRIFT_SUSPECTED', 'EVENTS_QUARANTINED']);
});

test.each([
  ['an unknown organization', { organizationId: 'org_9', directoryId: null }, null],
  ['an unknown directory', { organizationId: null, directoryId: 'directory_9' }, null],
  ['a foreign organization', { organizationId: 'org_2', directoryId: null }, 'org_1'],
  ['a foreign directory', { organizationId: null, directoryId: 'directory_2' }, 'org_1'],
  ['a directory of another organization', { organizationId: 'org_1', directoryId: 'directory_2' }, null],
  ['an id with a NUL', { organizationId: 'org\0', directoryId: null }, null],
])('%s is not found', async (_what, scope, tenant) => {
  await expect(healthOf().read(scope, tenant)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const watching = healthOf().watch(scope, tenant, new AbortController().signal);
  await expect(watching.next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('what is wrong shows, with what it is about', async () => {
  const { db } = core;
  await store(db, [anEvent(NEXT + 4, 'dsync.user.updated', aUser('ann'))]);
  await sql("UPDATE directory_event SET occurred_at = now() - interval '90 seconds', attempts = 2 WHERE status = 'PENDING'");
  await sql("UPDATE directory_event SET status = 'QUARANTINED', attempts = 4 WHERE user_id = 'eve'");
  await sql("UPDATE directory SET source_state = 'INVALID_CREDENTIALS', state = 'INVALID_CREDENTIALS' WHERE id = 'directory_2'");
  await sql("UPDATE directory_user SET drift_suspected = true WHERE id IN ('ann', 'bob')");
  await sql('UPDATE change_log_head SET relayed_position = 0');
  await sql("UPDATE entitlement_change SET recorded_at = now() - interval '30 seconds'");
  await sql("UPDATE sync_cursor SET caught_up_at = now() - interval '10 minutes'");
  await sql('UPDATE ingest_stat SET refused = 5');
  await sql(
    "INSERT INTO directory_import (directory_id, organization_id, version, users_read, groups_read) VALUES ('directory_1', 'org_1', 'v', 1200, 30)",
  );
  await sql("INSERT INTO directory_import (directory_id, organization_id, version, error) VALUES ('directory_2', 'org_2', 'v', 'refused')");
  for (const [id, status] of [
    ['a', 'FAILED'],
    ['b', 'SUCCEEDED'],
    ['c', 'RUNNING'],
    ['d', 'PENDING'],
  ])
    await sql(
      `INSERT INTO replay (id, status, dry_run, source, selection, requested_by, finished_at) VALUES ('${id}', '${status}', false, 'LOG', '{}', 'x', now())`,
    );
  await deliver(db, [anEvent(NEXT + 5, 'dsync.user.created', aUser('fay', { directory_id: 'directory_3', organization_id: 'org_3' }))]);
  await sql("UPDATE directory_event SET status = 'PENDING', applied_at = NULL WHERE type = 'dsync.user.updated'");
  await sql("INSERT INTO wide_change (id, organization_id, cause, started_at) VALUES ('w', 'org_2', '{}', now() - interval '60 seconds')");

  const health = await healthOf({ workosError: () => 'unauthorized' }).read(WHOLE, null);
  expect(health.status).toBe('FAILING');
  expect(codes(health)).toEqual([
    'CURSOR_STALE',
    'DEPENDENCY_DOWN',
    'DIRECTORY_NOT_ACTIVE',
    'DRIFT_SUSPECTED',
    'EVENTS_QUARANTINED',
    'EVENT_LAG',
    'IMPORT_FAILED',
    'IMPORT_RUNNING',
    'RELAY_LAG',
    'REPLAY_FAILED',
    'UNKNOWN_DIRECTORY',
    'WEBHOOKS_REFUSED',
    'WIDE_CHANGE_LAG',
  ]);
  expect(health.currentLagSeconds).toBeGreaterThan(89);
  expect(health.feed.relayLagSeconds).toBeGreaterThan(29);
  expect(health.events.failedAttempts).toBe(6);
  expect(health.replays).toEqual({ running: 2, succeeded: 1, failed: 1, successRate: 0.5 });
  expect(health.drift.accountsDrifted).toBe(2);
  const messageOf = (code: string) => health.problems.find((problem) => problem.code === code)?.message;
  expect(messageOf('IMPORT_RUNNING')).toContain('users 1,200, groups 30');
  expect(messageOf('DIRECTORY_NOT_ACTIVE')).toContain('directory_2 is INVALID_CREDENTIALS');
  expect(messageOf('UNKNOWN_DIRECTORY')).toContain('directory_3');
  expect(messageOf('DEPENDENCY_DOWN')).toContain('workos does not answer: unauthorized');
});

test('a dependency that hangs or fails does not hold up the answer, and its reason stays inside', async () => {
  const dependencies = [
    { name: 'database', check: async () => 1 },
    { name: 'redis', check: () => Promise.reject(new Error('connect ECONNREFUSED redis://secret@host')) },
  ];
  const health = await healthOf({ dependencies }).read(WHOLE, null);
  expect(health.status).toBe('DEGRADED');
  expect(health.dependencies[1]).toEqual({ name: 'redis', ok: false, latencyMs: null, error: 'it does not answer' });
  expect(JSON.stringify(health.problems)).not.toContain('secret');
});

test('a database that is away is the news, not an error', async () => {
  const away = openDb({ url: 'postgresql://nobody@127.0.0.1:1/nothing', poolSize: 1, statementTimeoutMs: 1_000, applicationName: 'test' });
  const health = await healthOf({ db: away.db, dependencies: [{ name: 'database', check: away.ping }] }).read(WHOLE, null);
  await away.close();
  expect(health).toMatchObject({
    status: 'FAILING',
    dependencies: [{ name: 'database', ok: false, error: 'it does not answer' }, { name: 'workos' }],
  });
  expect(codes(health)).toEqual(['DEPENDENCY_DOWN']);
});

test('watching shows the state at once and every change after it, and ends with the signal', async () => {
  const { db } = core;
  const stop = new AbortController();
  const watching = healthOf({ watchIntervalMs: 10, maxSilenceMs: 60_000 }).watch(WHOLE, null, stop.signal);
  const seen: SyncHealth[] = [];
  const first = await watching.next();
  seen.push(first.value);
  const next = watching.next();
  await store(db, [anEvent(NEXT + 6, 'dsync.user.updated', aUser('ann'))]);
  seen.push((await next).value);
  expect(seen.map(({ events }) => events.pending)).toEqual([0, 1]);
  await applyDue(db);
  for (let last = seen.at(-1); last?.events.pending !== 0; last = seen.at(-1)) seen.push((await watching.next()).value);
  const pending = watching.next();
  stop.abort();
  expect(await pending).toEqual({ done: true, value: undefined });
});

test('watching says something even when nothing changes, but not more often than asked', async () => {
  const stop = new AbortController();
  const watching = healthOf({ watchIntervalMs: 10, maxSilenceMs: 300 }).watch(WHOLE, null, stop.signal);
  const first: SyncHealth = (await watching.next()).value;
  const startedAt = performance.now();
  const second: SyncHealth = (await watching.next()).value;
  expect(performance.now() - startedAt).toBeGreaterThan(250);
  expect({ ...second, checkedAt: 0, dependencies: 0 }).toEqual({ ...first, checkedAt: 0, dependencies: 0 });
  await watching.return?.();
});
