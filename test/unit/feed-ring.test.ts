import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRing } from '../../src/feed/ring.ts';
import { aChange, positions, range, recorded } from '../support/changes.ts';

const change = (position: number) => recorded(BigInt(position), aChange(`user_${position}`));

test('takes only the change that comes next', () => {
  const ring = createRing(10n, { maxCount: 5, maxBytes: 1e6 });
  expect(ring.push(change(12))).toBe(false);
  expect(ring.push(change(10))).toBe(false);
  expect(ring.push(change(11))).toBe(true);
  expect(ring.push(change(11))).toBe(false);
  expect([ring.begin(), ring.end()]).toEqual([10n, 11n]);
});

test('stays within its bytes, but always holds the newest change', () => {
  const ring = createRing(0n, { maxCount: 100, maxBytes: 3_000 });
  for (const position of range(1, 50)) ring.push(change(position));
  expect(Number(ring.end() - ring.begin())).toBeLessThanOrEqual(4);
  ring.push(recorded(51n, aChange('big', { grantedPermissions: ['x'.repeat(10_000)] })));
  expect(ring.after(50n, 10)).toHaveLength(1);
  expect(ring.after(49n, 10)).toBe('too old');
});

test('answers like a plain list that is cut to its newest', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('push' as const), skip: fc.integer({ min: -2, max: 2 }) }),
    fc.record({ kind: fc.constant('restart' as const), by: fc.integer({ min: 0, max: 9 }) }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 7 }), fc.array(step, { maxLength: 60 }), (maxCount, steps) => {
      const ring = createRing(3n, { maxCount, maxBytes: 1e9 });
      let model = { begin: 3, end: 3 };
      for (const next of steps) {
        if (next.kind === 'restart') {
          const at = model.end + next.by;
          ring.restart(BigInt(at));
          model = { begin: at, end: at };
        } else {
          const position = model.end + 1 + next.skip;
          expect(ring.push(change(position))).toBe(next.skip === 0);
          if (next.skip === 0) model = { begin: Math.max(model.begin, position - maxCount), end: position };
        }
        for (let from = Math.max(0, model.begin - 2); from <= model.end + 2; from += 1) {
          const answer = ring.after(BigInt(from), 3);
          if (from < model.begin && from < model.end) expect(answer).toBe('too old');
          else expect(answer === 'too old' ? answer : positions(answer)).toEqual(range(from + 1, model.end).slice(0, 3));
        }
      }
    }),
    { numRuns: 300 },
  );
});
