import { describe, expect, test } from 'vitest';
import { alternate, median, quantile } from '../bench/scenario.ts';
import { judge, toMarkdown } from '../bench/table.ts';

describe('rounds', () => {
  test('every contender has its turn in every round, nobody is always first, and warming up does not count', async () => {
    const asked: string[] = [];
    const contender = (name: string) => async () => asked.push(name);
    const values = await alternate(2, { a: contender('a'), b: contender('b'), c: contender('c') });
    expect(asked.join('')).toBe('abcbcacab');
    expect(values).toEqual({ a: [6, 8], b: [4, 9], c: [5, 7] });
  });

  test('one at a time', async () => {
    let running = 0;
    const contender = async () => {
      running += 1;
      await Promise.resolve();
      expect(running).toBe(1);
      running -= 1;
      return 1;
    };
    await alternate(3, { a: contender, b: contender }, { warmUp: 0 });
  });

  test('quantiles are values that were seen', () => {
    expect(median([4, 1, 3, 2])).toBe(2);
    expect(quantile([1, 2, 3], 0.99)).toBe(3);
    expect(quantile([1, 2, 3], 0)).toBe(1);
    expect(quantile([], 0.5)).toBeNaN();
  });
});

describe('the verdict', () => {
  const comparison = { measure: 'answers', unit: '1/s', ours: [300, 100, 200], other: 'someone', theirs: [100] };

  test('is the ratio of medians against the goal', () => {
    expect(judge(comparison)).toEqual({ ratio: 2, met: null });
    expect(judge({ ...comparison, goal: { atLeast: 2 } }).met).toBe(true);
    expect(judge({ ...comparison, goal: { atLeast: 2.1 } }).met).toBe(false);
    expect(judge({ ...comparison, goal: { atMost: 1.9 } }).met).toBe(false);
  });

  test('nothing measured meets no goal', () => expect(judge({ ...comparison, ours: [], goal: { atLeast: 0 } }).met).toBe(false));

  test('is a row of the table', () => {
    const table = toMarkdown([{ scenario: 'B1', comparison: { ...comparison, goal: { atLeast: 3 } } }]);
    expect(table.split('\n').at(-1)).toBe('| B1 | answers | 1/s | 200 (100–300) | someone | 100 | 2.00 | ≥ 3 | no |');
  });
});
