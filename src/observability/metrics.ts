// Metrics for Prometheus, on a registry of our own. Two kinds: what this process did since its start, counted by its stages;
// and the state of the sync, which is asked of sync-health for each scrape, so that every process tells the same. While the
// database is away nothing is told of the sync, rather than zeros.
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { PoolUse } from '../db/client.ts';
import type { Counts, RepublishReason, Transport } from '../model/telemetry.ts';
import type { SyncHealth } from '../ops/health.ts';
import { EVENT_TYPES } from '../workos/event-types.ts';
import { createSyncGauges } from './sync-gauges.ts';

export interface Exposition {
  contentType: string;
  /** The metrics as text. */
  text(): Promise<string>;
}

export interface MetricsSources {
  /** Of the whole. */
  health: () => Promise<SyncHealth>;
  /** Of this process. */
  feedStats: () => { byTransport: Record<Transport, number>; stalledReaders: number };
  pools: Readonly<Record<string, () => PoolUse>>;
}

export interface Metrics extends Counts {
  /** Once there is something to ask. */
  expose(sources: MetricsSources): Exposition;
}

const REPUBLISH_REASONS: readonly RepublishReason[] = ['repeated', 'stream_ahead'];

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const applied = new Counter({ name: 'events_applied_total', help: 'Events applied by this process', labelNames: ['type'], registers });
  const republished = new Counter({
    name: 'relay_republished_total',
    help: 'Changes given to the stream more than once: it had them (repeated), or it was thrown away (stream_ahead)',
    labelNames: ['reason'],
    registers,
  });
  const gaps = new Counter({ name: 'feed_gap_backfills_total', help: 'Holes in what the feed was told, read from the log', registers });
  // A series that begins with its first event has no rate at that event.
  for (const reason of REPUBLISH_REASONS) republished.inc({ reason }, 0);
  for (const type of [...EVENT_TYPES, 'other']) applied.inc({ type }, 0);

  return {
    // Types come from outside: unknown ones must not make a series each.
    applied: (type, events) => applied.inc({ type: EVENT_TYPES.includes(type) ? type : 'other' }, events),
    republished: (reason, changes) => republished.inc({ reason }, changes),
    gapBackfilled: () => gaps.inc(),
    expose({ health, feedStats, pools }) {
      collectDefaultMetrics({ register: registry });
      new Gauge({
        name: 'feed_subscribers',
        help: 'Subscriptions to changes on this process',
        labelNames: ['transport'],
        registers,
        collect() {
          const { byTransport } = feedStats();
          this.set({ transport: 'websocket' }, byTransport.WebSocket);
          this.set({ transport: 'sse' }, byTransport.SSE);
        },
      });
      new Counter({
        name: 'feed_stalled_readers_total',
        help: 'Subscribers sent away because they took nothing',
        registers,
        collect() {
          this.reset();
          this.inc(feedStats().stalledReaders);
        },
      });
      new Gauge({
        name: 'db_pool_connections',
        help: 'Connections to Postgres of this process, and requests that wait for one',
        labelNames: ['pool', 'state'],
        registers,
        collect() {
          for (const [pool, use] of Object.entries(pools)) {
            const { busy, idle, waiting, max } = use();
            for (const [state, n] of Object.entries({ busy, idle, waiting, max })) this.set({ pool, state }, n);
          }
        },
      });
      const sync = createSyncGauges(registry);
      return {
        contentType: registry.contentType,
        async text() {
          sync.set(await health());
          return registry.metrics();
        },
      };
    },
  };
}
