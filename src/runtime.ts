// The composition root: Config → Runtime, from top to bottom, the only place that builds clients. What is opened registers at
// once how it is closed; closing runs in reverse. `serve` answers, `work` runs the loops, `start` does both.
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Services } from '../schema/services.ts';
import { createAuthenticate } from './auth/authenticate.ts';
import { createTokenVerifier } from './auth/jwt.ts';
import { createKeyLookup } from './auth/key-lookup.ts';
import { createKeyStore } from './auth/key-store.ts';
import { createLastUsed } from './auth/last-used.ts';
import { createRevalidation } from './auth/revalidate.ts';
import { readHead } from './changes/head.ts';
import { type Config, DEFAULT_WORKOS_API_URL, type StandIn } from './config.ts';
import { type OpenDb, openDb } from './db/client.ts';
import { startEmbeddedPostgres } from './db/embedded.ts';
import { migrate } from './db/migrate.ts';
import { applyCatalog } from './entitlements/catalog.ts';
import { grantRole, revokeGrant } from './entitlements/grants.ts';
import { messageOf } from './errors.ts';
import { COMPANY_CATALOG } from './fake-workos/company-catalog.ts';
import { type FakeWorkos, startFakeWorkos } from './fake-workos/server.ts';
import { createFeed } from './feed/feed.ts';
import { createTail } from './feed/tail.ts';
import { createRefusalCounter } from './ingest/count-refusals.ts';
import { createPoller } from './ingest/poll-events.ts';
import { acceptWebhook } from './ingest/webhook.ts';
import { type Closer, createCloser } from './lib/closer.ts';
import { createNudge } from './lib/nudge.ts';
import type { Logger } from './log.ts';
import { createAudit } from './ops/audit.ts';
import { createHealth } from './ops/health.ts';
import { createReplays } from './ops/replay.ts';
import { retryEvents } from './ops/retry-events.ts';
import { skipEvent } from './ops/skip-event.ts';
import { type ChangeStream, createChangeStream } from './redis/change-stream.ts';
import { openRedis } from './redis/client.ts';
import { createRelay } from './relay/relay.ts';
import { createHttpServer } from './server/http.ts';
import { createWorker } from './worker/worker.ts';
import { createWorkosClient } from './workos/client.ts';

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

const API_POOL = { poolSize: 10, statementTimeoutMs: 10_000, applicationName: 'access-service api' };
const WORK_POOL = { poolSize: 8, statementTimeoutMs: 120_000, applicationName: 'access-service work' };
/** Of the fake WorkOS, which only ever speaks to this process. */
const FAKE_WEBHOOK_SECRET = 'whsec_fake_workos';
const WORKOS_USER_REQUESTS_PER_SECOND = 4;

/** Rejects with a StartError when something that is configured cannot be used; whatever was opened by then is closed again. */
export async function startRuntime(config: Config, log: Logger, signal: AbortSignal): Promise<Runtime> {
  const closer = createCloser();
  const close = (): Promise<void> =>
    closer.close((name, error) => log.error({ step: name, error: messageOf(error) }, 'a part could not be closed'));
  try {
    return await open(config, log, signal, closer, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function open(config: Config, log: Logger, signal: AbortSignal, closer: Closer, close: () => Promise<void>): Promise<Runtime> {
  const { mode } = config;
  const serves = mode !== 'work';
  const works = mode !== 'serve';
  const clock = (): Date => new Date();

  // Postgres holds the state, Redis wakes.
  const databaseUrl = config.databaseUrl ?? (await openEmbedded(config, log, closer));
  await migrate({ url: databaseUrl, log });
  const pool = (options: typeof API_POOL): OpenDb => {
    const opened = openDb({ url: databaseUrl, log, ...options });
    closer.add(options.applicationName, opened.close);
    return opened;
  };
  const work = pool(WORK_POOL);
  const api = serves ? pool(API_POOL) : work;
  const { logId } = await readHead(work.db);
  const stream = config.redisUrl ? openStream(config.redisUrl, logId, log, closer) : null;

  // Each loop is nudged by whoever gives it something to do.
  const nudges = { poll: createNudge(), apply: createNudge(), relay: createNudge(), replays: createNudge() };
  const onStored = (): void => {
    nudges.apply.nudge();
    nudges.poll.nudge();
  };
  const stop = new AbortController();
  const loops: Promise<void>[] = [];
  closer.add('loops', async () => {
    stop.abort();
    await Promise.all(loops);
  });

  // The feed, and what asks it.
  const tail = await createTail({ db: work.db, stream, log });
  if (serves) loops.push(tail.run(stop.signal));
  const feed = createFeed({ db: api.db, tail, log, clock });

  // Who asks.
  const { key, generated } = await adminKey(config);
  const keyLookup = createKeyLookup({ db: api.db });
  const lastUsed = createLastUsed({ db: api.db, log, clock });
  closer.add('last use of keys', lastUsed.settled);
  const revalidation = createRevalidation({ keys: keyLookup, lastUsed, log, clock });
  const verifyToken = config.jwt ? createTokenVerifier(config.jwt) : null;

  const webhookSecrets = config.workos ? config.webhookSecrets : [FAKE_WEBHOOK_SECRET];
  let workosError: string | null = null;
  const replays = createReplays({ db: work.db, nudge: nudges.replays, onChanges: nudges.relay.nudge, log });
  const services: Services = {
    logId,
    feed,
    catalog: { apply: (options) => applyCatalog(work.db, options).finally(nudges.relay.nudge) },
    grants: {
      grant: (options) => grantRole(api.db, options).finally(nudges.relay.nudge),
      revoke: (options) => revokeGrant(api.db, options).finally(nudges.relay.nudge),
    },
    replays,
    keys: createKeyStore({ db: api.db, lookup: keyLookup, onRevoked: revalidation.nudge, clock }),
    audit: createAudit({ db: api.db, log }),
    events: {
      retry: (ids, caller) => retryEvents(api.db, ids, caller).finally(nudges.apply.nudge),
      skip: (id, reason, caller) => skipEvent(api.db, id, reason, caller),
    },
    health: createHealth({
      db: api.db,
      retentionDays: config.eventRetentionDays,
      feedStats: feed.stats,
      dependencies: [{ name: 'database', check: api.ping }, ...(stream ? [{ name: 'redis', check: stream.ping }] : [])],
      workosError: works ? () => workosError : null,
      clock,
    }),
  };

  // The server listens before the fake WorkOS starts, which delivers webhooks to it.
  let url: string | null = null;
  if (serves) {
    const refusals = createRefusalCounter(api.db, log);
    closer.add('refusal counter', refusals.settled);
    const server = createHttpServer({
      db: api.db,
      services,
      authenticate: createAuthenticate({ adminApiKey: key, keys: keyLookup, lastUsed, verifyToken, clock }),
      revalidation,
      log,
      policy: { introspection: !config.production },
      webhooks: {
        accept: (delivery) =>
          acceptWebhook({ db: api.db, log, secrets: webhookSecrets, refusals, onStored }, { ...delivery, now: clock() }),
        refused: refusals.add,
      },
      readiness: async () => [
        {
          name: 'database',
          ok: await api.ping().then(
            () => true,
            () => false,
          ),
        },
      ],
    });
    const { port } = await server.listen(config.port, config.host);
    closer.add('server', server.close);
    url = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;
  }

  let fake: FakeWorkos | null = null;
  if (works) {
    fake = config.workos ? null : await openFake(config, url, log, closer);
    const target = config.workos ?? { apiKey: fake?.apiKey ?? '', apiUrl: fake?.url ?? '' };
    if (fake) await giveCompanyItsCatalog(work, log);
    const workos = createWorkosClient({ ...target, log });
    const worker = createWorker({
      db: work.db,
      workos,
      log,
      clock,
      nudges,
      poller: createPoller({ db: work.db, workos, log, clock, eventsRetentionDays: config.eventRetentionDays }),
      relay: createRelay({ db: work.db, stream, onPublished: tail.offer, nudge: nudges.relay, log }),
      replays,
      initialImport: config.initialImport,
      userRequestsPerSecond: target.apiUrl === DEFAULT_WORKOS_API_URL ? WORKOS_USER_REQUESTS_PER_SECOND : Number.POSITIVE_INFINITY,
      onWorkosOutcome: (error) => {
        workosError = error === undefined ? null : messageOf(error);
      },
    });
    loops.push(worker.run(stop.signal));
  }

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

async function openEmbedded(config: Config, log: Logger, closer: Closer): Promise<string> {
  const embedded = await startEmbeddedPostgres({ dir: join(config.dataDir, 'postgres'), log });
  closer.add('embedded postgres', embedded.stop);
  return embedded.url;
}

function openStream(redisUrl: string, logId: string, log: Logger, closer: Closer): ChangeStream {
  const redis = openRedis({ url: redisUrl, log });
  closer.add('redis', redis.close);
  const stream = createChangeStream({ redis, logId });
  closer.add('change stream', stream.close);
  return stream;
}

async function openFake(config: Config, url: string | null, log: Logger, closer: Closer): Promise<FakeWorkos> {
  const fake = await startFakeWorkos({
    log,
    source: { kind: 'company', statePath: join(config.dataDir, 'fake-workos') },
    ...(url && { webhook: { url: `${url}/webhooks/workos`, secret: FAKE_WEBHOOK_SECRET } }),
  });
  closer.add('fake WorkOS', fake.close);
  return fake;
}

/** So that a newcomer sees permissions and not only people. Left alone as soon as there is any role. */
async function giveCompanyItsCatalog({ db }: OpenDb, log: Logger): Promise<void> {
  if ((await db.role.count()) > 0) return;
  await applyCatalog(db, { catalog: COMPANY_CATALOG, dryRun: false, prune: false, actor: 'fake WorkOS', tenant: null });
  log.info('the catalog of the fake company was applied');
}

/** The configured key, or one that was made here and is kept, so that a command pasted yesterday works today. */
async function adminKey(config: Config): Promise<{ key: string; generated: boolean }> {
  if (config.adminApiKey) return { key: config.adminApiKey, generated: false };
  const path = join(config.dataDir, 'admin-key');
  const kept = (await readFile(path, 'utf8').catch(() => '')).trim();
  if (kept) return { key: kept, generated: true };
  const key = `dev_${randomBytes(24).toString('base64url')}`;
  await mkdir(config.dataDir, { recursive: true });
  await writeFile(path, `${key}\n`, { mode: 0o600 });
  return { key, generated: true };
}
