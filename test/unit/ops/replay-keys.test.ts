// The order in which a replay goes through its keys, and how it cuts them.
import { expect, test } from 'vitest';
import { orderOf, type ReplayKey } from '../../../src/ops/replay-keys.ts';
import { chunksOf } from '../../../src/ops/replay-pass.ts';

const key = (partition: string, kind: ReplayKey['kind'], id: string): ReplayKey => ({ partition, kind, id, events: 1 });

test('a partition comes after the other, and its frame before its people', () => {
  const keys = [
    key('org_10', 'user', 'a'),
    key('org_1', 'user', 'a'),
    key('org_1', 'user', 'B'),
    key('org_1', 'group', 'z'),
    key('org_1', 'directory', 'z'),
    key('org_1', 'organization', 'z'),
  ];
  const sorted = keys.toSorted((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1));
  expect(sorted.map(({ partition, kind, id }) => `${partition} ${kind} ${id}`)).toEqual([
    'org_1 organization z',
    'org_1 directory z',
    'org_1 group z',
    'org_1 user B',
    'org_1 user a',
    'org_10 user a',
  ]);
});

test('a chunk is of one partition, and a resumed replay begins after the key that was done last', () => {
  const keys = [key('o', 'group', 'g'), key('o', 'user', '1'), key('o', 'user', '2'), key('p', 'user', '1'), key('p', 'user', '2')];
  const cut = (progressKey: string | null): string[] =>
    [...chunksOf(keys, progressKey, 2)].map((chunk) => chunk.map(({ partition, id }) => `${partition}${id}`).join(' '));
  expect(cut(null)).toEqual(['og o1', 'o2', 'p1 p2']);
  expect(cut(orderOf(keys[1] as ReplayKey))).toEqual(['o2', 'p1 p2']);
  expect(cut(orderOf(keys[4] as ReplayKey))).toEqual([]);
});
