// Those who wait together: whom a change wakes, and what it costs the others.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Crowd, createCrowd, type Waiter } from '../../src/feed/crowd.ts';
import { createRing } from '../../src/feed/ring.ts';
import type { Tail } from '../../src/feed/tail.ts';
import type { ChangeFilter, RecordedChange } from '../../src/model/change.ts';
import { aChange, recorded } from '../support/changes.ts';

let ring: ReturnType<typeof createRing>;
let listeners: Set<() => void>;
let crowd: Crowd;
let end: bigint;

beforeEach(() => {
  vi.useFakeTimers();
  ring = createRing(0n, { maxCount: 8, maxBytes: 1e9 });
  listeners = new Set();
  end = 0n;
  const tail: Pick<Tail, 'position' | 'isStale' | 'after' | 'onAdvance'> = {
    position: ring.end,
    isStale: () => false,
    after: ring.after,
    onAdvance(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  crowd = createCrowd({ tail: tail as Tail, tickMs: 10 });
});
afterEach(() => vi.useRealTimers());

const advance = () => {
  for (const listener of [...listeners]) listener();
};
function push(...users: string[]): void {
  for (const user of users) {
    end += 1n;
    ring.push(recorded(end, aChange(user)));
  }
  advance();
}

interface Waiting {
  waiter: Waiter;
  /** Positions; null for a wake without a change. */
  woken: (number | null)[];
  wait(dueAtMs?: number): void;
}
function enter(filter: ChangeFilter = {}, tenant: string | null = null, onWake?: (change: RecordedChange | null) => void): Waiting {
  const woken: (number | null)[] = [];
  const waiter: Waiter = {
    group: crowd.join(filter, tenant),
    position: crowd.lookedTo(),
    dueAtMs: 0,
    wake(change) {
      woken.push(change ? Number(change.position) : null);
      onWake?.(change);
    },
  };
  return {
    waiter,
    woken,
    wait(dueAtMs = Number.POSITIVE_INFINITY) {
      waiter.dueAtMs = dueAtMs;
      crowd.wait(waiter);
    },
  };
}

test('a change wakes those it concerns, with the first of them, and nobody else', () => {
  const all = [
    enter(),
    enter({ userIds: ['a'] }),
    enter({ userIds: ['b', 'c'] }),
    enter({ organizationId: 'org_1' }),
    enter({}, 'org_2'),
    enter({ userIds: ['a'] }, 'org_2'),
    enter({ permissions: ['write'] }),
    enter({ userIds: Array.from({ length: 200 }, (_, n) => `long_${n}`).concat('a') }),
  ];
  for (const one of all) one.wait();
  push('x', 'a', 'b');
  expect(all.map(({ woken }) => woken)).toEqual([[1], [2], [3], [1], [], [], [], [2]]);
  // Whoever was not woken has come as far all the same.
  expect(crowd.lookedTo()).toBe(3n);
});

test('a group is asked once, however many are in it', () => {
  const asked = vi.fn(() => true);
  const members = Array.from({ length: 50 }, () => enter({ userIds: ['a'] }));
  expect(new Set(members.map(({ waiter }) => waiter.group)).size).toBe(1);
  Object.assign(members[0]?.waiter.group ?? {}, { matches: asked });
  for (const member of members) member.wait();
  push('a');
  expect(asked).toHaveBeenCalledTimes(1);
  expect(members.filter(({ woken }) => woken.length === 1)).toHaveLength(50);
  push('b');
  expect(asked).toHaveBeenCalledTimes(1);
});

test('who has come further by another way is not given a change again', () => {
  const ahead = enter();
  ahead.waiter.position = 2n;
  ahead.wait();
  push('a', 'b', 'c');
  expect(ahead.woken).toEqual([3]);
});

test('very many are woken a few at a time, and the process does other things in between', async () => {
  vi.useRealTimers();
  const order: string[] = [];
  const all = Array.from({ length: 1_000 }, () => enter({}, null, () => order.push('woken')));
  for (const one of all) one.wait();
  setImmediate(() => order.push('something else'));
  push('a');
  expect(order.length).toBeLessThan(300);
  while (order.filter((what) => what === 'woken').length < 1_000) await new Promise((resolve) => setImmediate(resolve));
  expect(order.indexOf('something else')).toBeLessThan(600);
  for (const { waiter } of all) crowd.leave(waiter);
});

test('when it is time one is woken without a change, and has come as far as all', () => {
  const soon = enter({ userIds: ['nobody'] });
  const late = enter({ userIds: ['nobody'] });
  soon.wait(performance.now() + 50);
  late.wait(performance.now() + 5_000);
  push('a', 'b');
  vi.advanceTimersByTime(100);
  expect([soon.woken, late.woken]).toEqual([[null], []]);
  expect(soon.waiter.position).toBe(2n);
});

test('what the ring does not hold any more is looked for in the log: everybody is woken, from where they were', () => {
  const one = enter({ userIds: ['nobody'] });
  one.wait();
  ring.restart(100n);
  advance();
  expect(one.woken).toEqual([null]);
  expect([one.waiter.position, crowd.lookedTo()]).toEqual([0n, 100n]);
});

test('who has left is not woken, and a crowd without anybody has no timer and hears nothing', () => {
  const [one, other] = [enter(), enter({ userIds: ['a'] })];
  one.wait();
  other.wait();
  crowd.leave(one.waiter);
  push('a');
  expect([one.woken, other.woken]).toEqual([[], [1]]);
  crowd.leave(other.waiter);
  expect([listeners.size, vi.getTimerCount()]).toEqual([0, 0]);
  // And it begins anew where the tail is then.
  push('b');
  const again = enter();
  expect(crowd.lookedTo()).toBe(2n);
  crowd.leave(again.waiter);
});
