import { expect, test } from 'vitest';
import { inBatches } from '../../src/lib/in-batches.ts';
import { singleFlight } from '../../src/lib/single-flight.ts';

const options = { minSize: 3, maxBatches: 4, pauseMs: 20, random: () => 0.5 };

test('everybody gets a turn, some at a time', async () => {
  const turns: { item: number; at: number }[] = [];
  const startedAt = performance.now();
  await inBatches([1, 2, 3, 4, 5, 6, 7], options, (item) => turns.push({ item, at: performance.now() - startedAt }));
  expect(turns.map(({ item }) => item)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(turns[2]?.at).toBeLessThan(10);
  expect(turns[3]?.at).toBeGreaterThan(15);
  expect(turns[6]?.at).toBeGreaterThan(30);
});

test('many are not more batches, but larger ones', async () => {
  let batches = 0;
  const random = () => {
    batches += 1;
    return 0;
  };
  await inBatches(Array.from({ length: 1_000 }), { ...options, random, pauseMs: 1 }, () => {});
  expect(batches).toBe(3);
});

test('it waits for what was begun, and nobody is no work', async () => {
  let done = 0;
  await inBatches([1, 2], options, async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    done += 1;
  });
  expect(done).toBe(2);
  await inBatches([], options, () => expect.unreachable());
});

test('work under way is shared, also its failure; then it begins anew', async () => {
  let runs = 0;
  const work = singleFlight(async (fails: boolean) => {
    runs += 1;
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (fails) throw new Error('no');
    return runs;
  });
  expect(await Promise.all([work(false), work(false), work(false)])).toEqual([1, 1, 1]);
  const outcomes = await Promise.allSettled([work(true), work(false)]);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await work(false)).toBe(3);
});
