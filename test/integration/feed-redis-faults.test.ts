// Redis is a cache of the log: whatever is done to it, subscribers get every change, in order, once, and soon. `serving`
// has only the stream and its poll; `working` relays. Each fault runs with commits before, during and after it.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { TailOptions } from '../../src/feed/tail.ts';
import type { ChangeStream, StreamNews } from '../../src/redis/change-stream.ts';
import { openRedis, type RedisConnections } from '../../src/redis/client.ts';
import { aChange, commit, type Follower, follow, positions, range, recorded } from '../support/changes.ts';
import { credulousRing } from '../support/credulous-ring.ts';
import { type FeedNode, silent, startFeedNode } from '../support/feed-node.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { type OwnRedis, startRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait-for.ts';

/** I7, with Redis up and without. */
const BOUND_UP_MS = 1_000;
const BOUND_DOWN_MS = 5_000;

let redisServer: OwnRedis;
let admin: RedisConnections;
let database: TestDatabase;
let working: FeedNode;
let serving: FeedNode;
let follower: Follower;
let stop: AbortController;
let key: string;
let written: number;
let startedAt: Map<number, number>;

const redis = (command: string, ...args: string[]): Promise<unknown> => admin.request.call(command, ...args);

beforeAll(async () => {
  redisServer = await startRedis();
}, 60_000);

afterAll(() => redisServer.stop());

beforeEach(async () => {
  database = await createTestDatabase();
  admin = openRedis({ url: redisServer.url, log: silent });
  working = await startFeedNode({ url: database.url, redisUrl: redisServer.url });
  serving = await startFeedNode({ url: database.url, redisUrl: redisServer.url, relays: false, stream: { blockMs: 1_000 } });
  stop = new AbortController();
  written = 0;
  startedAt = new Map();
  follower = follow(serving.feed.subscribe({ filter: {}, after: null, tenant: null, signal: stop.signal }));
  const head = await working.db.changeLogHead.findFirstOrThrow();
  key = `access-service:{${head.logId}}:changes`;
  await waitFor('the first checkpoint', () => follower.checkpoints.length > 0);
  await waitFor('Redis', () => redis('PING'));
  await write(3);
  await received();
}, 60_000);

afterEach(async () => {
  stop.abort();
  await follower.done;
  await working.stop();
  await serving.stop();
  admin.close();
  await database.drop();
  expect(follower.ending).toBeNull();
  expect(positions(follower.changes)).toEqual(range(1, written));
});

async function write(count: number, { nudge = true } = {}): Promise<void> {
  const users = range(written + 1, written + count);
  await commit(working.db, ...users.map((index) => aChange(`user_${index}`)));
  for (const position of users) startedAt.set(position, performance.now());
  written += count;
  if (nudge) working.nudge.nudge();
}

/** Waits until everything written has arrived, and says how long after its commit the last one did, at most. */
async function received(): Promise<number> {
  await waitFor(`${written} changes`, () => follower.changes.length >= written, { everyMs: 5 });
  return performance.now() - (startedAt.get(written) as number);
}

/** What the relay would do next. */
const append = async () => working.stream?.append([recorded(BigInt(written + 1), aChange('next'))]);

const relayed = () =>
  waitFor('the relay', async () => (await working.db.changeLogHead.findFirstOrThrow()).relayedPosition === BigInt(written));

test('with Redis up a change arrives at once', async () => {
  await write(1);
  expect(await received()).toBeLessThan(BOUND_UP_MS);
});

test('the stream alone is enough: entries wake, and a hole among them is filled at once', async () => {
  const node = await startFeedNode({
    url: database.url,
    redisUrl: redisServer.url,
    relays: false,
    tail: { pollIntervalMs: { streaming: 3_600_000, alone: 3_600_000 } },
  });
  const reader = follow(node.feed.subscribe({ filter: {}, after: 0n, tenant: null, signal: stop.signal }));
  const readers = async () => [...String(await redis('CLIENT', 'LIST')).matchAll(/name=access-service-reader .* cmd=xread/g)].length;
  await waitFor('three blocked readers', async () => (await readers()) === 3);
  await write(1);
  await waitFor('an entry', () => reader.changes.length === written);
  // An entry that does not decode is a hole. (Unless the relay's poll was quicker than this test.)
  await write(1, { nudge: false });
  await redis('XADD', key, `${written}-0`, 'change', 'garbage').catch(() => {});
  await waitFor('the change in the hole', () => reader.changes.length === written);
  await write(1);
  await waitFor('the change after the hole', () => reader.changes.length === written);
  expect(reader.changes.map((change) => change.userId)).toEqual(range(1, written).map((index) => `user_${index}`));
  await node.stop();
});

test('a commit in a process that nudges nobody arrives within the bound', async () => {
  await write(1, { nudge: false });
  expect(await received()).toBeLessThan(BOUND_UP_MS + 250);
});

test('FLUSHALL, before and after an entry was read', async () => {
  await redis('FLUSHALL');
  await write(2);
  expect(await received()).toBeLessThan(BOUND_UP_MS);
  await relayed();
  await redis('FLUSHALL');
  await write(1);
  expect(await received()).toBeLessThan(BOUND_UP_MS);
});

test('Redis killed, and started again without its data', { timeout: 60_000 }, async () => {
  await redisServer.kill();
  await write(2);
  expect(await received()).toBeLessThan(BOUND_DOWN_MS);
  await redisServer.restart();
  await write(2);
  await received();
  await relayed();
  await write(1);
  expect(await received()).toBeLessThan(BOUND_UP_MS);
});

/** A node that hears of changes from the stream only, and whose reader is held up while the stream is trimmed below it. */
async function readPastATrim(ring: Partial<TailOptions>): Promise<number[]> {
  let release = () => {};
  let held = Promise.resolve();
  async function* read(after: () => bigint, signal: AbortSignal): AsyncGenerator<StreamNews> {
    for await (const news of (working.stream as ChangeStream).read(after, signal)) {
      if (news.kind === 'entries') await held;
      yield news;
    }
  }
  const never = 3_600_000;
  const node = await startFeedNode({
    url: database.url,
    relays: false,
    tail: { stream: { read }, pollIntervalMs: { streaming: never, alone: never }, ...ring },
  });
  const from = written;
  const reader = follow(node.feed.subscribe({ filter: {}, after: BigInt(from), tenant: null, signal: stop.signal }));
  await write(1);
  await waitFor('an entry', () => reader.changes.length === 1);
  held = new Promise((resolve) => {
    release = resolve;
  });
  await write(1);
  await relayed();
  await write(6);
  await relayed();
  await redis('XTRIM', key, 'MAXLEN', '1');
  release();
  await waitFor('the last entry', () => reader.changes.at(-1)?.position === BigInt(written));
  await node.stop();
  return positions(reader.changes).map((position) => position - from);
}

test('the stream trimmed below a reader', async () => {
  expect(await readPastATrim({})).toEqual(range(1, 8));
});

test('control: without the proof of contiguity the trimmed entries are lost', async () => {
  expect((await readPastATrim({ ring: credulousRing })).length).toBeLessThan(8);
});

test('Redis frozen: nobody waits for it', { timeout: 60_000 }, async () => {
  redisServer.freeze();
  try {
    await write(2);
    expect(await received()).toBeLessThan(BOUND_DOWN_MS);
    // Longer than the reader's watchdog, so that it opens new connections to a server that does not answer.
    const frozenAt = performance.now();
    while (performance.now() - frozenAt < 5_000) {
      await write(1);
      expect(await received()).toBeLessThan(BOUND_DOWN_MS);
    }
  } finally {
    redisServer.thaw();
  }
  await relayed();
  await write(1);
  expect(await received()).toBeLessThan(BOUND_UP_MS);
});

test('connections that flap', { timeout: 60_000 }, async () => {
  for (const _ of range(1, 25)) {
    await redis('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await write(2);
    expect(await received()).toBeLessThan(BOUND_DOWN_MS);
  }
  await relayed();
});

test('a failover to a replica that lacks the tail', async () => {
  await relayed();
  // What such a replica looks like: an older last id, and the newest entries gone.
  await redis('XDEL', key, '2-0', '3-0');
  await redis('DEL', key);
  await redis('XADD', key, '1-0', 'change', 'old');
  await write(2);
  expect(await received()).toBeLessThan(BOUND_UP_MS);
});

test('errors of a failover: UNBLOCKED and READONLY end no loop', { timeout: 60_000 }, async () => {
  const clients = String(await redis('CLIENT', 'LIST'));
  const readers = [...clients.matchAll(/id=(\d+) .*name=access-service-reader/g)].map((match) => match[1] as string);
  expect(readers.length).toBe(2);
  for (const reader of readers) await redis('CLIENT', 'UNBLOCK', reader, 'ERROR');
  await write(1);
  expect(await received()).toBeLessThan(BOUND_DOWN_MS);
  await redis('REPLICAOF', '127.0.0.1', '1');
  await expect(append()).rejects.toThrow(/READONLY/);
  await write(2);
  expect(await received()).toBeLessThan(BOUND_DOWN_MS);
  await redis('REPLICAOF', 'NO', 'ONE');
  await relayed();
  await write(1);
  expect(await received()).toBeLessThan(BOUND_UP_MS);
});

test('Redis out of memory', { timeout: 60_000 }, async () => {
  await redis('CONFIG', 'SET', 'maxmemory', '1');
  try {
    await expect(append()).rejects.toThrow(/OOM/);
    await write(3);
    expect(await received()).toBeLessThan(BOUND_DOWN_MS);
  } finally {
    await redis('CONFIG', 'SET', 'maxmemory', '0');
  }
  await relayed();
  await write(1);
  expect(await received()).toBeLessThan(BOUND_UP_MS);
});

test('foreign entries: garbage, a wrong type, an id far ahead', { timeout: 60_000 }, async () => {
  await redis('XADD', key, '1000000-0', 'change', '{}');
  await write(2);
  expect(await received()).toBeLessThan(BOUND_UP_MS + 250);
  await write(2);
  await received();
  await redis('DEL', key);
  await redis('SET', key, 'not a stream');
  await write(2);
  expect(await received()).toBeLessThan(BOUND_DOWN_MS);
  await redis('DEL', key);
  await relayed();
});

test('a stream from before a restore of the database is not believed', { timeout: 60_000 }, async () => {
  const restored = await createTestDatabase();
  const writer = await startFeedNode({ url: restored.url, redisUrl: redisServer.url, relays: false });
  await commit(writer.db, aChange('user_1'), aChange('user_2'));
  await writer.stream?.append(range(1, 7).map((position) => recorded(BigInt(position), aChange('lost by the restore'))));
  const node = await startFeedNode({ url: restored.url, redisUrl: redisServer.url });
  const reader = follow(node.feed.subscribe({ filter: {}, after: 0n, tenant: null, signal: stop.signal }));
  await commit(node.db, aChange('user_3'));
  await waitFor('the log', () => reader.changes.length === 3);
  expect(reader.changes.map((change) => change.userId)).toEqual(['user_1', 'user_2', 'user_3']);
  await waitFor('a stream that is the log again', async () => (await node.stream?.lastId()) === 3n);
  await writer.stop();
  await node.stop();
  await restored.drop();
});
