// What was just recorded is handed on in the order of the log and without a hole, or not at all.
import { expect, test } from 'vitest';
import { createJustRecorded } from '../../src/relay/just-recorded.ts';
import { aChange, recorded as asRecorded } from '../support/changes.ts';

const at = (...positions: number[]) => positions.map((position) => asRecorded(BigInt(position), aChange(`user_${position}`)));
const positions = (changes: readonly { position: bigint }[]) => changes.map(({ position }) => Number(position));

test('changes are given once, in order, as far as they follow each other', () => {
  const recorded = createJustRecorded();
  recorded.add(at(7, 8));
  recorded.add(at(5));
  recorded.add(at(6));
  recorded.add(at(10));
  expect(positions(recorded.takeAfter(3n, 100)), 'position 4 is in the log only').toEqual([]);
  expect(positions(recorded.takeAfter(4n, 3))).toEqual([5, 6, 7]);
  expect(positions(recorded.takeAfter(4n, 3)), 'they are gone').toEqual([]);
  expect(positions(recorded.takeAfter(7n, 100))).toEqual([8]);
  expect(positions(recorded.takeAfter(9n, 100)), 'read from the log up to 9').toEqual([10]);
});

test('of which nobody takes any are not kept for ever', () => {
  const recorded = createJustRecorded();
  for (let first = 1; first < 10_000; first += 100) recorded.add(at(...Array.from({ length: 100 }, (_, index) => first + index)));
  expect(positions(recorded.takeAfter(0n, 1))).toEqual([]);
  let kept = 0;
  for (let position = 0n; position < 10_000n; position += 1n) kept += recorded.takeAfter(position, 1).length;
  expect(kept).toBeLessThanOrEqual(2_000);
});
