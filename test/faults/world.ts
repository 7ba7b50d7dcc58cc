// A whole world for faults: Postgres, Redis and the processes of the service, with proxies in between; a scripted fake WorkOS,
// which is the truth; and subscribers. Everything that is started here is stopped by `close`.
import { type OpenDb, openDb } from '../../src/db/client.ts';
import type { Publish } from '../../src/fake-workos/publisher.ts';
import { type FakeWorkos, type FakeWorkosOptions, startFakeWorkos } from '../../src/fake-workos/server.ts';
import { createCloser } from '../../src/lib/closer.ts';
import { freePort } from '../../src/lib/free-port.ts';
import { createRandom, type Random } from '../../src/lib/random.ts';
import { sleep } from '../../src/lib/sleep.ts';
import { createLogger } from '../../src/log.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { type OwnRedis, startRedis } from '../support/redis.ts';
import { createScriptedCompany, SCRIPTED_CATALOG, type ScriptedCompany } from '../support/scripted-company.ts';
import { waitFor } from '../support/wait-for.ts';
import { createNode, type ServiceNode, withMutations } from './node.ts';
import { type OwnPostgres, startOwnPostgres } from './own-postgres.ts';
import type { Mutation } from './preload.ts';
import { type FaultProxy, startProxy } from './proxy.ts';
import { followByClient, followByProcess, followBySse, type Subscriber } from './subscriber.ts';

export interface WorldOptions {
  seed: number;
  serves?: number;
  works?: number;
  /** Those that serve work as well: `start`. */
  together?: boolean;
  /** A Postgres of its own, which faults may strike; else a database on the server that all tests share, behind a proxy. */
  postgres?: 'own' | 'shared' | OwnPostgres;
  /** For every process. */
  env?: Record<string, string>;
  /** The defence that is switched off, in every process: a control. */
  mutations?: readonly Mutation[];
  subscribers?: readonly ('client' | 'process' | 'sse')[];
  fake?: Partial<FakeWorkosOptions>;
  webhook?: Partial<NonNullable<FakeWorkosOptions['webhook']>> | null;
  /** Those that work are not started: the test does that. */
  idle?: boolean;
}

export interface World {
  seed: number;
  random: Random;
  fake: FakeWorkos;
  company: ScriptedCompany;
  publish: Publish;
  /** Ids of the events that the Events API shows. */
  published: string[];
  /** Ids of events that are to end in quarantine. */
  poison: Set<string>;
  /** No fault strikes this connection. */
  db: OpenDb['db'];
  postgres: OwnPostgres | null;
  databaseProxy: FaultProxy;
  redis: OwnRedis;
  redisProxy: FaultProxy;
  settings: Record<string, string>;
  serves: ServiceNode[];
  works: ServiceNode[];
  nodes: ServiceNode[];
  subscribers: Subscriber[];
  /** The company lives, event by event, while `work` runs. */
  underLoad<T>(work: () => Promise<T>, everyMs?: number): Promise<T>;
  /** So many steps of the company at once. */
  steps(count: number): void;
  close(): Promise<void>;
}

const SECRET = 'whsec_faults';
const log = createLogger('silent');
const APPLY = 'mutation ($catalog: CatalogInput!) { applyCatalog(catalog: $catalog) { applied } }';
const FOLLOWERS = { client: followByClient, process: followByProcess, sse: followBySse };

export async function startWorld(options: WorldOptions): Promise<World> {
  const closer = createCloser();
  const close = (): Promise<void> => closer.close((step, error) => process.stdout.write(`${step} could not be closed: ${error}\n`));
  try {
    return await build(options, closer.add, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function build(
  {
    seed,
    serves: serveCount = 1,
    works: workCount = 1,
    together = false,
    postgres: wanted = 'shared',
    env = {},
    mutations = [],
    subscribers: kinds = [],
    fake: fakeOptions,
    webhook = {},
    idle = false,
  }: WorldOptions,
  add: (name: string, close: () => unknown) => void,
  close: () => Promise<void>,
): Promise<World> {
  const random = createRandom(seed);
  const own = wanted === 'own' ? await startOwnPostgres() : wanted === 'shared' ? null : wanted;
  if (wanted === 'own') add('Postgres', () => own?.stop());
  const shared = own ? null : await createTestDatabase();
  if (shared) add('database', shared.drop);
  const controlUrl = own?.controlUrl ?? shared?.url ?? '';
  const databaseProxy = own?.proxy ?? (await startProxy(Number(new URL(controlUrl).port)));
  if (!own) add('proxy of Postgres', databaseProxy.close);
  const databaseUrl = new URL(controlUrl);
  databaseUrl.port = String(databaseProxy.port);

  const redis = await startRedis();
  add('Redis', redis.stop);
  const redisProxy = await startProxy(redis.port);
  add('proxy of Redis', redisProxy.close);

  const firstPort = await freePort();
  const fake = await startFakeWorkos({
    log,
    source: { kind: 'scripted' },
    ...(webhook && {
      webhook: {
        url: `http://127.0.0.1:${firstPort}/webhooks/workos`,
        secret: SECRET,
        shuffleSeed: seed,
        retryDelaysMs: [200, 500, 1_000, 2_000],
        ...webhook,
      },
    }),
    ...fakeOptions,
  });
  add('fake WorkOS', fake.close);
  const published: string[] = [];
  const publish: Publish = (event, how) => {
    const id = fake.publish(event, how);
    if (how?.viaApi !== false && id > (published.at(-1) ?? '')) published.push(id);
    return id;
  };
  const company = createScriptedCompany(publish, random);

  const settings: Record<string, string> = {
    DATABASE_URL: databaseUrl.href,
    REDIS_URL: `redis://127.0.0.1:${redisProxy.port}`,
    WORKOS_API_KEY: fake.apiKey,
    WORKOS_API_URL: fake.url,
    WORKOS_WEBHOOK_SECRET: SECRET,
    ...withMutations(mutations),
    ...env,
  };
  const nodes: ServiceNode[] = [];
  add('processes', async () => {
    for (const node of nodes) node.thaw();
    await Promise.all(nodes.map((node) => node.kill()));
  });
  const make = async (mode: ServiceNode['mode'], count: number): Promise<ServiceNode[]> => {
    const made: ServiceNode[] = [];
    for (let n = 1; n <= count; n += 1) {
      const port = mode !== 'work' && n === 1 ? { PORT: String(firstPort) } : {};
      made.push(await createNode(`${mode}-${n}`, mode, { ...settings, ...port }));
    }
    nodes.push(...made);
    return made;
  };
  const serves = await make(together ? 'start' : 'serve', serveCount);
  const works = await make('work', together ? 0 : workCount);
  // An empty database is migrated by whoever is first; the others find it done.
  const [first, ...others] = nodes;
  await first?.start();
  await Promise.all(others.filter(({ mode }) => !(idle && mode === 'work')).map((node) => node.start()));
  const control = openDb({ url: controlUrl, poolSize: 3, statementTimeoutMs: 30_000, applicationName: 'judge' });
  add('judge', control.close);

  if (serves[0]?.running()) await serves[0].query(APPLY, { catalog: SCRIPTED_CATALOG });
  const subscribers: Subscriber[] = [];
  add('subscribers', () => Promise.all(subscribers.map((subscriber) => subscriber.close())));
  for (const [index, kind] of kinds.entries()) {
    const serve = serves[index % serves.length];
    if (!serve) break;
    // Every third one sees one organization only.
    const organizationId = index % 3 === 2 ? 'org_1' : null;
    subscribers.push(FOLLOWERS[kind]({ name: `${kind}-${index + 1}`, url: serve.url, key: serve.key, organizationId }));
  }
  await waitFor('subscribers to have begun', () => subscribers.every(({ received }) => received.length > 0), {
    timeoutMs: 90_000,
    missing: () => subscribers.map(({ name, received, failure }) => ({ name, received: received.length, failure: failure() })),
  });
  company.found();

  return {
    seed,
    random,
    fake,
    company,
    publish,
    published,
    poison: new Set(),
    db: control.db,
    postgres: own,
    databaseProxy,
    redis,
    redisProxy,
    settings,
    serves,
    works,
    nodes,
    subscribers,
    async underLoad(work, everyMs = 20) {
      const stop = new AbortController();
      const load = (async () => {
        while (!stop.signal.aborted) {
          company.step();
          await sleep(everyMs, stop.signal);
        }
      })();
      try {
        return await work();
      } finally {
        stop.abort();
        await load;
      }
    },
    steps(count) {
      for (let step = 0; step < count; step += 1) company.step();
    },
    close,
  };
}
