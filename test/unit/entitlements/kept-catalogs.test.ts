import { expect, test } from 'vitest';
import { createKeptCatalogs } from '../../../src/entitlements/kept-catalogs.ts';
import { createOrganizationCatalog, type OrganizationCatalog } from '../../../src/entitlements/organization-catalog.ts';

const withMappings = (id: string, count: number): OrganizationCatalog =>
  createOrganizationCatalog(
    id,
    [],
    Array.from({ length: count }, (_, n) => ({ organizationId: id, groupId: `group_${n}`, groupName: null, roles: ['role'] })),
  );

test('of those asked for, those that are kept, with the revision that they have', () => {
  const kept = createKeptCatalogs();
  expect(kept.known(['a'])).toEqual({ revision: null, byOrganization: new Map() });
  const [a, b] = [withMappings('a', 1), withMappings('b', 1)];
  kept.keep('0.1', new Map([['a', a]]));
  kept.keep('0.1', new Map([['b', b]]));
  expect(kept.known(['b', 'c'])).toEqual({ revision: '0.1', byOrganization: new Map([['b', b]]) });
});

test('of another revision, nothing before it is known', () => {
  const kept = createKeptCatalogs();
  kept.keep('0.1', new Map([['a', withMappings('a', 1)]]));
  kept.keep('0.2', new Map([['b', withMappings('b', 1)]]));
  const { revision, byOrganization } = kept.known(['a', 'b']);
  expect([revision, ...byOrganization.keys()]).toEqual(['0.2', 'b']);
});

test('so many roles and mappings, and no more: what was used last stays', () => {
  const kept = createKeptCatalogs(100);
  for (const id of ['a', 'b', 'c']) kept.keep('0.1', new Map([[id, withMappings(id, 30)]]));
  kept.known(['a']);
  kept.keep('0.1', new Map([['d', withMappings('d', 30)]]));
  expect([...kept.known(['a', 'b', 'c', 'd']).byOrganization.keys()]).toEqual(['a', 'c', 'd']);
  kept.keep('0.1', new Map([['huge', withMappings('huge', 101)]]));
  expect(kept.known(['huge']).byOrganization.size).toBe(0);
});
