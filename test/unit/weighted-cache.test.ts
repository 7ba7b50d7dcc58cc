import { expect, test } from 'vitest';
import { createWeightedCache } from '../../src/lib/weighted-cache.ts';

const cache = (maxWeight: number) => createWeightedCache<number>({ maxWeight, weigh: (_key, value) => value });

test('what was used last stays, what was not makes room', () => {
  const { get, set } = cache(10);
  set('a', 4);
  set('b', 4);
  expect(get('a')).toBe(4);
  set('c', 4);
  expect([get('a'), get('b'), get('c')]).toEqual([4, undefined, 4]);
});

test('one that is too heavy for all is not kept, and takes nothing away', () => {
  const { get, set } = cache(10);
  set('a', 4);
  set('huge', 11);
  expect([get('a'), get('huge')]).toEqual([4, undefined]);
});

test('one that is set again counts once', () => {
  const { get, set } = cache(10);
  set('a', 6);
  set('a', 5);
  set('b', 5);
  expect([get('a'), get('b')]).toEqual([5, 5]);
  set('a', 11);
  expect([get('a'), get('b')]).toEqual([undefined, 5]);
});
