// What is told to Prometheus, and that alerts and dashboard ask for nothing else.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { createMetrics, type MetricsSources } from '../../../src/observability/metrics.ts';
import type { SyncHealth } from '../../../src/ops/health.ts';
import { HEALTHY } from '../../support/api.ts';

const LATENCY = { p50Seconds: 1, p95Seconds: 2, p99Seconds: 3, maxSeconds: 4, samples: 9 };
const BUSY: SyncHealth = {
  ...HEALTHY,
  status: 'FAILING',
  problems: [
    { code: 'EVENTS_QUARANTINED', message: '', since: new Date() },
    { code: 'DIRECTORY_NOT_ACTIVE', message: '', since: new Date() },
    { code: 'DIRECTORY_NOT_ACTIVE', message: '', since: new Date() },
  ],
  cursor: { ...HEALTHY.cursor, fallsOffRetentionAt: new Date(1_800_000_000_000) },
  currentLagSeconds: 5,
  eventLag: LATENCY,
  revocationLatency: LATENCY,
  events: { ...HEALTHY.events, quarantined: 7 },
  drift: { ...HEALTHY.drift, accountsDrifted: 3, byKind: [{ kind: 'STATE', count: 3 }] },
  feed: { ...HEALTHY.feed, unrelayed: 11, slowestSubscriberLagSeconds: 0.5 },
  webhooks: { accepted: 5, refused: 2 },
  leases: [
    { job: 'apply', holder: 'one', epoch: 42n, since: new Date() },
    { job: 'relay', holder: null, epoch: 1n, since: new Date() },
  ],
  dependencies: [
    { name: 'database', ok: true, latencyMs: 1, error: null },
    { name: 'redis', ok: true, latencyMs: 2, error: null },
  ],
};

const exposed = (health: () => SyncHealth) => {
  const metrics = createMetrics();
  const sources: MetricsSources = {
    health: async () => health(),
    feedStats: () => ({ byTransport: { WebSocket: 4, SSE: 1 }, stalledReaders: 6 }),
    pools: { api: () => ({ busy: 1, idle: 2, waiting: 3, max: 10 }) },
  };
  return { metrics, exposition: metrics.expose(sources) };
};
const told = (text: string, series: string): number | undefined => {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length));
};

test('what stages count and what sync-health says', async () => {
  const { metrics, exposition } = exposed(() => BUSY);
  metrics.applied('dsync.user.created', 3);
  metrics.applied('dsync.user.invented_by_somebody', 2);
  metrics.applied('another', 1);
  metrics.republished('repeated', 5);
  metrics.gapBackfilled();
  for (let scrape = 0; scrape < 2; scrape += 1) {
    const text = await exposition.text();
    expect(text).not.toContain('invented');
    for (const [series, value] of Object.entries({
      'events_applied_total{type="dsync.user.created"}': 3,
      'events_applied_total{type="dsync.user.deleted"}': 0,
      'events_applied_total{type="other"}': 3,
      'relay_republished_total{reason="repeated"}': 5,
      'relay_republished_total{reason="stream_ahead"}': 0,
      feed_gap_backfills_total: 1,
      feed_stalled_readers_total: 6,
      'feed_subscribers{transport="websocket"}': 4,
      'feed_subscribers{transport="sse"}': 1,
      'db_pool_connections{pool="api",state="waiting"}': 3,
      sync_status: 2,
      'sync_problems{code="DIRECTORY_NOT_ACTIVE"}': 2,
      sync_current_lag_seconds: 5,
      'sync_event_lag_seconds{quantile="0.99"}': 3,
      'revocation_latency_seconds{quantile="1"}': 4,
      events_quarantined: 7,
      outbox_unrelayed: 11,
      'drift_accounts{kind="STATE"}': 3,
      'leader_epoch{job="apply"}': 42,
      'dependency_up{dependency="redis"}': 1,
      redis_round_trip_seconds: 0.002,
      sync_cursor_expiry_timestamp_seconds: 1_800_000_000,
      'webhook_deliveries{outcome="refused"}': 2,
    }))
      expect([series, told(text, series)]).toEqual([series, value]);
    expect(told(text, 'leader_epoch{job="relay"}')).toBeUndefined();
    expect(told(text, 'process_resident_memory_bytes')).toBeGreaterThan(0);
  }
});

test('what is over is not told any more, and without the database nothing is told of the sync', async () => {
  let health: SyncHealth = BUSY;
  const { exposition } = exposed(() => health);
  await exposition.text();
  health = HEALTHY;
  const well = await exposition.text();
  expect(well).not.toContain('EVENTS_QUARANTINED');
  expect(well).not.toContain('leader_epoch{');
  expect(told(well, 'events_quarantined')).toBe(0);
  expect(told(well, 'redis_round_trip_seconds')).toBeUndefined();
  health = { ...HEALTHY, status: 'FAILING', dependencies: [{ name: 'database', ok: false, latencyMs: null, error: 'it does not answer' }] };
  const away = await exposition.text();
  expect(told(away, 'sync_status')).toBe(2);
  for (const series of ['events_quarantined', 'outbox_unrelayed', 'sync_current_lag_seconds'])
    expect([series, told(away, series)]).toEqual([series, undefined]);
});

const source = (name: string): string => readFileSync(new URL(`../../../src/observability/${name}`, import.meta.url), 'utf8');
const alerts = (
  parse(source('alerts.yaml')) as {
    groups: { rules: { alert: string; expr: string; annotations: { summary: string; description: string } }[] }[];
  }
).groups.flatMap(({ rules }) => rules);
const panels = (JSON.parse(source('dashboard.json')) as { panels: { title: string; targets: { expr: string }[] }[] }).panels;
const FUNCTIONS = ['max', 'min', 'sum', 'by', 'rate', 'increase', 'absent', 'time', 'and', 'or'];

/** Names of metrics, and of what is told of each, in an expression. */
function namesIn(expr: string): string[] {
  const bare = expr
    .replace(/\{[^}]*\}/g, '')
    .replace(/\[[^\]]*\]/g, '')
    .replace(/\bby \([^)]*\)/g, '');
  return [...bare.matchAll(/[a-z_][a-z0-9_]*/g)].map(([name]) => name).filter((name) => !FUNCTIONS.includes(name));
}

test.each([
  ...alerts.map(({ alert, expr }) => [alert, expr] as const),
  ...panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const)),
])('%s asks for what there is: %s', async (_name, expr) => {
  const text = await exposed(() => BUSY).exposition.text();
  const names = namesIn(expr);
  expect(names.length).toBeGreaterThan(0);
  for (const name of names) expect(text).toMatch(new RegExp(`^${name}(\\{.*\\})? \\S`, 'm'));
  for (const [, labels = ''] of expr.matchAll(/\{([^}]*)\}/g))
    for (const [, label] of labels.matchAll(/([a-z_]+)!?=/g)) expect(text).toMatch(new RegExp(`^${names[0]}\\{.*\\b${label}=`, 'm'));
});

test('every alert says what is the matter and what to do', () => {
  expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
  for (const { annotations } of alerts)
    expect(annotations).toEqual({ summary: expect.stringMatching(/\S/), description: expect.stringMatching(/\S.*\.$/) });
});
