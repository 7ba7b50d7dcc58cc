// Look-ups that travel together: none is answered by a trip that had left before it was asked.
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createGather } from '../../src/lib/gather.ts';

interface Trip {
  /** Leaves with whoever waits now. */
  leave(): string[];
  arrive(): void;
  fail(error: Error): void;
}

function start({ lanes = 1, maxKeys = 10, maxWaitMs = 10_000 }: { lanes?: number; maxKeys?: number; maxWaitMs?: number } = {}) {
  const trips: Trip[] = [];
  const ask = createGather<string, string>({
    lanes,
    maxKeys,
    maxWaitMs,
    send: (take) =>
      new Promise((resolve, reject) => {
        let keys: string[] = [];
        trips.push({
          leave() {
            keys = take();
            return keys;
          },
          arrive: () => resolve(keys.map((key) => `${key} by trip ${trips.length}`)),
          fail: reject,
        });
      }),
  });
  return { trips, ask };
}

test('whoever asks before a trip leaves is on it, whoever asks after that is on the next', async () => {
  const { trips, ask } = start();
  const early = [ask('a'), ask('b')];
  await turn();
  early.push(ask('c'));
  expect(trips).toHaveLength(1);
  expect(trips[0]?.leave()).toEqual(['a', 'b', 'c']);
  const late = ask('d');
  await turn();
  expect(trips).toHaveLength(1);
  trips[0]?.arrive();
  expect(await Promise.all(early)).toEqual(['a by trip 1', 'b by trip 1', 'c by trip 1']);
  await turn();
  expect(trips[1]?.leave()).toEqual(['d']);
  trips[1]?.arrive();
  expect(await late).toBe('d by trip 2');
});

test('so many trips at a time, with so many keys each', async () => {
  const { trips, ask } = start({ lanes: 2, maxKeys: 2 });
  const all = ['a', 'b', 'c', 'd', 'e'].map(ask);
  await turn();
  expect(trips[0]?.leave()).toEqual(['a', 'b']);
  ask('f');
  await turn();
  expect(trips[1]?.leave()).toEqual(['c', 'd']);
  await turn();
  expect(trips).toHaveLength(2);
  trips[0]?.arrive();
  await all[0];
  await turn();
  expect(trips[2]?.leave()).toEqual(['e', 'f']);
});

test('a trip that fails fails those on it; one that cannot leave fails all who wait; the next goes on', async () => {
  const { trips, ask } = start();
  const on = ask('a');
  await turn();
  trips[0]?.leave();
  const waiting = ask('b');
  trips[0]?.fail(new Error('lost'));
  await expect(on).rejects.toThrow('lost');
  await turn();
  trips[1]?.fail(new Error('no connection'));
  await expect(waiting).rejects.toThrow('no connection');
  const next = ask('c');
  await turn();
  trips[2]?.leave();
  trips[2]?.arrive();
  expect(await next).toContain('c');
});

test('who has waited too long is refused, and not sent', async () => {
  const { trips, ask } = start({ maxWaitMs: -1 });
  const refused = ask('a');
  await turn();
  expect(trips[0]?.leave()).toEqual([]);
  await expect(refused).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});
