// applyCatalog: exact plans, all or nothing, bounds of a tenant, and the same access whether the catalog or the events come first.
import { describe, expect, test } from 'vitest';
import { applyCatalog } from '../../../src/entitlements/catalog.ts';
import type { CatalogInput } from '../../../src/entitlements/catalog-plan.ts';
import { deliver, emptyTables } from '../../support/core-database.ts';
import { stateOfDatabase } from '../../support/directory-state.ts';
import { expectInvariants } from '../../support/invariants.ts';
import { COMPANY, COMPANY_CATALOG, changesSince, found, headOf, permissionsNow, putCatalog } from '../../support/small-company.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { anEvent, aRole, aUser, momentOf } from '../../support/workos-objects.ts';

const core = useCoreDatabase({ each: 'empty' });

const NOTHING: CatalogInput = { roles: [], groupMappings: [] };
const run = (catalog: CatalogInput, over: { dryRun?: boolean; prune?: boolean; maxRevocations?: number; tenant?: string | null } = {}) =>
  applyCatalog(core.db, { catalog, dryRun: false, prune: false, actor: 'ops', tenant: null, ...over });
const stored = async () => ({
  roles: await core.db.role.findMany({ orderBy: { slug: 'asc' } }),
  mappings: await core.db.groupMapping.findMany({ orderBy: { groupName: 'asc' } }),
  head: await headOf(core.db),
  versions: await core.db.effectiveEntitlement.count(),
});

test('before or after the events: the same access', async () => {
  const { db } = core;
  await found(db);
  const before = await stateOfDatabase(db);
  await emptyTables(db);
  await deliver(db, COMPANY);
  expect(await permissionsNow(db)).toEqual({});
  await putCatalog(db);
  expect(await stateOfDatabase(db)).toEqual(before);
  await expectInvariants(db);
});

test('a plan names what it does, to whom, and a dry run does none of it', async () => {
  const { db } = core;
  await deliver(db, COMPANY);
  const before = await stored();
  const plan = await run(COMPANY_CATALOG, { dryRun: true });
  expect(plan).toEqual({
    applied: false,
    rolesCreated: ['builder', 'steward'],
    rolesChanged: [],
    rolesRemoved: [],
    mappingsAdded: 2,
    mappingsRemoved: 0,
    affectedUsers: 2,
    grantedPermissions: 5,
    revokedPermissions: 0,
    preview: [
      { userId: 'ann', grantedPermissions: ['docs:read', 'docs:write'], revokedPermissions: [] },
      { userId: 'bob', grantedPermissions: ['docs:admin', 'docs:read', 'docs:write'], revokedPermissions: [] },
    ],
  });
  expect(await stored()).toEqual(before);
  expect(await run(COMPANY_CATALOG)).toEqual({ ...plan, applied: true });
  expect(await changesSince(db, before.head)).toEqual([
    'ann CATALOG_CHANGE: +docs:read +docs:write',
    'bob CATALOG_CHANGE: +docs:admin +docs:read +docs:write',
  ]);
  expect(await db.entitlementChange.findFirst()).toMatchObject({ causeKind: 'CATALOG_CHANGE', actor: 'ops', eventId: null });
  await expectInvariants(db);
});

test('the same catalog again changes nothing, not even a version', async () => {
  await found(core.db);
  const before = await stored();
  expect(await run(COMPANY_CATALOG)).toMatchObject({
    rolesCreated: [],
    rolesChanged: [],
    mappingsAdded: 0,
    mappingsRemoved: 0,
    affectedUsers: 0,
  });
  expect(await stored()).toEqual(before);
});

test('an altered role, an altered mapping and a pruned role each reach those who hold them', async () => {
  const { db } = core;
  await found(db);
  const before = await headOf(db);
  const plan = await run(
    {
      roles: [{ slug: 'builder', permissions: ['docs:read'] }],
      groupMappings: [{ organizationId: 'org_1', groupName: 'admins', roles: ['builder'] }],
    },
    { prune: true },
  );
  expect(plan).toMatchObject({
    rolesChanged: ['builder'],
    rolesRemoved: ['steward'],
    mappingsAdded: 1,
    mappingsRemoved: 2,
    affectedUsers: 2,
  });
  expect(await changesSince(db, before)).toEqual([
    'ann CATALOG_CHANGE: -docs:read -docs:write',
    'bob CATALOG_CHANGE: -docs:admin -docs:write',
  ]);
  expect(await permissionsNow(db)).toEqual({ bob: ['docs:read'] });
  await run(NOTHING, { prune: true });
  expect(await permissionsNow(db)).toEqual({});
  await run(COMPANY_CATALOG);
  expect((await permissionsNow(db)).ann).toEqual(['docs:read', 'docs:write']);
  await expectInvariants(db);
});

test('more revocations than allowed change nothing and are told by number; a dry run shows them, a higher bound confirms', async () => {
  const { db } = core;
  await found(db);
  const before = await stored();
  await expect(run(NOTHING, { prune: true, maxRevocations: 1 })).rejects.toMatchObject({
    code: 'CONFIRMATION_REQUIRED',
    details: { revocations: 2, maxRevocations: 1 },
  });
  const plan = await run(NOTHING, { prune: true, dryRun: true, maxRevocations: 1 });
  expect(plan).toMatchObject({ applied: false, affectedUsers: 2, revokedPermissions: 5 });
  expect(await stored()).toEqual(before);
  await run(NOTHING, { prune: true, maxRevocations: 2 });
  expect(await permissionsNow(db)).toEqual({});
  await run(COMPANY_CATALOG, { maxRevocations: 0 });
  await expectInvariants(db);
});

test('mappings by group id and by name add up, and count for their organization only', async () => {
  const { db } = core;
  await deliver(db, COMPANY);
  await run({
    roles: COMPANY_CATALOG.roles,
    groupMappings: [
      { organizationId: 'org_1', groupId: 'engineers', roles: ['builder'] },
      { organizationId: 'org_1', groupName: 'engineers', roles: ['steward'] },
      { organizationId: 'org_2', groupName: 'admins', roles: ['steward'] },
      { organizationId: 'org_2', groupId: 'admins', roles: ['steward'] },
    ],
  });
  const all = ['docs:admin', 'docs:read', 'docs:write'];
  expect(await permissionsNow(db)).toEqual({ ann: all, bob: all });
  await expectInvariants(db);
});

test('a role defined after users hold its slug reaches them', async () => {
  const { db } = core;
  await deliver(db, [...COMPANY, anEvent(20, 'dsync.user.created', aUser('dan', { roles: [{ slug: 'guest' }] }))]);
  expect(await run({ roles: [{ slug: 'guest', permissions: ['lobby'] }], groupMappings: [] })).toMatchObject({ affectedUsers: 1 });
  expect(await permissionsNow(db)).toEqual({ dan: ['lobby'] });
  expect(await run({ roles: [{ slug: 'guest', organizationId: 'org_1', permissions: ['lounge'] }], groupMappings: [] })).toMatchObject({
    affectedUsers: 1,
  });
  expect(await permissionsNow(db)).toEqual({ dan: ['lounge'] });
  await expectInvariants(db);
});

describe('a catalog with a fault is refused whole, with every fault named', () => {
  const builder = { slug: 'builder', permissions: ['x'] };
  const map = (over: object) => ({ roles: [builder], groupMappings: [{ organizationId: 'org_1', roles: ['builder'], ...over }] });
  test.each<[string, CatalogInput, RegExp]>([
    [
      'an unknown role',
      map({ groupName: 'engineers', roles: ['builder', 'nope'] }),
      /groupMappings\[0\] \(engineers\): role "nope" is not defined/,
    ],
    ['both group fields', map({ groupName: 'engineers', groupId: 'engineers' }), /exactly one of groupId and groupName/],
    ['no group field', map({}), /exactly one of groupId and groupName/],
    [
      'a group mapped twice',
      { roles: [builder], groupMappings: [...map({ groupId: 'g' }).groupMappings, ...map({ groupId: 'g' }).groupMappings] },
      /mapped twice/,
    ],
    ['a role defined twice', { roles: [builder, builder], groupMappings: [] }, /roles\[1\] \(builder\): the role is defined twice/],
    [
      'a role of another organization',
      { roles: [{ ...builder, organizationId: 'org_2' }], groupMappings: map({ groupName: 'g' }).groupMappings },
      /"builder" is not defined/,
    ],
    ['an empty slug', { roles: [{ slug: ' ', permissions: [] }], groupMappings: [] }, /roles\[0\]: slug/],
    ['an empty permission', { roles: [{ slug: 'a', permissions: [''] }], groupMappings: [] }, /a permission/],
    ['a permission with a NUL', { roles: [{ slug: 'a', permissions: ['a\0b'] }], groupMappings: [] }, /a permission/],
    ['a permission too long for its index', { roles: [{ slug: 'a', permissions: ['x'.repeat(256)] }], groupMappings: [] }, /a permission/],
    [
      'a description with half a surrogate pair',
      { roles: [{ slug: 'a', description: '\ud800', permissions: [] }], groupMappings: [] },
      /not plain text/,
    ],
    ['an empty group name', map({ groupName: '' }), /the group/],
    ['two faults', { roles: [{ slug: '', permissions: [''] }], groupMappings: [] }, /has 2 fault\(s\)/],
  ])('%s', async (_, catalog, message) => {
    const before = await stored();
    const refused = run(catalog);
    await expect(refused).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
    await expect(refused).rejects.toThrow(message);
    expect(await stored()).toEqual(before);
  });
});

test('a role that WorkOS defines may be mapped, and not defined', async () => {
  const { db } = core;
  await deliver(db, [...COMPANY, anEvent(20, 'role.created', aRole('nurse', ['ward'], { updated_at: momentOf(20) }))]);
  await expect(run({ roles: [{ slug: 'nurse', permissions: ['all'] }], groupMappings: [] })).rejects.toMatchObject({ code: 'CONFLICT' });
  await run({ roles: [], groupMappings: [{ organizationId: 'org_1', groupName: 'admins', roles: ['nurse'] }] });
  expect(await permissionsNow(db)).toEqual({ bob: ['ward'] });
  // Pruning never takes what WorkOS defines.
  expect(await run(NOTHING, { prune: true })).toMatchObject({ rolesRemoved: [], mappingsRemoved: 1 });
  expect(await db.role.count({ where: { slug: 'nurse', deleted: false } })).toBe(1);
  await expectInvariants(db);
});

describe('a caller bound to one organization', () => {
  const own: CatalogInput = {
    roles: [{ slug: 'own', organizationId: 'org_1', permissions: ['x'] }],
    groupMappings: [{ organizationId: 'org_1', groupName: 'admins', roles: ['own'] }],
  };
  test.each<[string, CatalogInput]>([
    ['a role for everybody', { roles: [{ slug: 'a', permissions: [] }], groupMappings: [] }],
    ['a role of another organization', { roles: [{ slug: 'a', organizationId: 'org_2', permissions: [] }], groupMappings: [] }],
    ['a mapping in another organization', { roles: [], groupMappings: [{ organizationId: 'org_2', groupName: 'x', roles: [] }] }],
  ])('may not define %s', async (_, catalog) => {
    await expect(run(catalog, { tenant: 'org_1' })).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  test('may define its own roles, map to those of everybody, and prunes nobody else’s', async () => {
    const { db } = core;
    await found(db);
    await run({
      roles: [{ slug: 'foreign', organizationId: 'org_2', permissions: ['y'] }],
      groupMappings: [{ organizationId: 'org_2', groupName: 'admins', roles: ['foreign'] }],
    });
    await run(own, { tenant: 'org_1' });
    expect((await permissionsNow(db)).bob).toEqual(['docs:read', 'docs:write', 'x']);
    await run(
      { roles: own.roles, groupMappings: [{ organizationId: 'org_1', groupName: 'admins', roles: ['own', 'steward'] }] },
      { tenant: 'org_1', prune: true },
    );
    expect(await permissionsNow(db)).toEqual({ bob: ['docs:admin', 'docs:read', 'x'] });
    await run(NOTHING, { tenant: 'org_1', prune: true });
    expect((await db.role.findMany({ where: { deleted: false }, orderBy: { slug: 'asc' } })).map(({ slug }) => slug)).toEqual([
      'builder',
      'foreign',
      'steward',
    ]);
    expect(await db.groupMapping.findMany()).toMatchObject([{ organizationId: 'org_2' }]);
    await expectInvariants(db);
  });
});
