import { expect, test } from 'vitest';
import { changeMatcher, matchesFilter } from '../../src/changes/match.ts';
import { aChange } from '../support/changes.ts';

const change = aChange('user_1', {
  grantedPermissions: ['read', 'write'],
  revokedPermissions: ['admin'],
  grantedRoles: ['editor'],
  revokedRoles: ['owner'],
});

test.each([
  ['no condition', {}, true],
  ['absent lists', { organizationId: null, directoryId: null, userIds: null, permissions: null, roles: null }, true],
  ['its organization', { organizationId: 'org_1' }, true],
  ['another organization', { organizationId: 'org_2' }, false],
  ['its directory', { directoryId: 'directory_1' }, true],
  ['another directory', { directoryId: 'directory_2' }, false],
  ['one of the users', { userIds: ['user_9', 'user_1'] }, true],
  ['other users', { userIds: ['user_9'] }, false],
  ['an empty list', { userIds: [] }, false],
  ['a granted permission', { permissions: ['none', 'write'] }, true],
  ['a revoked permission', { permissions: ['admin'] }, true],
  ['other permissions', { permissions: ['none'] }, false],
  ['a granted role', { roles: ['editor'] }, true],
  ['a revoked role', { roles: ['owner'] }, true],
  ['a role is no permission', { permissions: ['owner'] }, false],
  ['all conditions at once', { organizationId: 'org_1', userIds: ['user_1'], permissions: ['read'], roles: ['owner'] }, true],
  ['all but one', { organizationId: 'org_1', userIds: ['user_1'], permissions: ['read'], roles: ['none'] }, false],
])('%s', (_, filter, expected) => {
  expect(matchesFilter(filter, change)).toBe(expected);
});

test('a caller bound to an organization matches nothing of another, whatever it asks for', () => {
  expect(changeMatcher({}, 'org_1')(change)).toBe(true);
  expect(changeMatcher({ organizationId: 'org_1' }, 'org_2')(change)).toBe(false);
});
