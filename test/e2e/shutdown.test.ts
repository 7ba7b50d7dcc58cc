// How real processes end: not ready first, jobs to the end of their transactions and leases given away, changes handed on,
// sockets told to come again in batches, streams ended, exit 0. A second signal, and a job that hangs, end it all the same.
import { afterEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { expectTruth } from '../faults/oracle.ts';
import { everythingArrives } from '../faults/scenario.ts';
import { startWorld, type World, type WorldOptions } from '../faults/world.ts';
import { SEED } from '../support/seed.ts';
import { waitFor } from '../support/wait-for.ts';

const DRAIN_SECONDS = 2;
const SOCKETS = 100;
const STREAMS = 5;
const TIMEOUT = { timeout: 300_000 };
const FOLLOW = 'subscription { entitlementChanges { __typename } }';

let world: World;
const begin = async (options: Omit<WorldOptions, 'seed'>): Promise<void> => {
  world = await startWorld({ seed: SEED, ...options });
};
afterEach(() => world?.close());

interface Ended {
  at: number;
  code: number;
}

/** A client that has introduced itself; `ended` tells how the server sent it away. */
async function openSocket(url: string, key: string): Promise<{ ended: Promise<Ended> }> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  socket.on('error', () => {});
  socket.once('open', () => socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${key}` } })));
  const ended = new Promise<Ended>((resolve) => {
    socket.once('close', (code) => resolve({ code, at: performance.now() }));
  });
  await Promise.race([new Promise((resolve) => socket.once('message', resolve)), ended]);
  return { ended };
}

/** A reader of server-sent events; `ended` gives what it was sent. */
async function openStream(url: string, key: string): Promise<{ ended: Promise<{ at: number; text: string }> }> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization: `Bearer ${key}` },
    body: JSON.stringify({ query: FOLLOW }),
  });
  let text = '';
  const read = async (): Promise<void> => {
    for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString('utf8');
  };
  const ended = read()
    .catch(() => undefined)
    .then(() => ({ at: performance.now(), text }));
  await waitFor('the stream to begin', () => text.includes('FeedCheckpoint'), { missing: () => text });
  return { ended };
}

const readiness = (url: string): Promise<{ status: number; body: { ready: boolean; stopping?: boolean } }> =>
  fetch(`${url}/readyz`).then(async (answer) => ({ status: answer.status, body: (await answer.json()) as never }));

/** Leases that nobody could take now. */
const kept = (): Promise<unknown[]> => world.db.$queryRawUnsafe<unknown[]>('SELECT job FROM lease WHERE expires_at > clock_timestamp()');
const connected = (): Promise<unknown[]> =>
  world.db.$queryRawUnsafe<unknown[]>(
    "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'access-service%'",
  );

test('SIGTERM of everything in one process, under load', TIMEOUT, async () => {
  await begin({ together: true, subscribers: ['client'], env: { SHUTDOWN_DRAIN_SECONDS: String(DRAIN_SECONDS) } });
  const [node] = world.serves;
  if (!node) throw new Error('there is no process');
  const { url, key } = node;
  await everythingArrives(world, 'before the stop', 60_000);
  const sockets = await Promise.all(Array.from({ length: SOCKETS }, () => openSocket(url, key)));
  const streams = await Promise.all(Array.from({ length: STREAMS }, () => openStream(url, key)));

  const { notReadyAt, startedAt, exitCode, leases } = await world.underLoad(async () => {
    const startedAt = performance.now();
    const exited = node.stop();
    await waitFor('not to be ready', async () => (await readiness(url)).status === 503);
    const notReadyAt = performance.now();
    // Whoever has not noticed yet is still answered, on new connections too.
    expect((await readiness(url)).body).toMatchObject({ ready: false, stopping: true });
    expect(await node.query('{ __typename }')).toEqual({ __typename: 'Query' });
    const exitCode = await exited;
    return { startedAt, notReadyAt, exitCode, leases: await kept() };
  });
  process.stdout.write(`a stop with ${SOCKETS} sockets, ${STREAMS} streams: ${Math.round(performance.now() - startedAt)} ms\n`);

  // 1 is the end of one that took longer than 25 s.
  expect(exitCode).toBe(0);
  expect(leases, 'leases that were not given away').toEqual([]);
  const head = await world.db.changeLogHead.findFirstOrThrow();
  expect(head.relayedPosition, 'handed on').toBe(head.position);
  await waitFor('its connections to be gone', async () => (await connected()).length === 0, { missing: connected });

  const closed = await Promise.all(sockets.map(({ ended }) => ended));
  const ends = closed.map(({ at }) => at);
  expect(new Set(closed.map(({ code }) => code))).toEqual(new Set([1012]));
  expect(Math.min(...ends), 'not ready first').toBeGreaterThan(notReadyAt);
  expect(Math.min(...ends) - startedAt, 'after the drain').toBeGreaterThanOrEqual(DRAIN_SECONDS * 1_000);
  expect(Math.max(...ends) - Math.min(...ends), 'not all at once').toBeGreaterThan(100);
  for (const { at, text } of await Promise.all(streams.map(({ ended }) => ended))) {
    expect(at).toBeGreaterThan(notReadyAt);
    expect(text, 'the end of a process is not the end of the feed').not.toContain('complete');
  }

  await node.start();
  await expectTruth(world);
});

/** Under way, and held up at the failpoint. */
const APPLYING = `
  SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'access-service apply %' AND state = 'idle in transaction'
    AND state_change < clock_timestamp() - interval '200 milliseconds'`;

async function applyingWith(dawdleMs: number): Promise<void> {
  await begin({ works: 1, idle: true, subscribers: ['client'] });
  const [worker] = world.works;
  // Of a directory that is known: what is found to reach beyond its organization is left to the next transaction.
  await worker?.start({ INITIAL_IMPORT: 'off' });
  world.steps(10);
  await waitFor('the directory to be known', async () => (await settled()) > 0);
  await worker?.stop();
  await worker?.start({ FAILPOINTS: `before-commit=sleep:${dawdleMs}`, INITIAL_IMPORT: 'off' });
  world.steps(10);
  await waitFor('a batch to be under way', async () => (await world.db.$queryRawUnsafe<unknown[]>(APPLYING)).length > 0, {
    missing: () => world.works[0]?.output(),
  });
}

const settled = (): Promise<number> => world.db.directoryEvent.count({ where: { status: { not: 'PENDING' } } });

test('SIGTERM during a transaction: it is ended and handed on, then the lease is given away', TIMEOUT, async () => {
  await applyingWith(1_500);
  const before = await settled();
  expect(await world.works[0]?.stop()).toBe(0);
  expect(await kept()).toEqual([]);
  expect(await settled()).toBeGreaterThan(before);
  const head = await world.db.changeLogHead.findFirstOrThrow();
  expect(head.relayedPosition).toBe(head.position);
  await world.works[0]?.start({ INITIAL_IMPORT: 'off' });
  await expectTruth(world);
});

test('a transaction that does not end does not hold up the stop for ever, and leaves nothing half done', TIMEOUT, async () => {
  await applyingWith(120_000);
  const before = await settled();
  const startedAt = performance.now();
  // It says so by its exit code. Its leases run out by themselves.
  expect(await world.works[0]?.stop()).toBe(1);
  process.stdout.write(`a stop with a job that hangs: ${Math.round(performance.now() - startedAt)} ms\n`);
  expect(await settled()).toBe(before);
});

test('a second signal ends it at once, whatever is under way', TIMEOUT, async () => {
  await applyingWith(120_000);
  const [worker] = world.works;
  if (!worker) throw new Error('there is no process');
  const stopped = worker.stop();
  await waitFor('the stop to begin', () => worker.output().includes('"msg":"stopping"'), { missing: worker.output });
  process.kill(worker.pid() ?? 0, 'SIGTERM');
  expect(await stopped).toBe(143);
});
