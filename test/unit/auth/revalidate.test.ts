// The look at connections that live, against keys that can be revoked, lost and out of reach.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Caller } from '../../../src/auth/caller.ts';
import type { StoredKey } from '../../../src/auth/key-lookup.ts';
import { createRevalidation, type Revalidation } from '../../../src/auth/revalidate.ts';
import { createLogger } from '../../../src/log.ts';

const KEY: StoredKey = { id: 'ak_1', hash: '', name: 'x', scopes: [], organizationId: null, expiresAt: null, revokedAt: null };

let stored: StoredKey | null;
let away: boolean;
let refreshed: string[][];
let touched: string[];
let revalidation: Revalidation;

beforeEach(() => {
  vi.useFakeTimers({ now: 0 });
  stored = KEY;
  away = false;
  refreshed = [];
  touched = [];
  const look = async () => {
    if (away) throw new Error('away');
    return stored;
  };
  revalidation = createRevalidation({
    keys: {
      find: look,
      remembered: () => undefined,
      async refresh(ids) {
        refreshed.push([...ids]);
        await look();
      },
    },
    lastUsed: { touch: (id) => void touched.push(id) },
    log: createLogger('silent'),
    clock: () => new Date(),
  });
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

const callerOf = (credential?: Caller['credential']): Caller => ({
  name: 'x',
  scopes: [],
  organizationId: null,
  ...(credential && { credential }),
});
const withKey = (expiresAt: Date | null = null) => callerOf({ kind: 'key', id: 'ak_1', expiresAt });
const withToken = (expiresAt: Date) => callerOf({ kind: 'token', subject: 'x', expiresAt });

function watch(caller: Caller): { lost: () => number; leave: () => void } {
  let lost = 0;
  const leave = revalidation.watch(caller, () => {
    lost += 1;
  });
  return { lost: () => lost, leave };
}

test('a revoked key, and one that is gone, is told once', async () => {
  const watched = [watch(withKey()), watch(withKey())];
  await vi.advanceTimersByTimeAsync(3_000);
  expect(watched.map(({ lost }) => lost())).toEqual([0, 0]);
  // One statement for both, and a key that only listens is in use.
  expect(refreshed).toEqual([['ak_1'], ['ak_1'], ['ak_1']]);
  expect(new Set(touched)).toEqual(new Set(['ak_1']));
  stored = null;
  await vi.advanceTimersByTimeAsync(5_000);
  expect(watched.map(({ lost }) => lost())).toEqual([1, 1]);
  expect(await revalidation.holds(withKey())).toBe(false);
});

test('a nudge looks at once, also while it is looking', async () => {
  const watched = watch(withKey());
  revalidation.nudge();
  stored = { ...KEY, revokedAt: new Date() };
  revalidation.nudge();
  await vi.advanceTimersByTimeAsync(0);
  expect(watched.lost()).toBe(1);
});

test('what expires ends although the database is away; what may have been revoked is not told so', async () => {
  const key = watch(withKey());
  const [expiring, token] = [watch(withKey(new Date(2_500))), watch(withToken(new Date(2_500)))];
  away = true;
  await vi.advanceTimersByTimeAsync(10_000);
  expect([key.lost(), expiring.lost(), token.lost()]).toEqual([0, 1, 1]);
  await expect(revalidation.holds(withKey())).rejects.toThrow('away');
  expect(await revalidation.holds(withToken(new Date(1_000)))).toBe(false);
  away = false;
  stored = { ...KEY, revokedAt: new Date() };
  await vi.advanceTimersByTimeAsync(1_000);
  expect(key.lost()).toBe(1);
});

test('tokens need no look-up, and the admin key nothing at all', async () => {
  const [token, admin] = [watch(withToken(new Date(60_000))), watch(callerOf())];
  await vi.advanceTimersByTimeAsync(5_000);
  expect(refreshed.flat()).toEqual([]);
  expect([token.lost(), admin.lost()]).toEqual([0, 0]);
  expect(await revalidation.holds(callerOf())).toBe(true);
  token.leave();
});

test('whoever has left is not told, and nobody is looked after for nothing', async () => {
  const watched = watch(withKey());
  watched.leave();
  stored = null;
  revalidation.nudge();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(watched.lost()).toBe(0);
  expect(refreshed).toEqual([]);
});
