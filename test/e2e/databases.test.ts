// The promise on a database that gives little: few connections, all of them busy; that crashes; whose disk is full.
import { execFile } from 'node:child_process';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Db, openDb } from '../../src/db/client.ts';
import type { Publish } from '../../src/fake-workos/publisher.ts';
import { type FakeWorkos, startFakeWorkos } from '../../src/fake-workos/server.ts';
import { createRandom } from '../../src/lib/random.ts';
import { createLogger } from '../../src/log.ts';
import { startOwnPostgres } from '../faults/own-postgres.ts';
import { followByClient, inShort, type Subscriber } from '../faults/subscriber.ts';
import { expectInvariants } from '../support/invariants.ts';
import { createTestDatabase, execute } from '../support/postgres.ts';
import { type OwnRedis, startRedis } from '../support/redis.ts';
import { createScriptedCompany, SCRIPTED_CATALOG, type ScriptedCompany } from '../support/scripted-company.ts';
import { SEED } from '../support/seed.ts';
import { postGraphql, type Service, startService } from '../support/service-process.ts';
import { makeTemporaryDir } from '../support/temporary-dir.ts';
import { differencesFromTruth } from '../support/truth.ts';
import { waitFor } from '../support/wait-for.ts';

const APPLY = 'mutation ($catalog: CatalogInput!) { applyCatalog(catalog: $catalog) { applied } }';
const SLOW = '{ apiKeys { id } }';
const WAITING =
  "SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'access-service api' AND wait_event_type = 'Lock' AND datname = current_database()";

let redis: OwnRedis;
let fake: FakeWorkos;
let company: ScriptedCompany;
let published = 0;
let service: Service | undefined;
let subscriber: Subscriber;

beforeAll(async () => {
  process.stdout.write(`seed ${SEED}\n`);
  redis = await startRedis();
});
afterAll(() => redis.stop());
beforeEach(async () => {
  fake = await startFakeWorkos({ log: createLogger('silent'), source: { kind: 'scripted' } });
  published = 0;
  const publish: Publish = (...event) => {
    published += 1;
    return fake.publish(...event);
  };
  company = createScriptedCompany(publish, createRandom(SEED));
  company.found();
});
const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await service?.end('SIGKILL');
  for (const step of undo.splice(0).reverse()) await step();
  await fake.close();
});

/** Everything in one process, with a company of which all is known. */
async function start(databaseUrl: string, judge: Db, settings: Record<string, string> = {}): Promise<Service> {
  service = await startService('start', {
    DATABASE_URL: databaseUrl,
    REDIS_URL: redis.url,
    WORKOS_API_KEY: fake.apiKey,
    WORKOS_API_URL: fake.url,
    ...settings,
  });
  // Before the catalog nobody has anything, so it sees the log from its beginning.
  subscriber = followByClient({ name: 'client', url: service.url, key: service.key });
  undo.push(subscriber.close);
  await waitFor('the subscriber to have begun', () => subscriber.received.length > 0, { missing: subscriber.failure });
  await service.query(APPLY, { catalog: SCRIPTED_CATALOG });
  for (let n = 0; n < 50; n += 1) company.step();
  await expectTruth(judge);
  return service;
}

function judgeOf(url: string): Db {
  const open = openDb({ url, poolSize: 2, statementTimeoutMs: 20_000, applicationName: 'test' });
  undo.push(open.close);
  return open.db;
}

async function expectTruth(db: Db): Promise<void> {
  await waitFor(
    'the service to be in step',
    async () =>
      (await db.directoryEvent.count({ where: { status: 'PENDING' } })) === 0 &&
      (await differencesFromTruth(db, fake.truth())).length === 0,
    { timeoutMs: 60_000, everyMs: 100, missing: () => differencesFromTruth(db, fake.truth()) },
  );
}

/** It was the database's fault, and no event's. */
async function expectUnharmed(db: Db, { output, end }: Service): Promise<void> {
  await expectTruth(db);
  await waitFor('every event, once', async () => (await db.directoryEvent.count()) === published, {
    timeoutMs: 60_000,
    missing: () => db.directoryEvent.count(),
  });
  expect(await db.directoryEvent.count({ where: { status: 'QUARANTINED' } })).toBe(0);
  const { eventId } = await db.syncCursor.findFirstOrThrow();
  expect(await db.directoryEvent.count({ where: { id: eventId ?? '' } }), 'I5').toBe(1);
  const log = (await db.entitlementChange.findMany({ orderBy: { position: 'asc' } })).map(inShort);
  const got = (): string[] => subscriber.received.flatMap(({ change }) => change ?? []);
  await waitFor('the subscriber to have it all', () => got().length >= log.length, {
    missing: () => ({ log: log.length, got: got().length, failure: subscriber.failure() }),
  });
  expect(got(), 'I4').toEqual(log);
  await subscriber.close();
  expect(await end()).toBe(0);
  expect(output()).not.toMatch(/"level":"fatal"|unhandled|uncaught/i);
  await expectInvariants(db);
}

test('two connections and fifty slow queries: whoever waits too long is told so, and the sync does not notice', {
  timeout: 120_000,
}, async () => {
  const database = await createTestDatabase();
  undo.push(database.drop);
  const db = judgeOf(database.url);
  const started = await start(database.url, db, { DATABASE_POOL_SIZE: '2', WORKER_POOL_SIZE: '2' });
  const { url, key } = started;

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
    // On another connection: within a transaction the view would not change.
    await waitFor('the pool to be busy', async () => (await execute(database.url, WAITING)).rows[0]?.n === 2, { timeoutMs: 30_000 });
    // Life goes on, and so does the sync: it has connections of its own.
    for (let n = 0; n < 100; n += 1) company.step();
    await expectTruth(db);
    expect((await fetch(`${url}/readyz`)).status, 'busy is not away').toBe(200);
    await waitFor('answers', () => (codes.UNAVAILABLE ?? 0) >= 50, { timeoutMs: 30_000, missing: () => codes });
  } finally {
    enough = true;
    await asking;
    await holder.end();
  }
  process.stdout.write(`slow queries: ${JSON.stringify(codes)}\n`);
  expect(Object.keys(codes)).toEqual(['UNAVAILABLE']);
  await waitFor('the service to answer again', async () => (await postGraphql(url, key, SLOW)).data);
  await expectUnharmed(db, started);
});

test('Postgres crashes twice under load and recovers: nothing is lost, nothing doubled', { timeout: 180_000 }, async () => {
  const own = await startOwnPostgres();
  undo.push(own.stop);
  const db = judgeOf(own.controlUrl);
  const started = await start(own.url, db);
  for (let crash = 0; crash < 2; crash += 1) {
    for (let n = 0; n < 150; n += 1) company.step();
    await own.crashAndRestart();
    for (let n = 0; n < 50; n += 1) company.step();
    await expectTruth(db);
  }
  await expectUnharmed(db, started);
});

/** Takes all the room that is left; answers how to give it back. */
async function fill(dir: string): Promise<() => Promise<void>> {
  const file = join(dir, 'filler');
  const handle = await open(file, 'w');
  for (let size = 4 * 1024 * 1024; size >= 4_096; size = Math.floor(size / 2)) {
    const block = Buffer.alloc(size);
    while (
      await handle.write(block).then(
        ({ bytesWritten }) => bytesWritten === size,
        () => false,
      )
    );
  }
  await handle.close();
  return () => rm(file);
}

/** A folder on a small disk; null where we may not mount one. */
async function smallDisk(): Promise<string | null> {
  const dir = await makeTemporaryDir('access-small-disk-');
  const run = promisify(execFile);
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=200m,mode=755', 'tmpfs', dir]);
  } catch {
    return null;
  }
  undo.push(() => run('umount', ['-l', dir]));
  return dir;
}

test('the disk of Postgres is full for a while: events wait, none is blamed', { timeout: 180_000 }, async () => {
  const disk = await smallDisk();
  if (!disk)
    process.stdout.write('NOT A FULL DISK: mounting a small one is not permitted here. A trigger answers what a full disk would.\n');
  const own = await startOwnPostgres(disk ? { parent: disk } : {});
  undo.push(own.stop);
  const db = judgeOf(own.controlUrl);
  const started = await start(own.url, db);
  const free = disk ? await fill(disk) : await pretendFull(own.controlUrl);
  const before = started.output().length;
  // What is told is more than the free room within the tables' pages can take.
  for (let n = 0; n < 400; n += 1) company.step();
  await waitFor('the disk to be noticed', () => /No space left|disk_full/.test(started.output().slice(before)), {
    timeoutMs: 60_000,
    missing: () => started.output().slice(-3_000),
  });
  for (let n = 0; n < 50; n += 1) company.step();
  await free();
  await expectUnharmed(db, started);
});

async function pretendFull(url: string): Promise<() => Promise<void>> {
  await execute(
    url,
    `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full'; END $$;
     CREATE TRIGGER full_disk BEFORE INSERT ON directory_event FOR EACH STATEMENT EXECUTE FUNCTION full_disk();
     CREATE TRIGGER full_disk BEFORE INSERT ON entitlement_change FOR EACH STATEMENT EXECUTE FUNCTION full_disk()`,
  );
  return async () => {
    await execute(url, 'DROP TRIGGER full_disk ON directory_event; DROP TRIGGER full_disk ON entitlement_change');
  };
}
