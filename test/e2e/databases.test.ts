// The promise on a database that gives little: few connections, all of them busy.
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type OpenDb, openDb } from '../../src/db/client.ts';
import { type FakeWorkos, startFakeWorkos } from '../../src/fake-workos/server.ts';
import { createRandom } from '../../src/lib/random.ts';
import { createLogger } from '../../src/log.ts';
import { expectInvariants } from '../support/invariants.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { type OwnRedis, startRedis } from '../support/redis.ts';
import { createScriptedCompany, SCRIPTED_CATALOG, type ScriptedCompany } from '../support/scripted-company.ts';
import { SEED } from '../support/seed.ts';
import { postGraphql, type Service, startService } from '../support/service-process.ts';
import { differencesFromTruth } from '../support/truth.ts';
import { waitFor } from '../support/wait-for.ts';

const APPLY = 'mutation ($catalog: CatalogInput!) { applyCatalog(catalog: $catalog) { applied } }';
const SLOW = '{ apiKeys { id } }';
const WAITING =
  "SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'access-service api' AND wait_event_type = 'Lock' AND datname = current_database()";

let database: TestDatabase;
let redis: OwnRedis;
let fake: FakeWorkos;
let open: OpenDb;
let company: ScriptedCompany;
let service: Service | undefined;

beforeAll(async () => {
  database = await createTestDatabase();
  redis = await startRedis();
  fake = await startFakeWorkos({ log: createLogger('silent'), source: { kind: 'scripted' } });
  open = openDb({ url: database.url, poolSize: 2, statementTimeoutMs: 20_000, applicationName: 'test' });
  company = createScriptedCompany(fake.publish, createRandom(SEED));
  company.found();
});
afterEach(async () => {
  await service?.end('SIGKILL');
});
afterAll(async () => {
  await open.close();
  await fake.close();
  await redis.stop();
  await database.drop();
});

async function expectTruth(): Promise<void> {
  await waitFor(
    'the service to be in step',
    async () =>
      (await open.db.directoryEvent.count({ where: { status: 'PENDING' } })) === 0 &&
      (await differencesFromTruth(open.db, fake.truth())).length === 0,
    { timeoutMs: 60_000, everyMs: 100, missing: () => differencesFromTruth(open.db, fake.truth()) },
  );
}

test('two connections and fifty slow queries: whoever waits too long is told so, and the sync does not notice', {
  timeout: 120_000,
}, async () => {
  process.stdout.write(`seed ${SEED}\n`);
  const settings = {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    WORKOS_API_KEY: fake.apiKey,
    WORKOS_API_URL: fake.url,
    DATABASE_POOL_SIZE: '2',
    WORKER_POOL_SIZE: '2',
  };
  service = await startService('start', settings);
  const { url, key } = service;
  await service.query(APPLY, { catalog: SCRIPTED_CATALOG });
  for (let n = 0; n < 50; n += 1) company.step();
  await expectTruth();

  // A table that only callers read, held by somebody else: their statements wait and hold the pool, for as long as it takes.
  const holder = new pg.Client({ connectionString: database.url });
  await holder.connect();
  await holder.query('BEGIN; LOCK TABLE api_key IN ACCESS EXCLUSIVE MODE');
  const codes: Record<string, number> = {};
  let enough = false;
  const ask = async (): Promise<void> => {
    while (!enough) {
      const { data, errors } = await postGraphql<unknown>(url, key, SLOW);
      const code = errors?.[0]?.extensions?.code ?? (data ? 'answered' : 'nothing');
      codes[code] = (codes[code] ?? 0) + 1;
    }
  };
  const asking = Promise.all(Array.from({ length: 50 }, ask));
  try {
    await waitFor('the pool to be busy', async () => (await holder.query(WAITING)).rows[0]?.n === 2, { timeoutMs: 30_000 });
    // Life goes on, and so does the sync: it has connections of its own.
    const before = await open.db.directoryEvent.count({ where: { status: { in: ['APPLIED', 'STALE'] } } });
    for (let n = 0; n < 100; n += 1) company.step();
    await expectTruth();
    expect(await open.db.directoryEvent.count({ where: { status: { in: ['APPLIED', 'STALE'] } } })).toBe(before + 100);
    await waitFor('answers', () => (codes.UNAVAILABLE ?? 0) >= 50, { timeoutMs: 30_000, missing: () => codes });
  } finally {
    enough = true;
    await asking;
    await holder.end();
  }
  process.stdout.write(`slow queries: ${JSON.stringify(codes)}\n`);
  expect(Object.keys(codes)).toEqual(['UNAVAILABLE']);
  await waitFor('the service to answer again', async () => (await postGraphql(url, key, SLOW)).data);
  expect(await service.end()).toBe(0);
  expect(service.output()).not.toMatch(/"level":"fatal"|unhandled|uncaught/i);
  await expectInvariants(open.db);
});
