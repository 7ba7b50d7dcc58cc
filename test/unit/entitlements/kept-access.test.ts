// How much is kept of what was read.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { createKeptAccess, type StoredAccess } from '../../../src/entitlements/kept-access.ts';
import type { Effective } from '../../../src/model/entitlement.ts';

const access = (role: string, paths = 10): Effective => ({
  roles: [role],
  permissions: ['docs:read'],
  reasons: {
    paths: Array.from({ length: paths }, (_, index) => ({
      role,
      source: 'GROUP',
      groupId: `group_${role}_${index}`,
      grantId: null,
      expiresAt: null,
      since: '2026-01-01T00:00:00.000Z',
      causeEventId: `event_${role}_${index}`,
    })),
    permissions: { 'docs:read': [0] },
  },
});
const json = (role: string): string => JSON.stringify(access(role));

test('what was kept is given with its revision, until another is', () => {
  const kept = createKeptAccess(1024 * 1024);
  expect(kept.of('ann')).toBeUndefined();
  kept.keep('ann', 0.25, json('builder'));
  expect(kept.of('ann')).toMatchObject({ revision: 0.25, effective: access('builder') });
  kept.keep('ann', 0.5, json('steward'));
  expect(kept.of('ann')).toMatchObject({ revision: 0.5, effective: access('steward') });
});

test('those who may do the same share it, and its texts', () => {
  const kept = createKeptAccess(1024 * 1024);
  const anns = kept.keep('ann', 0.25, json('builder'));
  kept.keep('bob', 0.5, json('builder'));
  anns.texts.set(1, '"text"');
  expect(kept.of('bob')?.effective).toBe(anns.effective);
  expect(kept.of('bob')?.texts.get(1)).toBe('"text"');
  expect(kept.keep('cyd', 0.75, json('steward')).texts.get(1)).toBeUndefined();
});

test('of one access as many texts are kept as there are often different questions', () => {
  const { texts } = createKeptAccess(1024 * 1024).keep('ann', 0.25, json('builder'));
  for (let key = 1; key <= 100; key += 1) texts.set(key, 'x'.repeat(100));
  expect(Array.from({ length: 100 }, (_, index) => texts.get(index + 1)).filter(Boolean)).toHaveLength(8);
  expect(texts.get(100)).toBe('x'.repeat(100));
  expect(texts.bytes()).toBeLessThan(8 * 250);
  texts.set(101, 'é漢');
  expect(texts.get(101)).toBe('é漢');
});

/** Of what is reachable. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

test.each([
  ['different access', (n: number) => json(`role-${n}`), 0],
  ['the same access', () => json('builder'), 0],
  ['texts of it', (n: number) => json(`role-${n}`), 4_000],
])('however many users there are, what is kept has a bound: %s', (_what, contentOf, textLength) => {
  const maxBytes = 4 * 1024 * 1024;
  const kept = createKeptAccess(maxBytes);
  const users = 20_000;
  const before = heapUsed();
  for (let n = 0; n < users; n += 1) {
    const stored: StoredAccess = kept.keep(`directory_user_${String(n).padStart(26, '0')}`, n / users, contentOf(n));
    // Put together, as an answer is.
    let text = '';
    while (text.length < textLength) text += `{"n":${n + text.length}}`;
    if (textLength > 0) stored.texts.set(7, text);
  }
  const last = kept.of(`directory_user_${String(users - 1).padStart(26, '0')}`);
  expect(last).toBeDefined();
  expect(kept.of(`directory_user_${String(0).padStart(26, '0')}`)).toBeUndefined();
  const used = heapUsed() - before;
  expect(used).toBeLessThan(maxBytes * 1.1);
  // And it is used: what is counted is what it takes, or little more.
  expect(used).toBeGreaterThan(maxBytes * (contentOf(1) === contentOf(2) ? 0.15 : 0.5));
});
