// The composition root: Config → Runtime, from top to bottom; with its parts in src/runtime/ the only place that builds clients.
// What is opened registers at once how it is closed; closing runs in reverse. `serve` answers, `work` runs the loops, `start` does
// both.
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { createAuthenticate } from './auth/authenticate.ts';
import { createTokenVerifier } from './auth/jwt.ts';
import { createKeyLookup } from './auth/key-lookup.ts';
import { createLastUsed } from './auth/last-used.ts';
import { createRevalidation } from './auth/revalidate.ts';
import type { Config, StandIn } from './config.ts';
import { createMigratedCheck } from './db/migrated.ts';
import { createEffectiveLookup } from './entitlements/lookup.ts';
import { messageOf } from './errors.ts';
import { createFeed } from './feed/feed.ts';
import { createTail } from './feed/tail.ts';
import { createRefusalCounter } from './ingest/count-refusals.ts';
import { acceptWebhook } from './ingest/webhook.ts';
import { type Closer, createCloser } from './lib/closer.ts';
import { shareFor } from './lib/share-for.ts';
import { within } from './lib/within.ts';
import type { Logger } from './log.ts';
import { NO_TRACING, type Tracing } from './model/telemetry.ts';
import { createDeliveryTraces } from './observability/delivery-traces.ts';
import { createMetrics } from './observability/metrics.ts';
import { openTracing } from './observability/tracing.ts';
import { reportNodeWhile } from './ops/node-status.ts';
import { createReplays } from './ops/replay.ts';
import { createHints } from './redis/hints.ts';
import { type Overrides, startJobs } from './runtime/jobs.ts';
import { composeServices } from './runtime/services.ts';
import { openStorage } from './runtime/storage.ts';
import { createHttpServer } from './server/http.ts';
import { createMetricsServer } from './server/metrics-route.ts';
import { createProbeServer } from './server/probe-server.ts';
import { createProbes } from './server/probes.ts';
import { createReadiness } from './server/readiness.ts';
import { adminKey, FAKE_WEBHOOK_SECRET } from './stand-ins.ts';
import { createWake } from './worker/wake.ts';
import type { WorkosClient } from './workos/client.ts';

export interface Runtime {
  /** null for `work`, which answers nobody. */
  url: string | null;
  generatedKey: string | null;
  standIns: readonly StandIn[];
  fakeUrl: string | null;
  dataDir: string;
  /** Resolves when the signal has come and everything is closed. */
  stopped: Promise<void>;
}

/** Scrapes within that share one look at the sync. */
const METRICS_AGE_MS = 2_000;
const TRACES_STOP_TIMEOUT_MS = 3_000;
const READINESS_TIMEOUT_MS = 3_000;

/** Rejects with a StartError when something that is configured cannot be used; whatever was opened by then is closed again. */
export async function startRuntime(config: Config, log: Logger, signal: AbortSignal, overrides: Overrides = {}): Promise<Runtime> {
  const closer = createCloser();
  const close = (): Promise<void> =>
    closer.close((name, error) => log.error({ step: name, error: messageOf(error) }, 'a part could not be closed'));
  try {
    return await open(config, log, signal, { closer, close, overrides });
  } catch (error) {
    await close();
    throw error;
  }
}

async function open(
  config: Config,
  log: Logger,
  signal: AbortSignal,
  { closer, close, overrides }: { closer: Closer; close: () => Promise<void>; overrides: Overrides },
): Promise<Runtime> {
  const { mode } = config;
  const serves = mode !== 'work';
  const works = mode !== 'serve';
  const processId = `${hostname()}/${process.pid}/${randomUUID()}`;

  // What is told of it all. Sent last, when nothing is left to tell.
  const metrics = createMetrics();
  const tracing = config.tracesUrl ? await startTracing(config.tracesUrl, processId, closer) : NO_TRACING;

  // Postgres holds the state, Redis wakes.
  const storage = await openStorage(config, { log, closer });
  const { work, api, lookups, logId, databaseClock, redis, stream, counters } = storage;
  const clock = databaseClock.now;

  // Each loop is woken by whoever gives it something to do, in whichever process.
  const { nudges, wake, listen } = createWake(redis && createHints({ redis, logId }));
  const onStored = (partition?: string): void => {
    wake('apply', partition);
    wake('poll');
  };
  const onChanges = (): void => wake('relay');

  // Loops that outlive the jobs and the server.
  const stop = new AbortController();
  const loops: Promise<void>[] = [];
  closer.add('loops', async () => {
    stop.abort();
    await Promise.all(loops);
  });
  loops.push(databaseClock.run(stop.signal));
  if (works) loops.push(listen(stop.signal));

  // The feed, and what asks it.
  const tail = await createTail({ db: work.db, stream, log, counts: metrics });
  if (serves) loops.push(tail.run(stop.signal));
  const deliveries = tracing.on ? createDeliveryTraces({ db: api.db, tracing, log }) : null;
  if (deliveries) loops.push(deliveries.run(stop.signal));
  const feed = createFeed({ db: api.db, tail, log, clock, onDelivered: deliveries?.delivered });
  if (serves) loops.push(reportNodeWhile({ db: api.db, id: processId, stats: feed.statsByTenant, log }, stop.signal));

  // Who asks.
  const { key, generated } = await adminKey(config);
  const keyLookup = createKeyLookup({ db: api.db });
  const lastUsed = createLastUsed({ db: api.db, log, clock });
  closer.add('last use of keys', lastUsed.settled);
  const revalidation = createRevalidation({ keys: keyLookup, lastUsed, log, clock });
  const verifyToken = config.jwt ? createTokenVerifier(config.jwt, { clock }) : null;

  const webhookSecrets = config.workos ? config.webhookSecrets : [FAKE_WEBHOOK_SECRET];
  let workosError: string | null = null;
  /** Set before the loops that ask it begin. */
  let workos: WorkosClient | null = null;
  const replays = createReplays({
    db: work.db,
    nudge: { nudge: () => wake('replays'), wait: nudges.replays.wait },
    onChanges,
    log,
    clock,
    workos: () => workos,
    eventRetentionDays: config.eventRetentionDays,
    requestImports: config.initialImport === 'auto',
  });
  const services = composeServices({
    config,
    storage,
    log,
    processId,
    feed,
    replays,
    wake,
    keyLookup,
    revalidation,
    workosError: works ? () => workosError : null,
  });

  const readHealth = shareFor(METRICS_AGE_MS, () => services.health.read({ organizationId: null, directoryId: null }, null));
  const exposition = metrics.expose({
    health: readHealth,
    feedStats: feed.stats,
    pools: { work: work.use, ...(lookups && { api: api.use, lookups: lookups.use }) },
  });
  if (config.metricsPort !== null) {
    const server = createMetricsServer({ exposition, log });
    const { port } = await server.listen(config.metricsPort);
    log.info({ port }, 'tells metrics');
    closer.add('metrics', server.close);
  }

  // Not over the callers' pool: one that they keep busy says nothing about the database, and every node has one.
  const migrated = await createMigratedCheck(work.db);
  const readiness = createReadiness({
    migrated: () => within(READINESS_TIMEOUT_MS, 'database', migrated()),
    redis: stream ? stream.ping : null,
  });

  // The server listens before the fake WorkOS starts, which delivers webhooks to it.
  let url: string | null = null;
  let retire: (() => void) | null = null;
  if (lookups) {
    const refusals = createRefusalCounter(api.db, log);
    closer.add('refusal counter', refusals.settled);
    const server = createHttpServer({
      db: api.db,
      lookup: createEffectiveLookup(lookups, { maxBytes: config.entitlementCacheMb * 1024 * 1024 }),
      services,
      authenticate: createAuthenticate({ adminApiKey: key, keys: keyLookup, lastUsed, verifyToken, clock }),
      revalidation,
      log,
      policy: config.policy,
      limits: config.limits,
      counters,
      metrics: config.metricsPort === null ? exposition : null,
      webhooks: {
        accept: (delivery) =>
          acceptWebhook({ db: api.db, log, secrets: webhookSecrets, refusals, onStored, tracing }, { ...delivery, now: clock() }),
        refused: refusals.add,
      },
      readiness,
    });
    const { port } = await server.listen(config.port, config.host);
    closer.add('server', server.close);
    // Whoever sends requests here learns only after a while that it should not. The jobs end meanwhile.
    let drained = Promise.resolve();
    closer.add('drain', () => drained);
    retire = () => {
      server.retire();
      drained = delay(config.shutdownDrainSeconds * 1_000);
    };
    url = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;
  }

  const fake = works
    ? await startJobs({
        config,
        storage,
        log,
        closer,
        url,
        holder: processId,
        nudges,
        wake,
        onPublished: tail.offer,
        counts: metrics,
        tracing,
        replays,
        onWorkos: (client) => {
          workos = client;
        },
        onWorkosError: (message) => {
          workosError = message;
        },
        overrides,
      })
    : null;

  if (!serves && config.listens) {
    const probes = createProbes(readiness);
    const server = createProbeServer({ probes, log });
    const { port } = await server.listen(config.port, config.host);
    log.info({ port }, 'answers probes');
    closer.add('probes', server.close);
    retire = probes.retire;
  }

  // The first step of a stop: nobody sends anything new here, while the jobs come to their end.
  if (retire) closer.add('readiness', retire);
  const ended = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  return {
    url,
    generatedKey: generated ? key : null,
    standIns: config.standIns,
    fakeUrl: fake?.url ?? null,
    dataDir: config.dataDir,
    stopped: ended.then(close),
  };
}

async function startTracing(url: string, processId: string, closer: Closer): Promise<Tracing> {
  const tracing = await openTracing({ url, processId });
  closer.add('traces', () => within(TRACES_STOP_TIMEOUT_MS, 'the last traces', tracing.close()));
  return tracing;
}
