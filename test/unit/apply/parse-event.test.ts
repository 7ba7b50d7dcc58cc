// Every event has a named outcome: an observation, ignored, or refused with the path of what is wrong.
import { describe, expect, test } from 'vitest';
import { parseEvent } from '../../../src/apply/parse-event.ts';
import type { Fact } from '../../../src/model/fact.ts';
import { EVENT_TYPES } from '../../../src/workos/event-types.ts';
import {
  aDirectory,
  aGroup,
  aMembership,
  anEvent,
  anOrganization,
  aPermission,
  aRole,
  aUser,
  type Json,
} from '../../support/workos-objects.ts';

const parse = (type: string, data: unknown) => parseEvent(anEvent(1, type, data));
const factsOf = (type: string, data: unknown): Fact[] => {
  const parsed = parse(type, data);
  if (parsed.kind !== 'observation') throw new Error(JSON.stringify(parsed));
  return parsed.observation.facts;
};
const reasonOf = (type: string, data: unknown): string => {
  const parsed = parse(type, data);
  return parsed.kind === 'refused' ? parsed.reason : `not refused: ${parsed.kind}`;
};
const without = (json: Json, key: string): Json => Object.fromEntries(Object.entries(json).filter(([name]) => name !== key));

const SOUND: Readonly<Record<string, [unknown, string]>> = {
  'organization.created': [anOrganization(), 'organizationSeen alive'],
  'organization.updated': [anOrganization(), 'organizationSeen'],
  'organization.deleted': [anOrganization(), 'organizationDeleted'],
  'dsync.activated': [aDirectory(), 'directorySeen alive'],
  'dsync.deactivated': [aDirectory(), 'directoryDeleted'],
  'dsync.deleted': [aDirectory(), 'directoryDeleted'],
  'dsync.user.created': [aUser('u'), 'userSeen alive'],
  'dsync.user.updated': [aUser('u'), 'userSeen'],
  'dsync.user.deleted': [aUser('u'), 'userDeleted'],
  'dsync.group.created': [aGroup('g'), 'groupSeen alive'],
  'dsync.group.updated': [aGroup('g'), 'groupSeen'],
  'dsync.group.deleted': [aGroup('g'), 'groupDeleted'],
  'dsync.group.user_added': [aMembership(aUser('u'), aGroup('g')), 'userSeen groupSeen memberAdded'],
  'dsync.group.user_removed': [aMembership(aUser('u'), aGroup('g')), 'memberRemoved'],
  'role.created': [aRole('r', []), 'roleSeen alive'],
  'role.updated': [aRole('r', []), 'roleSeen'],
  'role.deleted': [aRole('r', []), 'roleDeleted'],
  'organization_role.created': [aRole('r', [], { organization_id: 'org_1' }), 'roleSeen alive'],
  'organization_role.updated': [aRole('r', [], { organization_id: 'org_1' }), 'roleSeen'],
  'organization_role.deleted': [aRole('r', [], { organization_id: 'org_1' }), 'roleDeleted'],
  'permission.created': [aPermission('p'), 'permissionSeen alive'],
  'permission.updated': [aPermission('p'), 'permissionSeen'],
  'permission.deleted': [aPermission('p'), 'permissionDeleted'],
};

describe('what each type says', () => {
  test.each(Object.entries(SOUND))('%s', (type, [data, expected]) => {
    const said = factsOf(type, data).map((fact) => `${fact.kind}${'alive' in fact && fact.alive ? ' alive' : ''}`);
    expect(said.join(' ')).toBe(expected);
  });

  test('every type that is asked for is either read or known to say nothing', () => {
    expect(EVENT_TYPES.filter((type) => !(type in SOUND))).toEqual(['dsync.token.created', 'dsync.token.revoked']);
  });

  test('the version is the event id, and the cause names the event', () => {
    const event = anEvent(7, 'dsync.user.created', aUser('u'));
    expect(parseEvent(event)).toMatchObject({
      kind: 'observation',
      observation: {
        version: event.id,
        cause: { kind: 'DIRECTORY_EVENT', eventId: event.id, eventType: 'dsync.user.created', occurredAt: event.occurredAt },
      },
    });
  });

  test.each(['group.created', 'user.created', 'dsync.token.created', 'dsync.user.promoted', 'constructor', '__proto__', 'toString', ''])(
    'an event of type "%s" is ignored, whatever it carries',
    (type) => {
      expect(parse(type, null)).toEqual({ kind: 'ignored' });
    },
  );
});

describe('users', () => {
  const userOf = (over: Json) => {
    const [fact] = factsOf('dsync.user.updated', aUser('u', over));
    if (fact?.kind !== 'userSeen') throw new Error('no user');
    return fact.user;
  };

  test.each([
    ['active', 'ACTIVE'],
    ['suspended', 'SUSPENDED'],
    ['inactive', 'INACTIVE'],
  ])('state %s', (state, expected) => {
    expect(userOf({ state }).state).toBe(expected);
  });

  test.each(['Active', 'ACTIVE', 'deleted', '', null, 1])('state %j is refused: it must not pass for active', (state) => {
    expect(reasonOf('dsync.user.updated', aUser('u', { state }))).toMatch(/^data\.state: /);
  });

  test.each([
    ['2026-02-01T10:00:00.123Z', '2026-02-01T10:00:00.123Z'],
    ['2026-02-01T10:00:00Z', '2026-02-01T10:00:00.000Z'],
    ['2023-04-28 20:05:31.093', '2023-04-28T20:05:31.093Z'],
    ['2023-04-28T20:05:31', '2023-04-28T20:05:31.000Z'],
    ['2023-04-28 20:05', '2023-04-28T20:05:00.000Z'],
    ['2026-02-01T12:00:00+02:00', '2026-02-01T10:00:00.000Z'],
    ['2026-02-01T12:00:00.123456789-0130', '2026-02-01T13:30:00.123Z'],
    // The zero of a clock, not a time.
    ['0001-01-01T00:00:00Z', '1970-01-01T00:00:00.000Z'],
    ['1969-12-31T23:59:59Z', '1970-01-01T00:00:00.000Z'],
  ])('the time %s', (text, expected) => {
    expect(userOf({ updated_at: text }).updatedAt.toISOString()).toBe(expected);
  });

  test.each([
    'soon',
    '',
    '5',
    '2026',
    '2026-02-30T25:00:00Z',
    '+275760-09-13T00:00:00Z',
    'Tue May 1 2023',
    '2026-02-01',
    null,
    1_700_000_000,
    {},
  ])('the time %j is refused', (text) => {
    expect(reasonOf('dsync.user.updated', aUser('u', { updated_at: text }))).toMatch(/^data\.updated_at: /);
  });

  test.each<[string, Json, string[]]>([
    ['none', {}, []],
    ['nulls', { role: null, roles: null }, []],
    ['role', { role: { slug: 'a' } }, ['a']],
    ['roles', { roles: [{ slug: 'b' }, { slug: 'a' }] }, ['a', 'b']],
    ['both, with repeats', { role: { slug: 'b' }, roles: [{ slug: 'b' }, { slug: 'a' }, { slug: 'a' }] }, ['a', 'b']],
    ['names of the prototype', { roles: [{ slug: '__proto__' }, { slug: 'constructor' }] }, ['__proto__', 'constructor']],
  ])('roles: %s', (_, over, expected) => {
    expect(userOf(over).directoryRoles).toEqual(expected);
  });

  test.each<[string, Json, string]>([
    ['name', { name: 'Ann Lee' }, 'Ann Lee'],
    ['first and last', { first_name: 'Ann', last_name: 'Lee' }, 'Ann Lee'],
    ['first only', { first_name: 'Ann', last_name: null }, 'Ann'],
    ['email', { first_name: null, last_name: null }, 'u@example.com'],
    ['idp id', { first_name: '', last_name: null, email: null }, 'idp-u'],
    ['id', { first_name: null, last_name: null, email: null, idp_id: null }, 'u'],
  ])('shown by %s', (_, over, expected) => {
    expect(userOf(over).displayName).toBe(expected);
  });

  test('custom attributes come as they are, deprecated and unknown fields are let through', () => {
    const attributes = JSON.parse('{"constructor":1,"toString":null,"nested":{"list":[1,"2",null]}}') as Json;
    expect(userOf({ custom_attributes: attributes, raw_attributes: 7, emails: 'x', brand_new: [] }).customAttributes).toEqual(attributes);
    expect(userOf({ custom_attributes: null }).customAttributes).toEqual({});
  });
});

describe('directories', () => {
  test.each([
    ['active', 'ACTIVE'],
    ['linked', 'ACTIVE'],
    ['validating', 'VALIDATING'],
    ['invalid_credentials', 'INVALID_CREDENTIALS'],
    ['inactive', 'INACTIVE'],
    ['unlinked', 'INACTIVE'],
    ['deleting', 'DELETED'],
    ['deleted', 'DELETED'],
  ])('state %s', (state, expected) => {
    expect(factsOf('dsync.activated', aDirectory('d', { state }))).toMatchObject([{ directory: { state: expected } }]);
  });

  test.each([null, undefined])('organization %j: none', (organization_id) => {
    expect(factsOf('dsync.activated', aDirectory('d', { organization_id }))).toMatchObject([{ directory: { organizationId: null } }]);
  });
});

test('role.* is for every organization, organization_role.* for the one that it names', () => {
  expect(factsOf('role.created', aRole('r', ['b', 'a', 'b'], { organization_id: 'org_1' }))).toMatchObject([
    { role: { organizationId: '', name: 'r', permissions: ['a', 'b'] } },
  ]);
  expect(factsOf('organization_role.created', aRole('r', [], { organization_id: 'org_1', name: 'R' }))).toMatchObject([
    { role: { organizationId: 'org_1', name: 'R' } },
  ]);
  for (const organization_id of [undefined, null, ''])
    expect(reasonOf('organization_role.created', aRole('r', [], { organization_id }))).toMatch(/^data\.organization_id: /);
});

describe('refused, with the path of what is wrong', () => {
  const REQUIRED: [string, Json, string[]][] = [
    ['dsync.user.created', aUser('u'), ['id', 'directory_id', 'state', 'created_at', 'updated_at']],
    ['dsync.group.created', aGroup('g'), ['id', 'directory_id', 'name', 'created_at', 'updated_at']],
    ['dsync.activated', aDirectory(), ['id', 'name', 'type', 'state', 'updated_at']],
    ['organization.updated', anOrganization(), ['id', 'updated_at']],
    ['role.updated', aRole('r', []), ['slug', 'updated_at']],
    ['permission.updated', aPermission('p'), ['slug', 'updated_at']],
  ];
  test.each(REQUIRED.flatMap(([type, data, keys]) => keys.map((key) => [type, key, data] as const)))('%s without %s', (type, key, data) => {
    expect(reasonOf(type, without(data, key))).toMatch(new RegExp(`^data\\.${key}: `));
  });

  test.each<[string, string, unknown, string]>([
    ['an email that is a number', 'dsync.user.created', aUser('u', { email: 3 }), 'data.email'],
    ['an empty id', 'dsync.user.created', aUser(''), 'data.id'],
    ['an endless id', 'dsync.user.created', aUser('u'.repeat(256)), 'data.id'],
    ['roles that are no list', 'dsync.user.created', aUser('u', { roles: 'admin' }), 'data.roles'],
    ['a role without a slug', 'dsync.user.created', aUser('u', { roles: [{ slug: 'a' }, {}] }), 'data.roles.1.slug'],
    ['custom attributes that are a list', 'dsync.user.created', aUser('u', { custom_attributes: [1] }), 'data.custom_attributes'],
    ['a membership without its user', 'dsync.group.user_added', { directory_id: 'd', group: aGroup('g') }, 'data.user'],
    [
      'a membership whose group is of a wrong type',
      'dsync.group.user_removed',
      aMembership(aUser('u'), aGroup('g', { name: 1 })),
      'data.group.name',
    ],
    ['data that is null', 'dsync.user.created', null, 'data'],
    ['data that is a list', 'dsync.user.created', [], 'data'],
    ['data that is a text', 'dsync.user.created', 'x', 'data'],
  ])('%s', (_, type, data, path) => {
    expect(reasonOf(type, data).startsWith(`${path}: `)).toBe(true);
  });

  test.each([
    ['a NUL', '\0'],
    ['half a surrogate pair', '\udfff'],
  ])('%s, at any depth, in values and keys', (_, bad) => {
    expect(reasonOf('dsync.user.created', aUser('u', { email: `a${bad}b` }))).toMatch(/^data\.email contains/);
    expect(reasonOf('dsync.user.created', aUser('u', { custom_attributes: { a: [{ b: bad }] } }))).toMatch(
      /^data\.custom_attributes\.a\.0\.b contains/,
    );
    expect(reasonOf('dsync.user.created', aUser('u', { custom_attributes: { [bad]: 1 } }))).toMatch(
      /^data\.custom_attributes \(a key\) contains/,
    );
  });

  test('what only looks like one is let through', () => {
    expect(parse('dsync.user.created', aUser('u', { email: '\\u0000 \\ud800 😀' })).kind).toBe('observation');
  });

  test.each(['', 'null', '[]', '"x"', '{', '{"data":'])('the text %j', (raw) => {
    expect(parseEvent({ ...anEvent(1, 'dsync.user.created', null), raw }).kind).toBe('refused');
  });

  test('a reason names at most five faults', () => {
    expect(reasonOf('dsync.user.created', {}).split('; ').length).toBe(5);
  });
});
