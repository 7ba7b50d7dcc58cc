import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createTail, type Tail, type TailOptions } from '../../src/feed/tail.ts';
import { aChange, positions, range } from '../support/changes.ts';
import { createFakeLog, type FakeLog } from '../support/fake-log.ts';
import { silent } from '../support/feed-node.ts';
import { waitFor } from '../support/wait-for.ts';

let gate: () => Promise<unknown>;
let log: FakeLog;
let stop: AbortController;
let running: Promise<void>;

beforeEach(() => {
  gate = async () => {};
  log = createFakeLog(() => gate());
  stop = new AbortController();
  running = Promise.resolve();
});

afterEach(async () => {
  stop.abort();
  await running;
});

async function start(options: Partial<TailOptions> = {}): Promise<Tail> {
  const tail = await createTail({
    db: log.db,
    stream: null,
    log: silent,
    pollIntervalMs: { streaming: 3_600_000, alone: 3_600_000 },
    ...options,
  });
  running = tail.run(stop.signal);
  return tail;
}

const write = (count: number) => log.commit(...range(1, count).map((index) => aChange(`user_${index}`)));

test('starts at the head: what is older must be read from the log', async () => {
  write(5);
  const tail = await start();
  expect(tail.position()).toBe(5n);
  expect(tail.after(4n, 10)).toBe('too old');
  expect(tail.after(5n, 10)).toEqual([]);
});

test('takes what continues it without asking the log, and asks the log when something is missing', async () => {
  const gapBackfilled = vi.fn();
  const tail = await start({ counts: { gapBackfilled } });
  tail.offer(write(2));
  expect(tail.position()).toBe(2n);
  expect(gapBackfilled).not.toHaveBeenCalled();
  write(2);
  tail.offer(write(1));
  expect(tail.position()).toBe(2n);
  await waitFor('the hole to be filled', () => tail.position() === 5n);
  expect(gapBackfilled).toHaveBeenCalledOnce();
  expect(tail.after(0n, 10)).toHaveLength(5);
  tail.offer(log.changes);
  expect(positions(tail.after(0n, 10) as typeof log.changes)).toEqual(range(1, 5));
});

test('polls without any hint', async () => {
  const tail = await start({ pollIntervalMs: { streaming: 10, alone: 10 } });
  write(3);
  await waitFor('the changes', () => tail.position() === 3n);
});

test('does not load what its ring cannot hold', async () => {
  const tail = await start({ maxCount: 10, pollIntervalMs: { streaming: 10, alone: 10 } });
  write(5_000);
  await waitFor('the head', () => tail.position() === 5_000n);
  expect(tail.after(4_999n, 10)).toBe('too old');
});

test('many may wait for a position; they are told, and none stays behind', async () => {
  const tail = await start();
  const waits = range(1, 500).map((index) => tail.reached(BigInt((index % 3) + 1), stop.signal));
  const given = new AbortController();
  const gaveUp = tail.reached(9n, given.signal);
  tail.offer(write(3));
  expect(await Promise.all(waits)).toEqual(waits.map(() => true));
  given.abort();
  expect(await gaveUp).toBe(false);
  expect(await tail.reached(3n, given.signal)).toBe(true);
  expect(getEventListeners(given.signal, 'abort')).toEqual([]);
});

test('a read that never returns does not stop the reads after it', { timeout: 15_000 }, async () => {
  const tail = await start({ pollIntervalMs: { streaming: 10, alone: 10 }, staleAfterMs: 1_000 });
  let hung = 0;
  gate = () => {
    hung += 1;
    return new Promise(() => {});
  };
  await waitFor('a hung read', () => hung === 1);
  write(1);
  await waitFor('the doubt', () => tail.isStale());
  expect(hung).toBe(1);
  gate = async () => {};
  await waitFor('the change', () => tail.position() === 1n);
  expect(tail.isStale()).toBe(false);
});
