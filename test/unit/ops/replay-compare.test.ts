// When a stored row says what its log says.
import { expect, test } from 'vitest';
import type { MembershipRow, UserRow } from '../../../src/apply/working-set.ts';
import { sameMembership, sameUser } from '../../../src/ops/replay-compare.ts';

const AT = new Date('2026-01-01T00:00:00Z');

const user: UserRow = {
  id: 'u',
  directoryId: 'd',
  organizationId: 'o',
  idpId: null,
  email: 'u@example.com',
  firstName: null,
  lastName: null,
  displayName: 'u',
  sourceState: 'ACTIVE',
  customAttributes: { long: 1, b: { y: [1, { q: 1, p: 2 }], x: null } },
  directoryRoles: ['member'],
  createdAt: AT,
  updatedAt: AT,
  sourceVersion: 'event_5',
  aliveVersion: 'event_3',
  seenVersion: 'event_5',
  deletedVersion: '',
  barrierVersion: '',
  driftSuspected: false,
};

test('the order of keys in JSON is none of its content; the order of lists is', () => {
  const stored = { ...user, customAttributes: { b: { x: null, y: [1, { p: 2, q: 1 }] }, long: 1 } };
  expect(sameUser(stored, user, '')).toBe(true);
  expect(sameUser({ ...stored, customAttributes: { ...stored.customAttributes, b: { x: null, y: [{ p: 2, q: 1 }, 1] } } }, user, '')).toBe(
    false,
  );
});

test.each<[string, Partial<UserRow>, boolean]>([
  ['the mark of drift, which is no fact', { driftSuspected: true }, true],
  ['an attribute', { email: 'other@example.com' }, false],
  ['null for text', { email: null }, false],
  ['a moment', { updatedAt: new Date(AT.getTime() + 1) }, false],
  ['another organization', { organizationId: 'p' }, false],
  ['a role', { directoryRoles: [] }, false],
  ['a register', { seenVersion: 'event_6' }, false],
  ['a barrier', { barrierVersion: 'event_1' }, false],
])('%s', (_what, over, same) => {
  expect(sameUser({ ...user, ...over }, user, '')).toBe(same);
});

test('registers older than a full read of the directory decide nothing, unless existence hangs on them', () => {
  expect(sameUser({ ...user, barrierVersion: 'event_1', seenVersion: 'event_2' }, { ...user, seenVersion: 'event_4' }, 'event_5')).toBe(
    true,
  );
  expect(sameUser({ ...user, barrierVersion: 'event_1' }, user, 'event_1')).toBe(false);
  expect(sameUser({ ...user, deletedVersion: 'event_4' }, user, 'event_9')).toBe(false);
});

const membership: MembershipRow = {
  userId: 'u',
  groupId: 'g',
  directoryId: 'd',
  organizationId: 'o',
  present: true,
  version: 'event_4',
  active: true,
  since: AT,
  causeEventId: 'event_4',
};

test('a membership is told by its version; a removal older than a full read is as good as any other', () => {
  expect(sameMembership(membership, { ...membership, active: false }, '')).toBe(true);
  expect(sameMembership(membership, { ...membership, version: 'event_3' }, 'event_9')).toBe(false);
  const removal = { ...membership, present: false, version: 'event_3' };
  expect(sameMembership(removal, { ...removal, version: 'event_2' }, 'event_9')).toBe(true);
  expect(sameMembership(removal, { ...removal, version: 'event_2' }, 'event_3')).toBe(false);
});

test('since when it holds is known exactly where an event decided, and not where a read did', () => {
  const later = { ...membership, since: new Date(AT.getTime() + 1) };
  expect(sameMembership(later, membership, '')).toBe(false);
  expect(sameMembership({ ...later, causeEventId: null }, { ...membership, causeEventId: null }, '')).toBe(true);
});
