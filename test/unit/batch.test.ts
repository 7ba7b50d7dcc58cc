import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createBatch } from '../../schema/batch.ts';

const doubling = () => {
  const batches: number[][] = [];
  const load = createBatch<number, number>(async (keys) => {
    batches.push(keys);
    return new Map(keys.filter((key) => key > 0).map((key) => [key, key * 2]));
  });
  return { batches, load };
};

test('siblings are loaded together, each key once, and what is not there is undefined', async () => {
  const { batches, load } = doubling();
  const deeper = Promise.resolve().then(() => Promise.resolve().then(() => load(3)));
  expect(await Promise.all([load(1), load(2), load(1), load(-1), deeper])).toEqual([2, 4, 2, undefined, 6]);
  expect(batches).toEqual([[1, 2, -1, 3]]);
});

test('nothing is remembered: a later question is asked again', async () => {
  const { batches, load } = doubling();
  await load(1);
  await load(1);
  expect(batches).toEqual([[1], [1]]);
});

test('a failure reaches everybody who asked, and the next batch begins anew', async () => {
  let fails = true;
  const load = createBatch<number, number>(async (keys) => {
    if (fails) throw new Error('away');
    return new Map(keys.map((key) => [key, key]));
  });
  const outcomes = await Promise.allSettled([load(1), load(2)]);
  expect(outcomes.map((outcome) => outcome.status)).toEqual(['rejected', 'rejected']);
  fails = false;
  await setImmediate();
  expect(await load(1)).toBe(1);
});
