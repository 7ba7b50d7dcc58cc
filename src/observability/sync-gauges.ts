// Sync-health as gauges. Label values come from closed lists, or from settings.
import { Gauge, type Registry } from 'prom-client';
import type { Latency } from '../model/latency.ts';
import type { SyncHealth } from '../ops/health.ts';

export interface SyncGauges {
  set(health: SyncHealth): void;
}

const STATUS: Readonly<Record<SyncHealth['status'], number>> = { HEALTHY: 0, DEGRADED: 1, FAILING: 2 };
const EVENT_STATUSES = ['pending', 'applied', 'stale', 'ignored'] as const;

export function createSyncGauges(registry: Registry): SyncGauges {
  const forget: (() => void)[] = [];
  const gauge = (name: string, help: string, labelNames: string[] = []): Gauge => {
    const made = new Gauge({ name, help, labelNames, registers: [registry] });
    // `reset` leaves a gauge without labels at 0.
    forget.push(labelNames.length > 0 ? () => made.reset() : () => made.remove());
    return made;
  };
  const status = gauge('sync_status', '0 healthy, 1 degraded, 2 failing');
  const problems = gauge('sync_problems', 'Problems of sync-health', ['code']);
  const dependencies = gauge('dependency_up', 'Whether a dependency answers', ['dependency']);
  const redis = gauge('redis_round_trip_seconds', 'One round trip to Redis');
  const currentLag = gauge('sync_current_lag_seconds', 'Age of the oldest known event that is not applied');
  const eventLag = gauge('sync_event_lag_seconds', 'From an event to its application, over the window of sync-health', ['quantile']);
  const revocation = gauge('revocation_latency_seconds', 'From an event to its revocation handed to subscribers, over the window', [
    'quantile',
  ]);
  const events = gauge('events_in_inbox', 'Events in the inbox', ['status']);
  const quarantined = gauge('events_quarantined', 'Events that could not be applied');
  const cursorExpiry = gauge('sync_cursor_expiry_timestamp_seconds', 'When the cursor falls off the retention of WorkOS');
  const unrelayed = gauge('outbox_unrelayed', 'Changes recorded and not handed on');
  const relayLag = gauge('relay_lag_seconds', 'Age of the oldest of them');
  const slowest = gauge('feed_slowest_subscriber_lag_seconds', 'Of all processes');
  const drift = gauge('drift_accounts', 'Differences to the directory, by the newest reports', ['kind']);
  const drifted = gauge('drifted_accounts', 'Accounts that differ, or may');
  const webhooks = gauge('webhook_deliveries', 'Within the window of sync-health', ['outcome']);
  const leases = gauge('leader_epoch', 'Rises with every takeover; absent while nobody leads the job', ['job']);

  const setQuantiles = (of: Gauge, { p50Seconds, p95Seconds, p99Seconds, maxSeconds }: Latency): void => {
    for (const [quantile, seconds] of Object.entries({ '0.5': p50Seconds, '0.95': p95Seconds, '0.99': p99Seconds, '1': maxSeconds }))
      if (seconds !== null) of.set({ quantile }, seconds);
  };

  return {
    set(health) {
      // Whatever is not told below is not known, or not there any more.
      for (const one of forget) one();
      status.set(STATUS[health.status]);
      for (const [code, { length }] of Map.groupBy(health.problems, (problem) => problem.code)) problems.set({ code }, length);
      for (const { name, ok, latencyMs } of health.dependencies) {
        dependencies.set({ dependency: name }, ok ? 1 : 0);
        if (name === 'redis' && latencyMs !== null) redis.set(latencyMs / 1_000);
      }
      if (health.dependencies.some(({ name, ok }) => name === 'database' && !ok)) return;
      currentLag.set(health.currentLagSeconds);
      setQuantiles(eventLag, health.eventLag);
      setQuantiles(revocation, health.revocationLatency);
      for (const of of EVENT_STATUSES) events.set({ status: of }, health.events[of]);
      quarantined.set(health.events.quarantined);
      const { fallsOffRetentionAt } = health.cursor;
      if (fallsOffRetentionAt) cursorExpiry.set(fallsOffRetentionAt.getTime() / 1_000);
      unrelayed.set(health.feed.unrelayed);
      relayLag.set(health.feed.relayLagSeconds);
      slowest.set(health.feed.slowestSubscriberLagSeconds ?? 0);
      for (const { kind, count } of health.drift.byKind) drift.set({ kind }, count);
      drifted.set(health.drift.accountsDrifted);
      webhooks.set({ outcome: 'accepted' }, health.webhooks.accepted);
      webhooks.set({ outcome: 'refused' }, health.webhooks.refused);
      for (const { job, holder, epoch } of health.leases) if (holder !== null) leases.set({ job }, Number(epoch));
    },
  };
}
