// Hints between processes, over a real Redis that comes and goes.
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { openRedis, type RedisConnections } from '../../src/redis/client.ts';
import { createHints } from '../../src/redis/hints.ts';
import { createWake, type Wake } from '../../src/worker/wake.ts';
import { silent } from '../support/feed-node.ts';
import { type OwnRedis, startRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait-for.ts';

const LONG_MS = 3_600_000;

let server: OwnRedis;
const opened: RedisConnections[] = [];
let stop = new AbortController();
let listening: Promise<void>[] = [];

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
afterEach(async () => {
  vi.useRealTimers();
  stop.abort();
  await Promise.all(listening);
  for (const redis of opened.splice(0)) redis.close();
  stop = new AbortController();
  listening = [];
});

function aProcess(logId = 'log'): Wake {
  const redis = openRedis({ url: server.url, log: silent });
  opened.push(redis);
  const wake = createWake(createHints({ redis, logId }));
  listening.push(wake.listen(stop.signal));
  return wake;
}

/** Counts how often a loop of a process is woken. */
function woken({ nudges }: Wake, loop: keyof Wake['nudges']): () => number {
  let count = 0;
  const watch = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await nudges[loop].wait(LONG_MS, stop.signal);
      if (!stop.signal.aborted) count += 1;
    }
  };
  listening.push(watch());
  return () => count;
}

test('whoever wakes a loop wakes it in every process, and no other loop', async () => {
  const [a, b] = [aProcess(), aProcess()];
  const [relay, apply] = [woken(b, 'relay'), woken(b, 'apply')];
  await waitFor('b to listen', () => relay() === 1 && apply() === 1);
  await waitFor('a to be connected', () => {
    a.wake('relay');
    return relay() > 1;
  });
  expect(apply()).toBe(1);
});

test('a hint does not come back to whoever gave it', async () => {
  const [a, b] = [aProcess(), aProcess()];
  const [own, others, later] = [woken(a, 'apply'), woken(b, 'apply'), woken(a, 'relay')];
  await waitFor('both to listen', () => own() === 1 && others() === 1 && later() === 1);
  a.wake('apply');
  await waitFor('the other to be woken', () => others() === 2);
  // One channel keeps its order: what was published before this has come when this has.
  b.wake('relay');
  await waitFor('a later hint to arrive', () => later() === 2);
  expect(own()).toBe(2);
});

test('many webhooks ask for one look at the source, after what is under way', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const wake = createWake(null);
  const poll = woken(wake, 'poll');
  for (let webhook = 0; webhook < 20; webhook += 1) {
    wake.wake('poll');
    await vi.advanceTimersByTimeAsync(10);
  }
  expect(poll()).toBe(0);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(poll()).toBe(1);
  // Whatever else was planned comes long before a next poll.
  await vi.advanceTimersByTimeAsync(LONG_MS / 2);
  expect(poll()).toBe(1);
  wake.wake('poll');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(poll()).toBe(2);
});

test('a listener that was away looks by itself when it is back', async () => {
  const b = aProcess();
  const relay = woken(b, 'relay');
  await waitFor('it to listen', () => relay() === 1);
  await server.kill();
  await server.restart();
  await waitFor('it to look', () => relay() === 2, { timeoutMs: 20_000 });
  const a = aProcess();
  await waitFor('hints to come again', () => {
    a.wake('relay');
    return relay() > 3;
  });
});

test('without Redis waking stays within the process and nobody waits', async () => {
  const redis = openRedis({ url: 'redis://127.0.0.1:1', log: silent });
  opened.push(redis);
  const wake = createWake(createHints({ redis, logId: 'log' }));
  listening.push(wake.listen(stop.signal));
  const apply = woken(wake, 'apply');
  wake.wake('apply');
  await waitFor('the own loop', () => apply() === 1);
});

test('two databases on one Redis do not wake each other', async () => {
  const [a, b, other, neighbour] = [aProcess(), aProcess(), aProcess('other'), aProcess('other')];
  const [same, foreign, later] = [woken(b, 'apply'), woken(other, 'apply'), woken(other, 'relay')];
  await waitFor('all to listen', () => same() === 1 && foreign() === 1 && later() === 1);
  await waitFor('the hint', () => {
    a.wake('apply');
    return same() > 1;
  });
  await waitFor('a later hint of its own database', () => {
    neighbour.wake('relay');
    return later() > 1;
  });
  expect(foreign()).toBe(1);
});
