// Effective access as a function of what is known of a user, and what is a difference of it.
import { describe, expect, test } from 'vitest';
import { type AccessFacts, computeEffective } from '../../../src/entitlements/compute.ts';
import { diffEffective, sameEffective } from '../../../src/entitlements/diff.ts';
import { createOrganizationCatalog } from '../../../src/entitlements/organization-catalog.ts';
import { type Effective, NO_ACCESS } from '../../../src/model/entitlement.ts';

const CATALOG = createOrganizationCatalog(
  'org_1',
  [
    { organizationId: '', slug: 'reader', permissions: ['read'] },
    { organizationId: '', slug: 'writer', permissions: ['read', 'write'] },
    { organizationId: 'org_1', slug: 'reader', permissions: ['read:own'] },
    { organizationId: 'org_2', slug: 'writer', permissions: ['steal'] },
    { organizationId: '', slug: '__proto__', permissions: ['constructor', '__proto__', '10', '9'] },
  ],
  [
    { organizationId: 'org_1', groupId: 'g1', groupName: null, roles: ['writer'] },
    { organizationId: 'org_1', groupId: null, groupName: 'Staff', roles: ['reader', 'writer'] },
    { organizationId: 'org_2', groupId: 'g2', groupName: null, roles: ['writer'] },
    { organizationId: 'org_1', groupId: null, groupName: 'constructor', roles: ['reader'] },
  ],
);
const AT = new Date('2026-01-01T00:00:00Z');
const compute = (facts: Partial<AccessFacts>, previous: Effective = NO_ACCESS, at = AT, eventId: string | null = 'event_1'): Effective =>
  computeEffective({ inForce: true, groups: [], directoryRoles: [], grants: [], ...facts }, CATALOG, previous, { at, eventId });
const group = (id: string, name = id) => ({ id, name });
const grant = (id: string, role: string, expiresAt: Date | null = null) => ({ id, role, expiresAt });

describe('access', () => {
  test.each<[string, Partial<AccessFacts>, string[], string[]]>([
    ['nothing known', {}, [], []],
    [
      'not in force, whatever else',
      { inForce: false, groups: [group('g1')], directoryRoles: ['writer'], grants: [grant('1', 'writer')] },
      [],
      [],
    ],
    ['a group by id', { groups: [group('g1')] }, ['writer'], ['read', 'write']],
    ['a group by its exact name', { groups: [group('g9', 'Staff')] }, ['reader', 'writer'], ['read', 'read:own', 'write']],
    ['a name in another case, or with a blank', { groups: [group('g8', 'staff'), group('g9', 'Staff ')] }, [], []],
    ['a group mapped for another organization', { groups: [group('g2')] }, [], []],
    ['a group named like a property', { groups: [group('g3', 'constructor'), group('g4', 'toString')] }, ['reader'], ['read:own']],
    ['the organization’s own role before the one for everybody', { directoryRoles: ['reader'] }, ['reader'], ['read:own']],
    ['never a role of another organization', { directoryRoles: ['writer'] }, ['writer'], ['read', 'write']],
    ['a role that nobody defined', { directoryRoles: ['ghost'] }, ['ghost'], []],
    ['a grant', { grants: [grant('1', 'writer')] }, ['writer'], ['read', 'write']],
    [
      'names of the prototype and of numbers, sorted as text',
      { directoryRoles: ['__proto__'] },
      ['__proto__'],
      ['10', '9', '__proto__', 'constructor'],
    ],
  ])('%s', (_, facts, roles, permissions) => {
    const effective = compute(facts);
    expect([effective.roles, effective.permissions]).toEqual([roles, permissions]);
    expect(Object.keys(effective.reasons.permissions).sort()).toEqual([...permissions].sort());
  });

  test('a permission names every path to it', () => {
    const { reasons } = compute({
      groups: [group('g1'), group('g9', 'Staff')],
      directoryRoles: ['writer'],
      grants: [grant('7', 'writer', new Date('2027-01-01T00:00:00Z'))],
    });
    const via = (reasons.permissions.write ?? []).map((index) => reasons.paths[index]);
    expect(via.map((path) => `${path?.source} ${path?.groupId ?? path?.grantId ?? ''} ${path?.expiresAt ?? ''}`)).toEqual([
      'DIRECTORY_ROLE  ',
      'GRANT 7 2027-01-01T00:00:00.000Z',
      'GROUP g1 ',
      'GROUP g9 ',
    ]);
  });

  test('a path that holds on keeps its beginning; a new one begins now', () => {
    const first = compute({ groups: [group('g1')] });
    const later = compute({ groups: [group('g1')], directoryRoles: ['ghost'] }, first, new Date('2026-02-01T00:00:00Z'), 'event_2');
    expect(later.reasons.paths.map(({ role, since, causeEventId }) => [role, since, causeEventId])).toEqual([
      ['ghost', '2026-02-01T00:00:00.000Z', 'event_2'],
      ['writer', '2026-01-01T00:00:00.000Z', 'event_1'],
    ]);
  });

  test('a step that alters nothing gives the same object back; a grant with another end keeps its beginning', () => {
    const until = (year: number) => [grant('1', 'writer', new Date(`${year}-01-01T00:00:00Z`))];
    const first = compute({ groups: [group('g1')], grants: until(2027) });
    const later = new Date('2026-02-01T00:00:00Z');
    expect(compute({ groups: [group('g1')], grants: until(2027) }, first, later, 'event_2')).toBe(first);
    const { reasons } = compute({ groups: [group('g1')], grants: until(2028) }, first, later, 'event_2');
    expect(reasons.paths).toEqual(first.reasons.paths.map((path) => ({ ...path, expiresAt: path.grantId && '2028-01-01T00:00:00.000Z' })));
  });

  test('paths are found again in whatever order they were stored', () => {
    const facts = { groups: [group('g1'), group('g9', 'Staff')], directoryRoles: ['ghost'] };
    const first = compute(facts);
    const stored = { ...first, reasons: { ...first.reasons, paths: first.reasons.paths.toReversed() } };
    expect(compute(facts, stored, new Date('2026-02-01T00:00:00Z'), 'event_2')).toEqual(first);
  });

  test('of very many lists of roles not all are remembered, and each gives what it gives', () => {
    const roles = Array.from({ length: 1_500 }, (_, n) => ({ organizationId: '', slug: `r${n}`, permissions: [`p${n}`, 'all'] }));
    const catalog = createOrganizationCatalog('org_1', roles, []);
    for (const turn of [0, 1])
      for (const { slug, permissions } of roles)
        expect([turn, catalog.heldBy([slug])]).toEqual([
          turn,
          { roles: [slug], permissions: permissions.toSorted(), via: { [permissions[0] ?? '']: [0], all: [0] } },
        ]);
  });

  test('the order in which groups and grants come says nothing', () => {
    const facts = { groups: [group('g1'), group('g9', 'Staff')], grants: [grant('1', 'reader'), grant('2', 'writer')] };
    expect(compute({ groups: [...facts.groups].reverse(), grants: [...facts.grants].reverse() })).toEqual(compute(facts));
  });
});

describe('differences', () => {
  const effective = (roles: string[], permissions: string[]): Effective => ({
    roles,
    permissions,
    reasons: { paths: [], permissions: {} },
  });
  test.each<[string, Effective, Effective, ReturnType<typeof diffEffective>]>([
    ['none', effective(['a'], ['p']), effective(['a'], ['p']), undefined],
    [
      'a role without a permission',
      NO_ACCESS,
      effective(['a'], []),
      { grantedPermissions: [], revokedPermissions: [], grantedRoles: ['a'], revokedRoles: [] },
    ],
    [
      'a permission alone',
      effective(['a'], []),
      effective(['a'], ['p']),
      { grantedPermissions: ['p'], revokedPermissions: [], grantedRoles: [], revokedRoles: [] },
    ],
    [
      'both ways',
      effective(['a'], ['p', 'q']),
      effective(['b'], ['q', 'r']),
      { grantedPermissions: ['r'], revokedPermissions: ['p'], grantedRoles: ['b'], revokedRoles: ['a'] },
    ],
    [
      'everything',
      effective(['a'], ['p']),
      NO_ACCESS,
      { grantedPermissions: [], revokedPermissions: ['p'], grantedRoles: [], revokedRoles: ['a'] },
    ],
  ])('%s', (_, before, after, expected) => {
    expect(diffEffective(before, after)).toEqual(expected);
  });

  const full = compute({ groups: [group('g9', 'Staff')], grants: [grant('1', 'writer')] });
  test('the same in another order of keys, as jsonb gives it back, is the same', () => {
    const reversed = (value: unknown): unknown =>
      Array.isArray(value)
        ? value.map(reversed)
        : typeof value === 'object' && value !== null
          ? Object.fromEntries(
              Object.entries(value)
                .reverse()
                .map(([key, inner]) => [key, reversed(inner)]),
            )
          : value;
    expect(sameEffective(full, reversed(full) as Effective)).toBe(true);
  });

  test.each<[string, (one: Effective) => void]>([
    ['a role', (one) => one.roles.push('x')],
    ['a permission', (one) => one.permissions.push('x')],
    ['a path', (one) => one.reasons.paths.pop()],
    ['the end of a grant', (one) => Object.assign(one.reasons.paths[2] ?? {}, { expiresAt: '2027-01-01T00:00:00.000Z' })],
    ['the beginning of a path', (one) => Object.assign(one.reasons.paths[0] ?? {}, { since: '2020-01-01T00:00:00.000Z' })],
    ['the cause of a path', (one) => Object.assign(one.reasons.paths[0] ?? {}, { causeEventId: null })],
    ['the way to a permission', (one) => one.reasons.permissions.read?.pop()],
  ])('%s makes a difference to what is stored', (_, alter) => {
    const altered = structuredClone(full);
    alter(altered);
    expect(sameEffective(full, altered)).toBe(false);
  });
});
