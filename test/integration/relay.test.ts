import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { readHead } from '../../src/changes/head.ts';
import { readAfter } from '../../src/changes/read-after.ts';
import { type OpenDb, openDb } from '../../src/db/client.ts';
import { createNudge } from '../../src/lib/nudge.ts';
import type { RecordedChange } from '../../src/model/change.ts';
import { type ChangeStream, createChangeStream, type StreamNews } from '../../src/redis/change-stream.ts';
import { openRedis, type RedisConnections } from '../../src/redis/client.ts';
import { createJustRecorded } from '../../src/relay/just-recorded.ts';
import { markRelayed } from '../../src/relay/mark-relayed.ts';
import { createRelay, type RelayOptions } from '../../src/relay/relay.ts';
import { aChange, commit, positions, range, recorded } from '../support/changes.ts';
import { silent } from '../support/feed-node.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { type OwnRedis, startRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait-for.ts';

let redisServer: OwnRedis;
let redis: RedisConnections;
let database: TestDatabase;
let opened: OpenDb;
let stream: ChangeStream;
let key: string;

beforeAll(async () => {
  redisServer = await startRedis();
}, 60_000);

afterAll(() => redisServer.stop());

beforeEach(async () => {
  database = await createTestDatabase();
  opened = openDb({ url: database.url, poolSize: 6, statementTimeoutMs: 10_000, applicationName: 'test' });
  redis = openRedis({ url: redisServer.url, log: silent });
  const { logId } = await readHead(opened.db);
  key = `access-service:{${logId}}:changes`;
  stream = createChangeStream({ redis, logId });
  await waitFor('Redis', () => stream.ping());
}, 60_000);

afterEach(async () => {
  stream.close();
  await opened.close();
  await database.drop();
});

function relay(over: Partial<RelayOptions> = {}) {
  const published: RecordedChange[] = [];
  const nudge = createNudge();
  const made = createRelay({
    db: opened.db,
    stream,
    onPublished: (changes) => published.push(...changes),
    nudge,
    log: silent,
    pollIntervalMs: 100,
    ...over,
  });
  return { ...made, published, nudge };
}

async function untilIdle({ step }: { step(): Promise<'again' | 'idle'> }): Promise<void> {
  while ((await step()) === 'again');
}

const streamed = async () => {
  const entries = (await redis.request.xrange(key, '-', '+')) as [string, string[]][];
  return entries.map(([id]) => Number(id.replace('-0', '')));
};
const relayed = async () => (await readHead(opened.db)).relayedPosition;

test('every change goes to the stream under its position, to the own tail, and is marked', async () => {
  await commit(opened.db, ...range(1, 1_203).map((index) => aChange(`user_${index}`)));
  const subject = relay();
  await untilIdle(subject);
  expect(await streamed()).toEqual(range(1, 1_203));
  expect(positions(subject.published)).toEqual(range(1, 1_203));
  expect(await relayed()).toBe(1_203n);
});

test('what was just recorded is not read from the log; what was not is', async () => {
  await commit(opened.db, aChange('a'), aChange('b'), aChange('c'), aChange('d'));
  const just = createJustRecorded();
  just.add([recorded(4n, aChange('handed over'))]);
  just.add([recorded(1n, aChange('handed over')), recorded(2n, aChange('handed over'))]);
  const subject = relay({ recorded: just });
  await untilIdle(subject);
  expect(subject.published.map(({ userId }) => userId)).toEqual(['handed over', 'handed over', 'c', 'd']);
  expect(await streamed()).toEqual([1, 2, 3, 4]);
  expect((await readHead(opened.db)).relayedPosition).toBe(4n);
});

test('what comes soon after a mark is marked together', async () => {
  let marks = 0;
  const db = new Proxy(opened.db, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key);
      if (key !== '$executeRawUnsafe') return value;
      marks += 1;
      return value;
    },
  });
  const changes = range(1, 100).map((index) => aChange(`user_${index}`));
  for (const change of changes) await commit(opened.db, change);
  const log = await readAfter(opened.db, { after: 0n, limit: 100 });
  // One at a time, faster than they could be committed.
  const subject = relay({ db, recorded: { takeAfter: (position) => log.slice(Number(position), Number(position) + 1) } });
  for (const _ of changes) expect(await subject.step()).toBe('again');
  await untilIdle(subject);
  expect(positions(subject.published)).toEqual(range(1, 100));
  expect((await readHead(opened.db)).relayedPosition).toBe(100n);
  expect(marks).toBeLessThan(50);
});

test('an entry carries the whole change', async () => {
  await commit(opened.db, aChange('user_1', { revokedRoles: ['owner'] }));
  await untilIdle(relay());
  const stop = new AbortController();
  let news: StreamNews | undefined;
  for await (news of stream.read(() => 0n, stop.signal)) if (news.kind === 'entries') break;
  stop.abort();
  expect(news).toEqual({ kind: 'entries', changes: await readAfter(opened.db, { after: 0n, limit: 10 }), lastId: 1n });
});

test('a relay that died between append and mark is made up for, and what was marked is not marked again', async () => {
  await commit(opened.db, aChange('a'), aChange('b'), aChange('c'));
  const changes = await readAfter(opened.db, { after: 0n, limit: 10 });
  expect(await stream.append(changes)).toEqual({ known: 0 });
  // dies here
  const republished: unknown[] = [];
  await untilIdle(relay({ counts: { republished: (reason, n) => republished.push([reason, n]) } }));
  expect(republished).toEqual([['repeated', 3]]);
  expect(await streamed()).toEqual([1, 2, 3]);
  expect(await relayed()).toBe(3n);
  await markRelayed(opened.db, 0n, 2n);
  expect(await relayed()).toBe(3n);
  expect(await streamed()).toEqual([1, 2, 3]);
});

test('two relays at once hand on every change once and neither fails', { timeout: 60_000 }, async () => {
  const stop = new AbortController();
  const errors: unknown[] = [];
  const log = { ...silent, warn: (...line: unknown[]) => errors.push(line) } as unknown as typeof silent;
  const relays = [relay({ log }), relay({ log })];
  const running = relays.map((one) => one.run(stop.signal));
  const writing = range(1, 4).map(async (writer) => {
    for (const batch of range(1, 25)) {
      await commit(opened.db, aChange(`user_${writer}_${batch}_a`), aChange(`user_${writer}_${batch}_b`));
      for (const one of relays) one.nudge.nudge();
    }
  });
  await Promise.all(writing);
  await waitFor('all to be relayed', async () => (await relayed()) === 200n);
  stop.abort();
  await Promise.all(running);
  expect(await streamed()).toEqual(range(1, 200));
  expect(errors).toEqual([]);
});

test('the next changes are handed on while the mark of those before is being committed, and then all are marked', async () => {
  let letGo = (): void => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  let marks = 0;
  const db = new Proxy(opened.db, {
    get(target, name) {
      if (name !== '$executeRawUnsafe') return Reflect.get(target, name);
      return async (sql: string, ...parameters: unknown[]) => {
        marks += 1;
        await held;
        return target.$executeRawUnsafe(sql, ...parameters);
      };
    },
  });
  const subject = relay({ db });
  for (const user of ['a', 'b', 'c']) {
    await commit(opened.db, aChange(user));
    expect(await subject.step()).toBe('again');
  }
  expect([await streamed(), marks, await relayed()]).toEqual([[1, 2, 3], 1, 0n]);
  letGo();
  await untilIdle(subject);
  expect([marks, await relayed()]).toEqual([2, 3n]);
});

test('what could not be marked is handed on again and marked then', async () => {
  let failures = 1;
  const db = new Proxy(opened.db, {
    get(target, name) {
      if (name !== '$executeRawUnsafe' || failures-- <= 0) return Reflect.get(target, name);
      return () => Promise.reject(new Error('not now'));
    },
  });
  const subject = relay({ db });
  await commit(opened.db, aChange('a'));
  await untilIdle(subject).catch(() => undefined);
  await untilIdle(subject);
  expect([await streamed(), await relayed()]).toEqual([[1], 1n]);
});

test('without Redis the same marks are made and the own tail is told', async () => {
  await commit(opened.db, aChange('a'), aChange('b'));
  const subject = relay({ stream: null });
  await untilIdle(subject);
  expect(positions(subject.published)).toEqual([1, 2]);
  expect(await streamed()).toEqual([]);
});

test('a nudge is enough: nothing waits for the poll', async () => {
  const stop = new AbortController();
  const subject = relay({ pollIntervalMs: 3_600_000 });
  const running = subject.run(stop.signal);
  await commit(opened.db, aChange('a'));
  subject.nudge.nudge();
  await waitFor('the change', () => subject.published.length === 1);
  stop.abort();
  await running;
});

test('a relay that is stopped hands on what is there before it ends', async () => {
  await commit(opened.db, aChange('a'), aChange('b'));
  const { run, published } = relay();
  await run(AbortSignal.abort());
  expect(await streamed()).toEqual([1, 2]);
  expect(positions(published)).toEqual([1, 2]);
});

test('while Redis is down nothing is marked; when it is back, without its data, the relay goes on by itself', {
  timeout: 60_000,
}, async () => {
  const stop = new AbortController();
  const subject = relay();
  await commit(opened.db, aChange('a'));
  const running = subject.run(stop.signal);
  await waitFor('the first', async () => (await streamed()).length === 1);
  await redisServer.kill();
  await commit(opened.db, aChange('b'));
  await expect(stream.append(await readAfter(opened.db, { after: 1n, limit: 1 }))).rejects.toThrow();
  expect((await readHead(opened.db)).relayedPosition).toBe(1n);
  await redisServer.restart();
  await waitFor('the mark', async () => (await readHead(opened.db)).relayedPosition === 2n);
  expect(await streamed()).toEqual([2]);
  stop.abort();
  await running;
});

test('a stream that is ahead of the log (a restored database) is thrown away instead of refusing every change', async () => {
  await stream.append([recorded(500n, aChange('from another life'))]);
  await commit(opened.db, aChange('a'), aChange('b'));
  const subject = relay();
  await untilIdle(subject);
  expect(await streamed()).toEqual([1, 2]);
  // The same, found while running.
  await redis.request.xadd(key, '900-0', 'change', 'garbage');
  await commit(opened.db, aChange('c'));
  await untilIdle(subject);
  await commit(opened.db, aChange('d'));
  await untilIdle(subject);
  expect(await streamed()).toEqual([4]);
});

test('the stream is bounded', async () => {
  const short = createChangeStream({ redis, logId: 'short', maxLength: 100 });
  await short.append(range(1, 2_000).map((index) => recorded(BigInt(index), aChange(`user_${index}`))));
  expect(await redis.request.xlen('access-service:{short}:changes')).toBeLessThan(300);
  expect(await short.lastId()).toBe(2_000n);
});

test('two databases on one Redis never mix', async () => {
  const other = createChangeStream({ redis, logId: 'other' });
  await other.append([recorded(1n, aChange('theirs'))]);
  expect(await stream.lastId()).toBe(0n);
  expect(await stream.append([recorded(1n, aChange('ours'))])).toEqual({ known: 0 });
});
