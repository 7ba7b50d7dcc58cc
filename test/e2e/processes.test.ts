// Many processes on one Postgres and one Redis: two that serve, two that work, real ones, started at once on an empty database
// and then killed, frozen, thawed and stopped under load. What is left must be the truth of the fake WorkOS.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type OpenDb, openDb } from '../../src/db/client.ts';
import { type FakeWorkos, startFakeWorkos } from '../../src/fake-workos/server.ts';
import { freePort } from '../../src/lib/free-port.ts';
import { createRandom } from '../../src/lib/random.ts';
import { sleep } from '../../src/lib/sleep.ts';
import { createLogger } from '../../src/log.ts';
import { type Follower, followByWebSocket } from '../support/change-follower.ts';
import { expectInvariants } from '../support/invariants.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { type OwnRedis, startRedis } from '../support/redis.ts';
import { createScriptedCompany, SCRIPTED_CATALOG, type ScriptedCompany } from '../support/scripted-company.ts';
import { SEED } from '../support/seed.ts';
import { type Service, startService } from '../support/service-process.ts';
import { differencesFromTruth } from '../support/truth.ts';
import { waitFor } from '../support/wait-for.ts';

const SECRET = 'whsec_processes';
const APPLY = 'mutation ($catalog: CatalogInput!) { applyCatalog(catalog: $catalog) { applied } }';
const GRANT = 'mutation ($id: ID!) { grantRole(userId: $id, role: "oncall", reason: "test") { id } }';

let database: TestDatabase;
let redis: OwnRedis;
let fake: FakeWorkos;
let open: OpenDb;
let settings: Record<string, string>;
let serves: Service[] = [];
let works: Service[] = [];
let followers: Follower[] = [];
let company: ScriptedCompany;

beforeAll(async () => {
  process.stdout.write(`seed ${SEED}\n`);
  database = await createTestDatabase({ empty: true });
  redis = await startRedis();
  const port = await freePort();
  fake = await startFakeWorkos({
    log: createLogger('silent'),
    source: { kind: 'scripted' },
    webhook: {
      url: `http://127.0.0.1:${port}/webhooks/workos`,
      secret: SECRET,
      shuffleSeed: SEED,
      retryDelaysMs: [200, 500, 1_000, 2_000],
    },
  });
  settings = {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    WORKOS_API_KEY: fake.apiKey,
    WORKOS_API_URL: fake.url,
    WORKOS_WEBHOOK_SECRET: SECRET,
  };
  // All at once on an empty database: one of them migrates, nobody fails.
  const [a, b, c, d] = await Promise.all([
    startService('serve', { ...settings, PORT: String(port) }),
    startService('serve', settings),
    startService('work', settings),
    startService('work', settings),
  ]);
  serves = [a, b];
  works = [c, d];
  open = openDb({ url: database.url, poolSize: 4, statementTimeoutMs: 20_000, applicationName: 'test' });
  await serves[1]?.query(APPLY, { catalog: SCRIPTED_CATALOG });
  company = createScriptedCompany(fake.publish, createRandom(SEED));
  company.found();
  followers = serves.map((service) => followByWebSocket(service.url, service.key));
}, 180_000);

afterAll(async () => {
  for (const follower of followers) await follower.close();
  await Promise.all([...serves, ...works].map((service) => service.end('SIGKILL')));
  await open?.close();
  await fake?.close();
  await redis?.stop();
  await database?.drop();
});

interface LeaseRow {
  holder: string;
  epoch: bigint;
}
const leaseOf = async (job: string): Promise<LeaseRow> =>
  (await open.db.lease.findFirstOrThrow({ where: { job, expiresAt: { gt: new Date(Date.now() - 60_000) } } })) as LeaseRow;
const pidOf = ({ holder }: LeaseRow): number => Number(holder.split('/')[1]);
const serviceOf = (lease: LeaseRow): Service => {
  const found = works.find((service) => service.process.pid === pidOf(lease));
  if (!found) throw new Error(`${lease.holder} is none of ours`);
  return found;
};
const replace = async (gone: Service): Promise<void> => {
  works = [...works.filter((service) => service !== gone), await startService('work', settings)];
};

/** Resolves with the milliseconds until somebody else leads. */
async function takeover(job: string, before: LeaseRow): Promise<number> {
  const startedAt = performance.now();
  await waitFor(`another process to lead ${job}`, async () => (await leaseOf(job)).epoch > before.epoch, {
    timeoutMs: 60_000,
    missing: () => open.db.lease.findMany(),
  });
  return Math.round(performance.now() - startedAt);
}

/** Life goes on: so many more events are settled than were at the call. */
async function settles(more: number): Promise<void> {
  const settled = () => open.db.directoryEvent.count({ where: { status: { not: 'PENDING' } } });
  const before = await settled();
  await waitFor(`${more} more events to be settled`, async () => (await settled()) >= before + more, {
    timeoutMs: 90_000,
    everyMs: 100,
    missing: async () => ({ before, settled: await settled(), leases: await open.db.lease.findMany() }),
  });
}

async function underLoad<T>(work: () => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const load = (async () => {
    while (!stop.signal.aborted) {
      company.step();
      await sleep(10, stop.signal);
    }
  })();
  try {
    return await work();
  } finally {
    stop.abort();
    await load;
  }
}

/** Quiet, and then: the truth, the invariants, and every subscriber has the whole log, once and in order. */
async function expectTruth(): Promise<void> {
  const { db } = open;
  await fake.delivered();
  await waitFor(
    'the service to be in step',
    async () =>
      (await db.directoryEvent.count({ where: { status: 'PENDING' } })) === 0 &&
      (await db.refreshTask.count()) === 0 &&
      (await differencesFromTruth(db, fake.truth())).length === 0,
    {
      timeoutMs: 120_000,
      everyMs: 100,
      missing: async () => ({
        differences: await differencesFromTruth(db, fake.truth()),
        pending: await db.directoryEvent.count({ where: { status: 'PENDING' } }),
        refreshes: await db.refreshTask.findMany(),
        leases: await db.lease.findMany(),
      }),
    },
  );
  const head = () => db.changeLogHead.findUniqueOrThrow({ where: { id: 1 } });
  await waitFor('the relay', async () => head().then(({ relayedPosition, position }) => relayedPosition === position), {
    timeoutMs: 60_000,
    missing: async () => ({ head: await head(), leases: await db.lease.findMany() }),
  });
  await expectInvariants(db);
  expect(await db.directoryEvent.count({ where: { status: 'QUARANTINED' } })).toBe(0);
  const cursor = await db.syncCursor.findFirstOrThrow();
  if (cursor.eventId) expect(await db.directoryEvent.count({ where: { id: cursor.eventId } }), 'I5').toBe(1);
  const changes = await db.entitlementChange.findMany({ orderBy: { position: 'asc' } });
  const log = changes.map((one) => `${one.userId} +${one.grantedPermissions} -${one.revokedPermissions}`);
  for (const follower of followers) {
    const got = () => follower.changes().map((item) => `${item.userId} +${item.grantedPermissions} -${item.revokedPermissions}`);
    // Each began somewhere near the beginning.
    await waitFor('a subscriber to have the end', () => got().at(-1) === log.at(-1) && got().length > 0, {
      timeoutMs: 60_000,
      missing: () => ({ log: log.slice(-3), got: got().slice(-3) }),
    });
    expect(got()).toEqual(log.slice(-got().length));
  }
  for (const service of [...serves, ...works]) expect(service.output()).not.toMatch(/"level":"fatal"|unhandled|uncaught/i);
}

test('started together on an empty database, they share the work and tell everybody', { timeout: 400_000 }, async () => {
  await underLoad(() => settles(150));
  await expectTruth();
  expect((await Promise.all(['sync', 'apply', 'relay', 'upkeep', 'replays'].map(leaseOf))).map(({ epoch }) => epoch)).toHaveLength(5);
});

test('a grant given at one process reaches the subscribers of every other', { timeout: 400_000 }, async () => {
  const latencies: number[] = [];
  for (const [round, id] of [...fake.truth().users.keys()].slice(0, 8).entries()) {
    const before = followers.map((follower) => follower.changes().length);
    const startedAt = performance.now();
    await serves[round % 2]?.query(GRANT, { id });
    await waitFor('the change', () => followers.every((follower, index) => follower.changes().length > (before[index] ?? 0)), {
      everyMs: 2,
      timeoutMs: 60_000,
      missing: () => followers.map((follower, index) => ({ before: before[index], now: follower.changes().length })),
    });
    latencies.push(Math.round(performance.now() - startedAt));
  }
  process.stdout.write(`from grant to both subscribers: ${latencies.join(' ')} ms\n`);
  await expectTruth();
});

test('the leader is killed under load: another one goes on', { timeout: 400_000 }, async () => {
  const before = await leaseOf('apply');
  const victim = serviceOf(before);
  await underLoad(async () => {
    await settles(30);
    victim.process.kill('SIGKILL');
    process.stdout.write(`takeover after kill -9: ${await takeover('apply', before)} ms\n`);
    await replace(victim);
    await settles(30);
  });
  await expectTruth();
});

test('the leader is frozen past its lease under load, another takes over, and it thaws', { timeout: 400_000 }, async () => {
  const before = await leaseOf('apply');
  const frozen = serviceOf(before);
  await underLoad(async () => {
    await settles(30);
    frozen.process.kill('SIGSTOP');
    process.stdout.write(`takeover after SIGSTOP: ${await takeover('apply', before)} ms\n`);
    await settles(30);
    frozen.process.kill('SIGCONT');
    await waitFor('it to notice', () => frozen.output().includes('the lease of a job is lost'), {
      timeoutMs: 60_000,
      missing: () => frozen.output().slice(-3_000),
    });
    await settles(30);
  });
  await expectTruth();
  expect(frozen.process.exitCode).toBeNull();
});

test('SIGTERM: the lease is free at once, nothing is lost, exit 0', { timeout: 400_000 }, async () => {
  const before = await leaseOf('sync');
  const leaving = serviceOf(before);
  await underLoad(async () => {
    await settles(30);
    const ended = leaving.end('SIGTERM');
    const ms = await takeover('sync', before);
    process.stdout.write(`takeover after SIGTERM: ${ms} ms\n`);
    expect(await ended).toBe(0);
    await replace(leaving);
  });
  await expectTruth();
  // By its release, not by its time. What it had lost before, when it was frozen, is another matter.
  const output = leaving.output();
  expect(output.slice(output.lastIndexOf('"msg":"stopping"'))).not.toContain('is lost');
});
