// How much is kept of what was read.
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { createKeptAccess, type KeptAccess } from '../../../src/entitlements/kept-access.ts';
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

/** Of what is reachable, tables of numbers included: those are given back by another thread, after the collection. */
async function bytesUsed(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let time = 0; time < 3; time += 1) {
    collect();
    await delay(50);
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const userId = (n: number): string => `directory_user_${String(n).padStart(26, '0')}`;

const MAX_BYTES = 4 * 1024 * 1024;
const USERS = 100_000;
/** The last of them, each with a content of its own where they differ; those before have one of ten. */
const DIFFERENT = 10_000;

function fill(contentOf: (n: number) => string, textLength: number): KeptAccess {
  const kept = createKeptAccess(MAX_BYTES);
  for (let n = 0; n < USERS; n += 1) {
    const differs = n >= USERS - DIFFERENT;
    const stored = kept.keep(userId(n), n / USERS, contentOf(differs ? n : n % 10));
    if (!differs || textLength === 0) continue;
    // Put together, as an answer is.
    let text = '';
    while (text.length < textLength) text += `{"n":${n + text.length}}`;
    stored.texts.set(7, text);
  }
  return kept;
}

// And it is used: what is counted is what it takes, or little more. Who may all do the same fill the share of users alone.
test.each([
  ['different access', (n: number) => json(`role-${n}`), 0, 0.6],
  ['access of equal parts', (n: number) => mixed(n), 0, 0.4],
  ['the same access', () => json('builder'), 0, 0.15],
  ['texts of it', (n: number) => json(`role-${n}`), 4_000, 0.6],
])('however many users there are, what is kept has a bound: %s', async (_what, contentOf, textLength, atLeast) => {
  // What a first run leaves behind is the code's, not what is kept.
  fill(contentOf, textLength);
  const before = await bytesUsed();
  const kept = fill(contentOf, textLength);
  const used = (await bytesUsed()) - before;
  expect(kept.of(userId(USERS - 1))).toBeDefined();
  expect(kept.of(userId(0))).toBeUndefined();
  expect(used).toBeLessThan(MAX_BYTES * 1.15);
  expect(used).toBeGreaterThan(MAX_BYTES * atLeast);
});

/** Of fifty paths, some: whoever has a few of them has hardly anything of its own. */
function mixed(n: number): string {
  const all = access('builder', 50).reasons.paths;
  const paths = all.filter((_path, index) => (n >> (index % 16)) % 2 === 1);
  return JSON.stringify({ roles: ['builder'], permissions: ['docs:read'], reasons: { paths, permissions: { 'docs:read': [0] } } });
}

test('a megabyte is room for forty thousand users, of whom those asked about lately stay', () => {
  const kept = createKeptAccess(4 * 1024 * 1024);
  const content = json('builder');
  for (let n = 0; n < 40_000; n += 1) {
    kept.keep(userId(n), n / 1e6, content);
    kept.of(userId(n % 100));
  }
  const isKept = (n: number): boolean => kept.of(userId(n))?.revision === n / 1e6;
  const numbers = Array.from({ length: 40_000 }, (_, n) => n);
  expect(numbers.filter(isKept).length).toBeGreaterThan(38_000);
  for (let n = 0; n < 200_000; n += 1) {
    kept.keep(userId(40_000 + n), 0.5, content);
    if (n % 1_000 === 0) for (let lately = 0; lately < 100; lately += 1) kept.of(userId(lately));
  }
  expect(numbers.slice(0, 100).filter(isKept)).toHaveLength(100);
  expect(numbers.slice(100).filter(isKept).length).toBeLessThan(1_000);
});
