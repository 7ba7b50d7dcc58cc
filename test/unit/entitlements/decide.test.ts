// The decision from an answer, and grants whose time is over.
import { describe, expect, test } from 'vitest';
import { decide, type EffectiveAnswer, inForceAt, pathsOfRole, pathsTo } from '../../../src/entitlements/read.ts';
import type { Effective, EntitlementPath } from '../../../src/model/entitlement.ts';

const path = (role: string, over: Partial<EntitlementPath> = {}): EntitlementPath => ({
  role,
  source: 'GROUP',
  groupId: 'g',
  grantId: null,
  expiresAt: null,
  since: '2026-01-01T00:00:00.000Z',
  causeEventId: null,
  ...over,
});
const ENDS = '2026-06-01T00:00:00.000Z';
const granted = path('oncall', { source: 'GRANT', groupId: null, grantId: '1', expiresAt: ENDS });

/** A group gives read; a grant gives read and, alone, restart and zap. Keys in the order in which jsonb gives them back: by length. */
const EFFECTIVE: Effective = {
  roles: ['oncall', 'reader'],
  permissions: ['aaaa', 'read', 'restart', 'zap'],
  reasons: { paths: [granted, path('reader')], permissions: { zap: [0], aaaa: [1], read: [0, 1], restart: [0] } },
};

const answer = (over: Partial<EffectiveAnswer> = {}, freshness: Partial<EffectiveAnswer['freshness']> = {}): EffectiveAnswer => ({
  userId: 'u',
  organizationId: 'org_1',
  userState: 'ACTIVE',
  effective: EFFECTIVE,
  freshness: { position: 1n, lagSeconds: 0, directoryState: 'ACTIVE', driftSuspected: false, ...freshness },
  readAt: new Date('2026-05-01T00:00:00Z'),
  ...over,
});

describe('decide', () => {
  test.each<[string, EffectiveAnswer | undefined, string, string]>([
    ['a path', answer(), 'restart', 'GRANTED'],
    ['no path', answer(), 'sleep', 'NO_PATH'],
    ['a name of the prototype', answer(), 'constructor', 'NO_PATH'],
    ['nobody, or not to be seen', undefined, 'read', 'USER_UNKNOWN'],
    ['a suspended user', answer({ userState: 'SUSPENDED' }), 'read', 'USER_NOT_ACTIVE'],
    ['an inactive user', answer({ userState: 'INACTIVE' }), 'read', 'USER_NOT_ACTIVE'],
    ['a deleted user of a deleted directory', answer({ userState: 'DELETED' }, { directoryState: 'DELETED' }), 'read', 'USER_NOT_ACTIVE'],
    ['a directory that is being validated', answer({}, { directoryState: 'VALIDATING' }), 'read', 'DIRECTORY_NOT_ACTIVE'],
    ['a directory with invalid credentials', answer({}, { directoryState: 'INVALID_CREDENTIALS' }), 'read', 'DIRECTORY_NOT_ACTIVE'],
    ['an inactive directory', answer({}, { directoryState: 'INACTIVE' }), 'read', 'DIRECTORY_NOT_ACTIVE'],
    ['a deleted directory', answer({}, { directoryState: 'DELETED' }), 'read', 'DIRECTORY_NOT_ACTIVE'],
    ['suspected drift alone', answer({}, { driftSuspected: true }), 'read', 'GRANTED'],
  ])('%s', (_, given, permission, reason) => {
    const decision = decide(given, permission);
    expect(decision.reason).toBe(reason);
    expect(decision.allowed).toBe(reason === 'GRANTED');
    expect(decision.via.length > 0).toBe(decision.allowed);
  });

  test('via names every path', () => {
    expect(decide(answer(), 'read').via).toEqual([granted, path('reader')]);
  });
});

describe('grants in force', () => {
  test('before the end: as stored', () => {
    expect(inForceAt(EFFECTIVE, new Date('2026-05-31T23:59:59.999Z'))).toBe(EFFECTIVE);
  });

  test.each([ENDS, '2026-06-01T00:00:00.001Z'])(
    'at %s: without what only the grant gave, in sorted order, paths in their places',
    (now) => {
      const left = inForceAt(EFFECTIVE, new Date(now));
      expect([left.roles, left.permissions]).toEqual([['reader'], ['aaaa', 'read']]);
      expect(pathsTo(left, 'read')).toEqual([path('reader')]);
      expect(decide(answer({ effective: left }), 'restart').reason).toBe('NO_PATH');
    },
  );

  test('a role by a grant that ended and by a group is still held', () => {
    const both: Effective = {
      roles: ['reader'],
      permissions: ['read'],
      reasons: { paths: [{ ...granted, role: 'reader' }, path('reader')], permissions: { read: [0, 1] } },
    };
    expect(inForceAt(both, new Date('2027-01-01T00:00:00Z'))).toMatchObject({
      roles: ['reader'],
      permissions: ['read'],
      reasons: { permissions: { read: [1] } },
    });
    expect(pathsOfRole(both, 'reader', new Date('2027-01-01T00:00:00Z'))).toEqual([path('reader')]);
    expect(pathsOfRole(both, 'reader', new Date('2026-01-01T00:00:00Z'))).toHaveLength(2);
  });
});
