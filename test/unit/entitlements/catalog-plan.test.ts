import { describe, expect, test } from 'vitest';
import { type CatalogInput, planCatalog, type StoredMapping, type StoredRole } from '../../../src/entitlements/catalog-plan.ts';

const role = (slug: string, over: Partial<StoredRole> = {}): StoredRole => ({
  organizationId: '',
  slug,
  name: slug,
  description: null,
  permissions: ['p'],
  origin: 'CATALOG',
  ...over,
});
const mapping = (groupName: string, over: Partial<StoredMapping> = {}): StoredMapping => ({
  organizationId: 'org_1',
  groupId: null,
  groupName,
  roles: ['a'],
  ...over,
});
const input = (over: Partial<CatalogInput> = {}): CatalogInput => ({ roles: [], groupMappings: [], ...over });
const STORED = {
  roles: [role('a'), role('b', { organizationId: 'org_1' }), role('w', { origin: 'WORKOS' })],
  mappings: [mapping('x'), mapping('y', { organizationId: 'org_2' })],
};

/** Counts and names of the steps. */
const plan = (catalog: CatalogInput, options: { prune?: boolean; tenant?: string | null } = {}, stored = STORED) => {
  const steps = planCatalog(catalog, stored, { prune: false, tenant: null, ...options });
  const names = (roles: readonly StoredRole[]) => roles.map(({ organizationId, slug }) => `${organizationId}/${slug}`);
  const groups = (mappings: readonly StoredMapping[]) => mappings.map((one) => `${one.organizationId}/${one.groupId ?? one.groupName}`);
  return {
    created: names(steps.rolesCreated),
    changed: names(steps.rolesChanged),
    removed: names(steps.rolesRemoved),
    added: groups(steps.mappingsAdded),
    dropped: groups(steps.mappingsRemoved),
  };
};
const NOTHING = { created: [], changed: [], removed: [], added: [], dropped: [] };

describe('steps', () => {
  test.each<[string, CatalogInput, { prune?: boolean; tenant?: string | null }, object]>([
    ['an empty catalog changes nothing', input(), {}, {}],
    ['the same role again, permissions in another order and twice', input({ roles: [{ slug: 'a', permissions: ['p', 'p'] }] }), {}, {}],
    ['a new role', input({ roles: [{ slug: 'n', permissions: [] }] }), {}, { created: ['/n'] }],
    [
      'the same slug in another organization is another role',
      input({ roles: [{ slug: 'a', organizationId: 'org_1', permissions: ['p'] }] }),
      {},
      { created: ['org_1/a'] },
    ],
    ['another name', input({ roles: [{ slug: 'a', name: 'A', permissions: ['p'] }] }), {}, { changed: ['/a'] }],
    ['another description', input({ roles: [{ slug: 'a', description: 'd', permissions: ['p'] }] }), {}, { changed: ['/a'] }],
    ['other permissions', input({ roles: [{ slug: 'a', permissions: ['q'] }] }), {}, { changed: ['/a'] }],
    ['prune', input(), { prune: true }, { removed: ['/a', 'org_1/b'], dropped: ['org_1/x', 'org_2/y'] }],
    ['prune within a tenant', input(), { prune: true, tenant: 'org_1' }, { removed: ['org_1/b'], dropped: ['org_1/x'] }],
    ['the same mapping again', input({ groupMappings: [{ organizationId: 'org_1', groupName: 'x', roles: ['a'] }] }), {}, {}],
    [
      'a mapping with other roles is replaced',
      input({ groupMappings: [{ organizationId: 'org_1', groupName: 'x', roles: ['b'] }] }),
      {},
      { added: ['org_1/x'], dropped: ['org_1/x'] },
    ],
    [
      'a mapping to no role',
      input({ groupMappings: [{ organizationId: 'org_1', groupName: 'z', roles: [] }] }),
      {},
      { added: ['org_1/z'] },
    ],
    [
      'an id and a name that read alike are two groups',
      input({ groupMappings: [{ organizationId: 'org_1', groupId: 'x', roles: ['a'] }] }),
      {},
      { added: ['org_1/x'] },
    ],
    [
      'a mapping to a role of WorkOS',
      input({ groupMappings: [{ organizationId: 'org_1', groupName: 'z', roles: ['w'] }] }),
      {},
      { added: ['org_1/z'] },
    ],
    [
      'a tenant maps to a role of everybody',
      input({ groupMappings: [{ organizationId: 'org_1', groupName: 'z', roles: ['a'] }] }),
      { tenant: 'org_1' },
      { added: ['org_1/z'] },
    ],
  ])('%s', (_, catalog, options, expected) => {
    expect(plan(catalog, options)).toEqual({ ...NOTHING, ...expected });
  });
});

describe('faults', () => {
  test.each<[string, CatalogInput, { prune?: boolean; tenant?: string | null }, string]>([
    [
      'a mapping to a role that this very catalog prunes',
      input({ groupMappings: [{ organizationId: 'org_1', groupName: 'x', roles: ['a'] }] }),
      { prune: true },
      'BAD_USER_INPUT',
    ],
    [
      'a mapping to another organization’s role',
      input({ groupMappings: [{ organizationId: 'org_2', groupName: 'x', roles: ['b'] }] }),
      {},
      'BAD_USER_INPUT',
    ],
    ['WorkOS’ own role', input({ roles: [{ slug: 'w', permissions: [] }] }), {}, 'CONFLICT'],
    ['another tenant', input({ roles: [{ slug: 'n', organizationId: 'org_2', permissions: [] }] }), { tenant: 'org_1' }, 'FORBIDDEN'],
    ['everybody, by a tenant', input({ roles: [{ slug: 'n', permissions: [] }] }), { tenant: 'org_1' }, 'FORBIDDEN'],
  ])('%s', (_, catalog, options, code) => {
    expect(() => plan(catalog, options)).toThrow(expect.objectContaining({ code }));
  });

  test('all at once, each with its place', () => {
    const catalog = input({
      roles: [
        { slug: '', permissions: [] },
        { slug: 'n', permissions: ['', 'ok'] },
      ],
      groupMappings: [{ organizationId: 'org_1', roles: [] }],
    });
    expect(() => plan(catalog)).toThrow(/has 3 fault\(s\): roles\[0\]: .*; roles\[1\] \(n\): .*; groupMappings\[0\] \(no group\): /);
  });
});
