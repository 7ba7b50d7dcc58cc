import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createAccessTable, differences } from '../../../src/client/access-table.ts';

const user = fc.constantFrom('ann', 'bob', 'cyd');
const permissions = fc.uniqueArray(fc.constantFrom<string[]>('a', 'b', 'c', 'd'));
const step = fc.record({ user, granted: permissions, revoked: permissions, put: fc.boolean() });

test('a table does what a map of sets does, and the differences of two make one the other', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), fc.nat(30), (steps, cut) => {
      const naive = new Map<string, Set<string>>(); // the same, without sharing
      const table = createAccessTable();
      const earlier = createAccessTable();
      for (const [index, { user, granted, revoked, put }] of steps.entries()) {
        for (const target of index < cut ? [table, earlier] : [table]) {
          if (put) target.put(user, granted);
          else target.change(user, granted, revoked);
        }
        const before = put ? [] : [...(naive.get(user) ?? [])].filter((permission) => !revoked.includes(permission));
        naive.set(user, new Set([...before, ...granted]));
      }
      for (const { userId, granted, revoked } of differences(earlier, table)) {
        expect(granted.length + revoked.length).toBeGreaterThan(0);
        earlier.change(userId, granted, revoked);
      }
      for (const id of ['ann', 'bob', 'cyd']) {
        const expected = [...(naive.get(id) ?? [])].sort();
        expect(table.permissionsOf(id)).toEqual(expected);
        expect(earlier.permissionsOf(id)).toEqual(expected);
        for (const permission of ['a', 'b', 'c', 'd']) expect(table.can(id, permission)).toBe(expected.includes(permission));
      }
      expect([...table.userIds()].sort()).toEqual([...naive].flatMap(([id, set]) => (set.size > 0 ? [id] : [])).sort());
    }),
    { numRuns: 500 },
  );
});
