// The election of one process per job on a real Postgres: who gets the lease and when, and that a leader which has lost it can
// do no harm, wherever it was frozen.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Db, type OpenDb, openDb } from '../../src/db/client.ts';
import { type Fenced, fenced, type Lease, LeaseLostError, type Leases, openLeases } from '../../src/db/lease.ts';
import { inTransaction } from '../../src/db/transaction.ts';
import { runAsLeader, type Term } from '../../src/worker/leader.ts';
import { silent } from '../support/feed-node.ts';
import { createTestDatabase, execute, type TestDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait-for.ts';

/** Where a lease is to run out; where it is not, LONG_MS. */
const TTL_MS = 1_000;
const LONG_MS = 60_000;

let database: TestDatabase;
let open: OpenDb;
let db: Db;
let a: Leases;
let b: Leases;

beforeAll(async () => {
  database = await createTestDatabase();
  open = openDb({ url: database.url, poolSize: 6, statementTimeoutMs: 20_000, applicationName: 'lease test' });
  db = open.db;
  a = openLeases({ url: database.url, log: silent });
  b = openLeases({ url: database.url, log: silent });
  await execute(database.url, 'CREATE TABLE tally (value int NOT NULL)');
});
afterAll(async () => {
  await a?.close();
  await b?.close();
  await open?.close();
  await database?.drop();
});
let stop: AbortController;
beforeEach(async () => {
  stop = new AbortController();
  await execute(database.url, 'TRUNCATE lease, tally; INSERT INTO tally VALUES (0)');
});
afterEach(() => stop.abort());

const taken = async (leases: Leases, ttlMs = LONG_MS): Promise<Lease> => {
  const lease = await leases.take('job', 'test', ttlMs);
  if (!lease) throw new Error('the lease is not free');
  return lease;
};
const expire = () => execute(database.url, 'UPDATE lease SET expires_at = clock_timestamp()');
const tally = async (on: Db = db): Promise<number> =>
  Number((await on.$queryRawUnsafe<{ value: number }[]>('SELECT value FROM tally'))[0]?.value);

test('one of many gets a job, each job by itself', async () => {
  const others = Array.from({ length: 6 }, () => openLeases({ url: database.url, log: silent }));
  const got = await Promise.all(others.map((leases) => leases.take('job', 'test', LONG_MS)));
  expect(got.filter((lease) => lease !== null)).toHaveLength(1);
  expect(await b.take('another job', 'test', TTL_MS)).not.toBeNull();
  await Promise.all(others.map((leases) => leases.close()));
});

test('a lease is free again after its time or after its release, and the epoch only grows', async () => {
  const startedAt = performance.now();
  const first = await taken(a, TTL_MS);
  await waitFor('the lease to run out', async () => (await b.take('job', 'test', LONG_MS)) !== null);
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(TTL_MS);
  expect(await a.renew(first, TTL_MS)).toBe(false);
  await a.release(first);
  expect(await a.take('job', 'test', TTL_MS), 'the release of an old epoch is nothing').toBeNull();
  await expire();
  const third = await taken(a);
  expect(third.epoch).toBe(first.epoch + 2n);
  await a.release(third);
  expect((await taken(b)).epoch).toBe(third.epoch + 1n);
});

test('a renewal keeps it beyond its time', async () => {
  const lease = await taken(a);
  const twin = await a.take('never renewed', 'test', LONG_MS);
  expect(twin).not.toBeNull();
  // A third of the time is left for the test to go on.
  const pass = () => execute(database.url, `UPDATE lease SET expires_at = expires_at - ${(LONG_MS * 2) / 3} * interval '1 millisecond'`);
  await pass();
  expect(await a.renew(lease, LONG_MS)).toBe(true);
  await pass();
  expect(await b.take('never renewed', 'test', LONG_MS)).not.toBeNull();
  expect(await b.take('job', 'test', LONG_MS)).toBeNull();
  expect(await a.renew(lease, LONG_MS)).toBe(true);
});

test('transactions and single statements of a leader that was followed fail whole, and it is told', async () => {
  const lease = await taken(a);
  let told = 0;
  const old = fenced(db, lease, () => {
    told += 1;
  });
  await inTransaction(old, (tx) => tx.$executeRawUnsafe('UPDATE tally SET value = 1'));
  expect(await old.$executeRawUnsafe('UPDATE tally SET value = value + 1')).toBe(1);
  expect(await old.syncCursor.update({ where: { id: 'events' }, data: { eventId: null } })).toMatchObject({ id: 'events' });
  expect(await old.refreshTask.count()).toBe(0);
  await expire();
  await expect(inTransaction(old, (tx) => tx.$executeRawUnsafe('UPDATE tally SET value = 7'))).rejects.toThrow(LeaseLostError);
  await taken(b);
  await expect(old.$executeRawUnsafe('UPDATE tally SET value = 8')).rejects.toThrow(LeaseLostError);
  await expect(old.$queryRawUnsafe('WITH w AS (UPDATE tally SET value = 9 RETURNING 1) SELECT 1')).rejects.toThrow(LeaseLostError);
  await expect(old.syncCursor.update({ where: { id: 'events' }, data: { eventId: 'x' } })).rejects.toThrow(LeaseLostError);
  await expect(old.refreshTask.deleteMany()).rejects.toThrow(LeaseLostError);
  expect((await old.syncCursor.findFirstOrThrow()).eventId).toBeNull();
  expect(told).toBe(5);
  expect(await tally(old)).toBe(2);
});

test('a takeover waits for a transaction that has passed the check, a renewal does not', async () => {
  const lease = await taken(a);
  let finish: () => void = () => {};
  const held = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let inside = false;
  const running = inTransaction(
    fenced(db, lease, () => {}),
    async (tx) => {
      await tx.$executeRawUnsafe('UPDATE tally SET value = 1');
      inside = true;
      await held;
    },
  );
  await waitFor('the transaction to be under way', () => inside);
  expect(await a.renew(lease, LONG_MS)).toBe(true);
  await expire();
  expect(await b.take('job', 'test', TTL_MS)).toBeNull();
  finish();
  await running;
  expect(await b.take('job', 'test', TTL_MS)).not.toBeNull();
  expect(await tally()).toBe(1);
});

const SESSIONS = `
  SELECT count(*) FILTER (WHERE wait_event_type = 'Lock')::int AS waiting, count(*) FILTER (WHERE state = 'idle in transaction')::int AS idle
  FROM pg_stat_activity WHERE datname = current_database() AND application_name = (SELECT 'access-service job ' || epoch FROM lease WHERE job = 'job')`;

/** A leader as a process that was stopped inside transactions: nothing more comes, and nothing is given back, until `thaw`. */
async function freezeInside(transactions: number): Promise<{ thaw: () => void; outcomes: Promise<string[]> }> {
  let thaw: () => void = () => {};
  const thawed = new Promise<void>((resolve) => {
    thaw = resolve;
  });
  const leased = fenced(db, await taken(a), () => {});
  // Each but the first waits in the server for the one before it, and does not count as idle.
  const write = (): Promise<string> =>
    inTransaction(leased, (tx) => tx.$executeRawUnsafe('UPDATE tally SET value = 9').then(() => thawed)).then(
      () => 'committed',
      () => 'failed',
    );
  const outcomes = Promise.all(Array.from({ length: transactions }, write));
  const sessions = async () => (await execute(database.url, SESSIONS)).rows[0];
  await waitFor(
    'its transactions to be under way',
    async () => {
      const now = await sessions();
      return now?.idle === 1 && now.waiting === transactions - 1;
    },
    { timeoutMs: 60_000, missing: sessions },
  );
  return { thaw, outcomes };
}

test('a leader that freezes inside transactions that wait for each other is followed all the same', async () => {
  const { thaw, outcomes } = await freezeInside(5);
  await expire();
  // Ended one after the other, each for being idle ten seconds, they would take at least thirty.
  await waitFor('the successor', async () => (await b.take('job', 'test', LONG_MS)) !== null, { timeoutMs: 20_000, everyMs: 100 });
  thaw();
  expect(new Set(await outcomes)).toEqual(new Set(['failed']));
  expect(await tally()).toBe(0);
});

test('what a frozen leader holds is free after a while, also when nobody follows it', async () => {
  const { thaw, outcomes } = await freezeInside(1);
  await execute(database.url, 'UPDATE tally SET value = value + 1');
  thaw();
  expect(await outcomes).toEqual(['failed']);
  expect(await tally()).toBe(1);
});

/** A job that relies on the lease alone: it reads, thinks, and writes what it has thought. */
const counting =
  (rounds: { done: number; failed: number }, freeze: () => Promise<void>) =>
  async ({ db: leased, signal }: Term): Promise<void> => {
    while (!signal.aborted && rounds.done < 5) {
      const seen = await tally(leased);
      await freeze();
      await inTransaction(leased, (tx) => tx.$executeRawUnsafe('UPDATE tally SET value = $1::int', seen + 1)).then(
        () => {
          rounds.done += 1;
        },
        () => {
          rounds.failed += 1;
        },
      );
    }
  };

/** A freezes between its read and its write until B, who takes over, has done its rounds; then A goes on. */
async function freezeAndThaw(check: Fenced): Promise<{ value: number; done: number }> {
  const options = { db, holder: 'test', log: silent, ttlMs: TTL_MS, renewEveryMs: 200, retryEveryMs: 100, fenced: check };
  let asleep = false;
  let thaw: () => void = () => {};
  const thawed = new Promise<void>((resolve) => {
    thaw = resolve;
  });
  // A frozen process renews nothing either.
  const frozen: Leases = { ...a, renew: (lease, ttl) => (asleep ? thawed.then(() => false) : a.renew(lease, ttl)) };
  const ofA = { done: 0, failed: 0 };
  const ofB = { done: 0, failed: 0 };
  const first = runAsLeader(
    { ...options, leases: frozen, ttlMs: TTL_MS },
    'count',
    stop.signal,
    counting(ofA, async () => {
      if (ofA.done !== 2 || asleep) return;
      asleep = true;
      await thawed;
    }),
  );
  await waitFor('A to be frozen', () => asleep);
  const second = runAsLeader(
    { ...options, leases: b },
    'count',
    stop.signal,
    counting(ofB, async () => {}),
  );
  await waitFor('B to have done its rounds', () => ofB.done === 5, { timeoutMs: 30_000 });
  const before = ofA.done + ofA.failed;
  thaw();
  await waitFor('A to have come round', () => ofA.done + ofA.failed > before, { timeoutMs: 30_000 });
  stop.abort();
  await Promise.all([first, second]);
  return { value: await tally(), done: ofA.done + ofB.done };
}

test('a leader that thaws after another took over does no harm', { timeout: 60_000 }, async () => {
  const { value, done } = await freezeAndThaw(fenced);
  expect(value).toBe(done);
});

test('control: without the check it does', { timeout: 60_000 }, async () => {
  const { value, done } = await freezeAndThaw((unfenced) => unfenced);
  expect(value).toBeLessThan(done);
});

test('a stop ends the work first and gives the lease back at once', async () => {
  const options = { db, holder: 'test', log: silent, ttlMs: 60_000 };
  const events: string[] = [];
  const own = new AbortController();
  const leading = runAsLeader({ ...options, leases: a }, 'job', own.signal, async ({ signal, db: leased }) => {
    events.push('leads');
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    await inTransaction(leased, (tx) => tx.$executeRawUnsafe('UPDATE tally SET value = 5'));
    events.push('done');
  });
  await waitFor('the leader', () => events.length === 1);
  own.abort();
  await leading;
  expect(events).toEqual(['leads', 'done']);
  expect(await tally()).toBe(5);
  expect(await b.take('job', 'test', TTL_MS)).not.toBeNull();
});

test('a leader whose database does not answer gives up before its lease can have passed to another', async () => {
  let lost = 0;
  const deaf: Leases = { ...a, renew: () => Promise.reject(new Error('away')) };
  const startedAt = performance.now();
  void runAsLeader(
    { db, holder: 'test', log: silent, ttlMs: 800, renewEveryMs: 100, leases: deaf },
    'job',
    stop.signal,
    async ({ signal }) => {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      lost += 1;
    },
  );
  await waitFor('the leader to give up', () => lost > 0);
  expect(performance.now() - startedAt).toBeGreaterThan(600);
});
