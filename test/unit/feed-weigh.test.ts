import { expect, test } from 'vitest';
import { weigh, withinBytes } from '../../src/feed/weigh.ts';
import { aChange, positions, range, recorded } from '../support/changes.ts';

const heavy = (position: number, bytes: number) =>
  recorded(BigInt(position), aChange('somebody', { grantedPermissions: ['x'.repeat(bytes)] }));

test('a batch ends before it weighs too much, and never holds nothing', () => {
  const changes = range(1, 20).map((position) => heavy(position, 100_000));
  expect(positions(withinBytes(changes, 1024 * 1024))).toEqual(range(1, 10));
  expect(withinBytes(changes, 100 * 1024 * 1024)).toBe(changes);
  expect(positions(withinBytes([heavy(1, 2_000_000), heavy(2, 1)], 1024 * 1024))).toEqual([1]);
  expect(withinBytes([], 1)).toEqual([]);
});

test('what a change weighs grows with its lists', () => {
  expect(weigh(heavy(1, 5_000)) - weigh(heavy(1, 1_000))).toBe(4_000);
});
