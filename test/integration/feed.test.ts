import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { readHead } from '../../src/changes/head.ts';
import { readAfter } from '../../src/changes/read-after.ts';
import { AccessError } from '../../src/errors.ts';
import { createFeed } from '../../src/feed/feed.ts';
import { ReaderStalled } from '../../src/feed/reader-stalled.ts';
import { createTail } from '../../src/feed/tail.ts';
import { createLogger } from '../../src/log.ts';
import { encodeCursor } from '../../src/model/cursor.ts';
import { aChange, commit, follow, positions, range } from '../support/changes.ts';
import { createFakeLog } from '../support/fake-log.ts';
import { type FeedNode, silent, startFeedNode } from '../support/feed-node.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait-for.ts';

let database: TestDatabase;
let node: FeedNode;
let stop = new AbortController();

beforeAll(async () => {
  database = await createTestDatabase();
  node = await startFeedNode({ url: database.url, tail: { maxCount: 50 }, checkpointIntervalMs: 300 });
}, 60_000);

afterEach(() => {
  stop.abort();
  stop = new AbortController();
});

afterAll(async () => {
  await node.stop();
  await database.drop();
});

const everything = () => ({ filter: {}, after: null, tenant: null, signal: stop.signal });
const head = async () => Number((await readHead(node.db)).position);

async function write(...users: string[]): Promise<void> {
  await commit(node.db, ...users.map((user) => aChange(user)));
  node.nudge.nudge();
}

test('the first item is a checkpoint, silence brings more, and a caught-up subscriber is told so after changes', async () => {
  const follower = follow(node.feed.subscribe(everything()));
  const [first] = await waitFor('a checkpoint', () => (follower.checkpoints.length > 0 ? follower.checkpoints : null));
  expect(first).toMatchObject({ caughtUp: true });
  expect(follower.changes).toEqual([]);
  await write('joiner');
  await waitFor('a checkpoint after the change', () => {
    const last = follower.checkpoints.at(-1);
    return follower.changes.length === 1 && last?.caughtUp && last.position === follower.changes[0]?.position;
  });
  const before = follower.checkpoints.length;
  await waitFor('checkpoints in silence', () => follower.checkpoints.length >= before + 2);
});

test('after a cursor comes everything that was recorded, in order, once, and then what is recorded while it is read', async () => {
  const from = await head();
  for (const batch of range(1, 20)) await write(...range(1, 10).map((index) => `user_${batch}_${index}`));
  const follower = follow(node.feed.subscribe({ ...everything(), after: BigInt(from) }));
  const writers = range(1, 4).map(async (writer) => {
    for (const batch of range(1, 15)) await write(`live_${writer}_${batch}`);
  });
  await Promise.all(writers);
  await waitFor('all changes', () => follower.changes.length >= 260);
  expect(positions(follower.changes)).toEqual(range(from + 1, from + 260));
  expect(follower.checkpoints[0]).toMatchObject({ position: BigInt(from), caughtUp: false });
  await waitFor('being caught up', () => follower.checkpoints.at(-1)?.caughtUp);
});

test('random cuts and resumptions give exactly the log, with filters and tenants', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 3, maxLength: 12 }),
      fc.constantFrom(null, ['a'], ['b', 'c']),
      fc.constantFrom(null, 'org_1', 'org_2'),
      async (cuts, userIds, tenant) => {
        const from = await head();
        const writing = (async () => {
          for (const [index, size] of cuts.entries()) {
            const batch = range(1, size).map((n) =>
              aChange(['a', 'b', 'c'][n % 3] as string, { organizationId: `org_${(n + index) % 3}` }),
            );
            await commit(node.db, ...batch);
            if (index % 2 === 0) node.nudge.nudge();
          }
        })();
        const total = cuts.reduce((sum, size) => sum + size, 0);
        const seen: number[] = [];
        let cursor = BigInt(from);
        for (let cut = 0; cursor < BigInt(from + total); cut += 1) {
          let left = cuts[cut % cuts.length] as number;
          for await (const item of node.feed.subscribe({ filter: { userIds }, after: cursor, tenant, signal: stop.signal })) {
            cursor = item.kind === 'change' ? item.change.position : item.position;
            if (item.kind === 'change') seen.push(Number(cursor));
            left -= 1;
            if (left < 0 || cursor >= BigInt(from + total)) break;
          }
        }
        await writing;
        expect(seen).toEqual(positions(await readAfter(node.db, { after: BigInt(from), limit: 1_000, filter: { userIds }, tenant })));
      },
    ),
    { seed: 11, numRuns: 15 },
  );
});

test('a filtered subscriber advances by checkpoints past what does not concern it', async () => {
  const follower = follow(node.feed.subscribe({ ...everything(), filter: { userIds: ['nobody'] } }));
  await write(...range(1, 120).map((index) => `somebody_${index}`));
  const end = BigInt(await head());
  await waitFor('a checkpoint at the end', () => follower.checkpoints.at(-1)?.position === end);
  expect(follower.changes).toEqual([]);
});

test('return() on a quiet feed resolves at once and leaves no subscriber behind', async () => {
  const items = node.feed.subscribe(everything());
  await items.next();
  const pending = items.next();
  expect(node.feed.stats().subscribers).toBe(1);
  const winner = await Promise.race([
    items.return?.().then(() => 'left'),
    waitFor('nothing', () => false, { timeoutMs: 200 }).catch(() => 'stuck'),
  ]);
  expect(winner).toBe('left');
  expect((await pending).done).toBe(true);
  expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
  expect(node.feed.stats()).toMatchObject({ subscribers: 0, slowestLagSeconds: null, stalledReaders: 0 });
});

test('the signal ends a subscription quietly, wherever it is', async () => {
  const follower = follow(node.feed.subscribe(everything()));
  await waitFor('a checkpoint', () => follower.checkpoints.length > 0);
  stop.abort();
  await follower.done;
  expect(follower.ending).toBeNull();
});

test('a consumer that never waits leaves the process responsive and stops at its signal', async () => {
  await write(...range(1, 40).map((index) => `busy_${index}`));
  const follower = follow(node.feed.subscribe({ ...everything(), after: 0n }));
  let turns = 0;
  while (follower.changes.length < 40) {
    await setImmediate();
    turns += 1;
  }
  expect(turns).toBeGreaterThan(1);
  stop.abort();
  await follower.done;
});

test('a subscriber that does not pull holds up nobody, and shows as the slowest', async () => {
  const slow = node.feed.subscribe(everything());
  await slow.next();
  const fast = follow(node.feed.subscribe(everything()));
  await waitFor('the fast one', () => fast.checkpoints.length > 0);
  const from = await head();
  for (const batch of range(1, 10)) await write(...range(1, 20).map((index) => `slow_${batch}_${index}`));
  await waitFor('the fast one to have all', () => fast.changes.length === 200);
  const { subscribers, slowestLagSeconds } = node.feed.stats();
  expect(subscribers).toBe(2);
  expect(slowestLagSeconds).toBeGreaterThan(0);
  // The ring holds 50: what the slow one missed comes from the log.
  const late = follow(slow);
  await waitFor('the slow one to have all', () => late.changes.length === 200);
  expect(positions(late.changes)).toEqual(range(from + 1, from + 200));
  await waitFor('no lag', () => node.feed.stats().slowestLagSeconds === 0);
});

test('a cursor beyond the log is refused, by the first pull and by open', async () => {
  const beyond = { ...everything(), after: 1_000_000n };
  await expect(node.feed.subscribe(beyond).next()).rejects.toMatchObject({ code: 'CURSOR_INVALID' });
  await expect(node.feed.open(beyond)).rejects.toMatchObject({ code: 'CURSOR_INVALID' });
  expect(node.feed.stats().subscribers).toBe(0);
  const opened = await node.feed.open(everything());
  expect((await opened.next()).value).toMatchObject({ kind: 'checkpoint' });
});

test('changes of other tenants are never shown, by back-fill or live', async () => {
  const from = await head();
  await commit(node.db, aChange('mine', { organizationId: 'org_mine' }), aChange('theirs', { organizationId: 'org_theirs' }));
  const follower = follow(node.feed.subscribe({ ...everything(), after: BigInt(from), tenant: 'org_mine' }));
  const asking = follow(
    node.feed.subscribe({ ...everything(), filter: { organizationId: 'org_theirs' }, after: BigInt(from), tenant: 'org_mine' }),
  );
  await waitFor('the back-fill', () => follower.changes.length === 1);
  await commit(node.db, aChange('theirs', { organizationId: 'org_theirs' }), aChange('mine', { organizationId: 'org_mine' }));
  node.nudge.nudge();
  await waitFor('the live change', () => follower.changes.length === 2);
  expect(follower.changes.map((change) => change.userId)).toEqual(['mine', 'mine']);
  const end = BigInt(await head());
  await waitFor('the other to have looked', () => asking.checkpoints.at(-1)?.position === end);
  expect(asking.changes).toEqual([]);
});

test('a log that cannot be read ends a subscription with UNAVAILABLE, never quietly', async () => {
  let broken = false;
  const fake = createFakeLog(async () => {
    if (broken) throw new Error('connection refused');
  });
  const tail = await createTail({ db: fake.db, stream: null, log: silent });
  const feed = createFeed({ db: fake.db, tail, log: silent });
  fake.commit(aChange('a'), aChange('b'));
  const items = feed.subscribe({ ...everything(), after: 0n });
  expect((await items.next()).value).toMatchObject({ kind: 'checkpoint', caughtUp: false });
  broken = true;
  const failure = await items.next().catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(AccessError);
  expect(failure).toMatchObject({ code: 'UNAVAILABLE', cause: { message: 'connection refused' } });
  expect((await items.next()).done).toBe(true);
  expect(feed.stats().subscribers).toBe(0);
});

test('while the log cannot be read, a subscriber is told that it may not be caught up, and when it is again', async () => {
  let broken = false;
  const fake = createFakeLog(async () => {
    if (broken) throw new Error('connection refused');
  });
  const tail = await createTail({ db: fake.db, stream: null, log: silent, staleAfterMs: 300 });
  const running = tail.run(stop.signal);
  const follower = follow(createFeed({ db: fake.db, tail, log: silent }).subscribe(everything()));
  await waitFor('the first checkpoint', () => follower.checkpoints.length === 1);
  broken = true;
  await waitFor('the doubt', () => follower.checkpoints.length === 2);
  broken = false;
  await waitFor('the certainty', () => follower.checkpoints.length === 3);
  expect(follower.checkpoints.map((checkpoint) => checkpoint.caughtUp)).toEqual([true, false, true]);
  stop.abort();
  await running;
});

test('a subscriber whose node cannot read the log for long is sent away, to another node', async () => {
  const fake = createFakeLog(async () => {});
  const tail = await createTail({ db: fake.db, stream: null, log: silent, staleAfterMs: 100 });
  // This tail does not run: nothing is known any more.
  const feed = createFeed({ db: fake.db, tail, log: silent, checkpointIntervalMs: 100, giveUpAfterMs: 500 });
  const follower = follow(feed.subscribe(everything()));
  await follower.done;
  expect(follower.ending).toMatchObject({ code: 'UNAVAILABLE' });
  expect(follower.checkpoints.at(-1)).toMatchObject({ caughtUp: false });
});

test('a cursor whose changes were pruned is refused, also when pruning overtakes a subscriber', async () => {
  const end = await head();
  const overtaken = node.feed.subscribe({ ...everything(), after: BigInt(end - 190) });
  expect((await overtaken.next()).value).toMatchObject({ kind: 'checkpoint' });
  await node.db.$executeRawUnsafe(`DELETE FROM entitlement_change WHERE position <= ${end - 100}`);
  await expect(overtaken.next()).rejects.toMatchObject({ code: 'CURSOR_EXPIRED' });
  await expect(node.feed.subscribe({ ...everything(), after: BigInt(end - 101) }).next()).rejects.toMatchObject({ code: 'CURSOR_EXPIRED' });
  const kept = follow(node.feed.subscribe({ ...everything(), after: BigInt(end - 100) }));
  await waitFor('what is kept', () => kept.changes.length === 100);
});

test('a reader that its transport has given up is logged with its cursor, and counted; one that leaves is not', async () => {
  const lines: string[] = [];
  const log = createLogger('warn', { write: (line) => void lines.push(line) });
  const feed = createFeed({ db: node.db, tail: node.tail, log });
  const { logId } = await readHead(node.db);
  const [leaving, stalling] = [new AbortController(), new AbortController()];
  const readers = [leaving, stalling].map(({ signal }) => follow(feed.subscribe({ ...everything(), signal })));
  await write('before_the_stall');
  const end = BigInt(await head());
  await waitFor('both to have it', () => readers.every(({ checkpoints }) => checkpoints.at(-1)?.position === end));
  leaving.abort();
  stalling.abort(new ReaderStalled('SSE', 'somebody'));
  await Promise.all(readers.map(({ done }) => done));
  expect(feed.stats()).toMatchObject({ subscribers: 0, stalledReaders: 1 });
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ transport: 'SSE', caller: 'somebody', cursor: encodeCursor(logId, end) }]);
});

test('a batch that would weigh too much is taken in parts, from the ring and from the log alike', async () => {
  const from = await head();
  const heavy = { grantedPermissions: Array.from({ length: 100 }, (_, index) => `${index}-${'x'.repeat(200)}`) };
  await commit(node.db, ...range(1, 120).map((index) => aChange(`heavy_${index}`, heavy)));
  const feed = createFeed({ db: node.db, tail: node.tail, log: silent, batchBytes: 100_000 });
  const follower = follow(feed.subscribe({ ...everything(), after: BigInt(from) }));
  await waitFor('all of it', () => follower.changes.length === 120);
  expect(positions(follower.changes)).toEqual(range(from + 1, from + 120));
});
