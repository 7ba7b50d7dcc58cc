import { expect, test } from 'vitest';
import { revocationLimit } from '../../../src/entitlements/revocation-limit.ts';
import {
  type AccountChange,
  addToDifference,
  confirms,
  type GuardedChange,
  issueToken,
  judgeRevocations,
  NO_DIFFERENCE,
} from '../../../src/ops/revocation-guard.ts';

const NOW = new Date('2026-01-01T00:00:00.000Z');
const HOUR_MS = 3_600_000;
const loses = (userId: string, ...revokedPermissions: string[]): AccountChange => ({ userId, grantedPermissions: [], revokedPermissions });
const gains = (userId: string): AccountChange => ({ userId, grantedPermissions: ['read'], revokedPermissions: [] });
const guarded = (changes: readonly AccountChange[], over: Partial<GuardedChange> = {}): GuardedChange => ({
  kind: 'REPLAY',
  scope: 'everything',
  difference: addToDifference(NO_DIFFERENCE, changes),
  ...over,
});

test.each([
  [null, 0, 20],
  [null, 400, 20],
  [null, 419, 20],
  [null, 1_000, 50],
  [0, 1_000, 0],
  [3, 100_000, 3],
] as const)('maxRevocations %s with %i active accounts: %i may lose access', (maxRevocations, active, limit) => {
  expect(revocationLimit(maxRevocations, active)).toBe(limit);
});

test('accounts are counted, not permissions, and only those that lose one', () => {
  expect(guarded([loses('a', 'x', 'y', 'z'), loses('b', 'x'), gains('c')]).difference.revocations).toBe(2);
});

test('the same difference has one digest, in whatever order and in however many steps it was found', () => {
  const changes = [loses('a', 'x', 'y'), loses('b', 'y'), gains('c')];
  const backwards = changes.toReversed().reduce((sum, change) => addToDifference(sum, [change]), NO_DIFFERENCE);
  expect(backwards).toEqual(addToDifference(NO_DIFFERENCE, changes));
  expect(addToDifference(NO_DIFFERENCE, [loses('a', 'y', 'x'), ...changes.slice(1)])).toEqual(backwards);
  expect(JSON.parse(JSON.stringify(backwards))).toEqual(backwards);
});

test('few enough revocations need no token; too many need the token of this very difference', () => {
  const change = guarded([loses('a', 'x'), loses('b', 'x')]);
  expect(judgeRevocations(change, { limit: 2, confirmToken: null, now: NOW })).toEqual({ allowed: true });
  const refused = judgeRevocations(change, { limit: 1, confirmToken: null, now: NOW });
  if (refused.allowed) throw new Error('two of one were allowed');
  expect(refused.details).toMatchObject({ revocations: 2, maxRevocations: 1, confirmToken: refused.confirmToken });
  expect(judgeRevocations(change, { limit: 1, confirmToken: refused.confirmToken, now: NOW })).toEqual({ allowed: true });

  const another = judgeRevocations(guarded([loses('a', 'x'), loses('c', 'x')]), { limit: 1, confirmToken: refused.confirmToken, now: NOW });
  if (another.allowed) throw new Error('the token of another difference was taken');
  expect(another.confirmToken).not.toBe(refused.confirmToken);
  expect(another.message).toContain('another difference');
});

test('a token ends, and cannot be made to last longer', () => {
  const change = guarded([loses('a', 'x')]);
  const token = issueToken(change, NOW);
  expect(confirms(token, change, new Date(NOW.getTime() + HOUR_MS - 1))).toBe(true);
  expect(confirms(token, change, new Date(NOW.getTime() + HOUR_MS))).toBe(false);
  const [, seal] = token.split('.');
  expect(confirms(`${(NOW.getTime() + 9 * HOUR_MS).toString(36)}.${seal}`, change, NOW)).toBe(false);
});

test('a token of another kind of operation or another scope does not confirm, nor does anything else', () => {
  const changes = [loses('a', 'x')];
  const token = issueToken(guarded(changes), NOW);
  expect(confirms(token, guarded(changes, { kind: 'RECONCILIATION' }), NOW)).toBe(false);
  expect(confirms(token, guarded(changes, { scope: 'one directory' }), NOW)).toBe(false);
  for (const other of [null, undefined, '', '.', 'x', `${token}.`, token.toUpperCase()])
    expect(confirms(other, guarded(changes), NOW)).toBe(false);
});
