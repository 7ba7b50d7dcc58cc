// Whole operations, as apps, services and operators send them.
import pg from 'pg';
import { beforeAll, expect, test, vi } from 'vitest';
import {
  ApplyCatalogDocument,
  ChangesAfterDocument,
  CheckAccessDocument,
  CheckAccessesDocument,
  DirectoryEventDocument,
  DirectoryEventsDocument,
  GrantRoleDocument,
  GrantsDocument,
  GroupMappingsDocument,
  GroupMembersDocument,
  GroupsDocument,
  HealthDocument,
  OrganizationsDocument,
  ReplaysDocument,
  RetryEventsDocument,
  RevokeGrantDocument,
  RolesDocument,
  SkipEventDocument,
  SnapshotPageDocument,
  StartReplayDocument,
  UserDocument,
  UserEntitlementsDocument,
  UsersDocument,
  type UsersQuery,
  UsersWithPermissionDocument,
  WhoamiDocument,
} from '../gql/documents.ts';
import type { Result } from '../support/api.ts';
import { insertEvent, insertMembers } from '../support/company-rows.ts';
import { useCompanyApi } from '../support/suite-api.ts';

const api = useCompanyApi();

beforeAll(async () => {
  await insertEvent(api.db, { id: 'event_1' });
  await insertEvent(api.db, { id: 'event_2', status: 'QUARANTINED', raw: 'not json', error: 'not JSON', appliedAt: null, userId: null });
}, 120_000);

const idsOf = (nodes: readonly { id: string }[] | undefined) => nodes?.map(({ id }) => id);

test('a caller is told who it is', async () => {
  const { data } = await api.query(WhoamiDocument, {}, 'acme');
  expect(data?.caller).toMatchObject({ name: 'acme', organizationId: 'org_acme' });
});

test('a user with directory, organization, groups and access', async () => {
  const { data, errors } = await api.query(UserDocument, { id: 'user_ada' });
  expect(errors).toBeUndefined();
  expect(data?.user).toMatchInlineSnapshot(`
    {
      "createdAt": "2026-01-01T00:00:00.000Z",
      "customAttributes": {
        "team": "acme",
      },
      "directory": {
        "id": "directory_acme",
        "name": "acme",
        "state": "ACTIVE",
      },
      "displayName": "Ada Lovelace",
      "email": "user_ada@acme.example",
      "entitlements": {
        "permissions": [
          {
            "permission": "deploy:run",
          },
          {
            "permission": "docs:read",
          },
        ],
        "roles": [
          {
            "role": "engineer",
          },
          {
            "role": "reader",
          },
        ],
      },
      "firstName": null,
      "groups": {
        "nodes": [
          {
            "id": "group_acme_platform",
            "name": "platform",
          },
          {
            "id": "group_acme_readers",
            "name": "readers",
          },
        ],
        "pageInfo": {
          "endCursor": "VXNlci5ncm91cHM6Z3JvdXBfYWNtZV9yZWFkZXJz",
          "hasNextPage": false,
        },
        "totalCount": 2,
      },
      "id": "user_ada",
      "idpId": "idp-user_ada",
      "lastName": null,
      "organization": {
        "id": "org_acme",
        "name": "ACME",
      },
      "state": "ACTIVE",
      "updatedAt": "2026-01-01T00:00:00.000Z",
    }
  `);
});

test('a deleted user is still answered by id, an unknown one is null', async () => {
  expect((await api.query(UserDocument, { id: 'user_del' })).data?.user).toMatchObject({
    state: 'DELETED',
    entitlements: { permissions: [] },
  });
  expect((await api.query(UserDocument, { id: 'user_who' })).data).toEqual({ user: null });
});

test.each([
  ['no filter: without deleted ones', {}, ['user_ada', 'user_bob', 'user_cyd', 'user_gus']],
  ['deleted ones on request', { state: 'DELETED' as const }, ['user_del']],
  ['organization', { organizationId: 'org_globex' }, ['user_gus']],
  ['directory', { directoryId: 'directory_acme' }, ['user_ada', 'user_bob', 'user_cyd']],
  ['group: only memberships that count', { groupId: 'group_acme_readers' }, ['user_ada', 'user_bob']],
  ['email', { email: 'user_ada@acme.example' }, ['user_ada']],
  ['idpId', { idpId: 'idp-user_gus' }, ['user_gus']],
  ['search in any case', { search: 'LOVELACE' }, ['user_ada']],
  ['search in email and idpId', { search: 'globex' }, ['user_gus']],
  ['search takes wildcards as they are', { search: '100%' }, ['user_bob']],
  ['search for a lone wildcard', { search: '%' }, ['user_bob']],
  ['search with an underscore', { search: ' _sure_' }, ['user_bob']],
  ['search with a backslash', { search: '\\' }, []],
  ['everything at once', { organizationId: 'org_acme', state: 'ACTIVE' as const, search: 'c' }, ['user_ada', 'user_cyd']],
])('users by %s', async (_what, variables, expected) => {
  const { data } = await api.query(UsersDocument, variables);
  expect(idsOf(data?.users.nodes)).toEqual(expected);
  expect(data?.users.totalCount).toBe(expected.length);
});

test('pages follow each other without gap or repeat', async () => {
  const seen: string[] = [];
  let after: string | null = null;
  for (let pages = 0; pages < 10; pages += 1) {
    const { data }: Result<UsersQuery> = await api.query(UsersDocument, { first: 3, after });
    seen.push(...(idsOf(data?.users.nodes) ?? []));
    after = data?.users.pageInfo.endCursor ?? null;
    if (!data?.users.pageInfo.hasNextPage) break;
  }
  expect(seen).toEqual(['user_ada', 'user_bob', 'user_cyd', 'user_gus']);
});

test('organizations, groups and members', async () => {
  const organizations = await api.query(OrganizationsDocument, {});
  expect(organizations.data?.organizations.nodes).toMatchInlineSnapshot(`
    [
      {
        "directories": [
          {
            "groupCount": 3,
            "id": "directory_acme",
            "name": "acme",
            "state": "ACTIVE",
            "type": "okta scim v2.0",
            "userCount": 3,
          },
        ],
        "id": "org_acme",
        "name": "ACME",
      },
      {
        "directories": [
          {
            "groupCount": 1,
            "id": "directory_globex",
            "name": "globex",
            "state": "ACTIVE",
            "type": "okta scim v2.0",
            "userCount": 1,
          },
        ],
        "id": "org_globex",
        "name": "GLOBEX",
      },
    ]
  `);
  const groups = await api.query(GroupsDocument, { organizationId: 'org_acme' });
  expect(groups.data?.groups).toMatchInlineSnapshot(`
    {
      "nodes": [
        {
          "id": "group_acme_empty",
          "idpId": "idp-group_acme_empty",
          "members": {
            "totalCount": 0,
          },
          "name": "empty",
          "roles": [],
        },
        {
          "id": "group_acme_platform",
          "idpId": "idp-group_acme_platform",
          "members": {
            "totalCount": 1,
          },
          "name": "platform",
          "roles": [
            {
              "slug": "engineer",
            },
          ],
        },
        {
          "id": "group_acme_readers",
          "idpId": "idp-group_acme_readers",
          "members": {
            "totalCount": 2,
          },
          "name": "readers",
          "roles": [
            {
              "slug": "reader",
            },
          ],
        },
      ],
      "pageInfo": {
        "endCursor": "Z3JvdXBzOmdyb3VwX2FjbWVfcmVhZGVycw",
        "hasNextPage": false,
      },
      "totalCount": 3,
    }
  `);
  const members = await api.query(GroupMembersDocument, { id: 'group_acme_readers', first: 1 });
  expect(members.data?.group?.members).toMatchObject({ totalCount: 2, nodes: [{ id: 'user_ada' }], pageInfo: { hasNextPage: true } });
  const { data } = await api.query(GroupMembersDocument, {
    id: 'group_acme_readers',
    first: 1,
    after: members.data?.group?.members.pageInfo.endCursor,
  });
  expect(data?.group?.members).toMatchObject({ nodes: [{ id: 'user_bob' }], pageInfo: { hasNextPage: false } });
});

test('effective access names its reasons', async () => {
  const { data } = await api.query(UserEntitlementsDocument, { userId: 'user_ada' });
  expect(data?.effectiveEntitlements).toMatchObject({
    roles: [{ role: 'engineer' }, { role: 'reader' }],
    permissions: [
      { permission: 'deploy:run', via: [{ role: 'engineer', source: 'GROUP', group: { id: 'group_acme_platform', name: 'platform' } }] },
      { permission: 'docs:read', via: [{ role: 'engineer' }, { role: 'reader', group: { name: 'readers' } }] },
    ],
    freshness: { lagSeconds: 0, directoryState: 'ACTIVE', driftSuspected: false },
  });
  const granted = await api.query(UserEntitlementsDocument, { userId: 'user_cyd' });
  expect(granted.data?.effectiveEntitlements?.permissions).toMatchObject([
    { permission: 'docs:read', via: [{ source: 'GRANT', group: null }] },
  ]);
});

test('every decision gives its reason', async () => {
  const checks = [
    { userId: 'user_ada', permission: 'deploy:run' },
    { userId: 'user_cyd', permission: 'deploy:run' },
    { userId: 'user_bob', permission: 'docs:read' },
    { userId: 'user_who', permission: 'docs:read' },
    { userId: 'user_gus', permission: 'globex:only' },
  ];
  const { data } = await api.query(CheckAccessesDocument, { checks });
  expect(data?.checkAccesses.map(({ userId, allowed, reason }) => [userId, allowed, reason])).toEqual([
    ['user_ada', true, 'GRANTED'],
    ['user_cyd', false, 'NO_PATH'],
    ['user_bob', false, 'USER_NOT_ACTIVE'],
    ['user_who', false, 'USER_UNKNOWN'],
    ['user_gus', true, 'GRANTED'],
  ]);
  const unknown = await api.query(CheckAccessDocument, { userId: 'user_who', permission: 'x' });
  expect(unknown.data?.checkAccess).toMatchObject({
    reason: 'USER_UNKNOWN',
    via: [],
    freshness: { lagSeconds: 0, directoryState: 'INACTIVE' },
  });
});

test('who has a permission', async () => {
  const { data } = await api.query(UsersWithPermissionDocument, { organizationId: 'org_acme', permission: 'docs:read', first: 1 });
  expect(data?.usersWithPermission).toMatchObject({ totalCount: 2, nodes: [{ id: 'user_ada' }], pageInfo: { hasNextPage: true } });
  const after = data?.usersWithPermission.pageInfo.endCursor;
  const rest = await api.query(UsersWithPermissionDocument, { organizationId: 'org_acme', permission: 'docs:read', after });
  expect(idsOf(rest.data?.usersWithPermission.nodes)).toEqual(['user_cyd']);
});

test('all pages of a snapshot agree, whatever changes in between, and the feed goes on from its asOf', async () => {
  const first = await api.query(SnapshotPageDocument, { organizationId: 'org_acme', first: 1 });
  expect(first.data?.entitlementSnapshot).toMatchObject({ nodes: [{ userId: 'user_ada' }], pageInfo: { hasNextPage: true } });
  const { data } = await api.query(GrantRoleDocument, { userId: 'user_cyd', role: 'engineer', reason: 'incident 7' });
  const after = first.data?.entitlementSnapshot.pageInfo.endCursor;
  const second = await api.query(SnapshotPageDocument, { organizationId: 'org_acme', first: 10, after });
  expect(second.data?.entitlementSnapshot.asOf).toBe(first.data?.entitlementSnapshot.asOf);
  expect(second.data?.entitlementSnapshot.nodes).toEqual([
    { userId: 'user_cyd', roles: [{ role: 'auditor' }, { role: 'reader' }], permissions: [{ permission: 'docs:read' }] },
  ]);
  const changes = await api.query(ChangesAfterDocument, { after: second.data?.entitlementSnapshot.asOf });
  expect(changes.data?.entitlementChanges).toMatchObject([
    { userId: 'user_cyd', grantedPermissions: ['deploy:run'], grantedRoles: ['engineer'], cause: { kind: 'GRANT_CHANGE', actor: 'admin' } },
  ]);
  const revoked = await api.query(RevokeGrantDocument, { id: data?.grantRole.id ?? '' });
  expect(revoked.data?.revokeGrant.revokedAt).not.toBeNull();
});

test('changes are read from the oldest kept, by filter and in pages', async () => {
  const all = await api.query(ChangesAfterDocument, { first: 2 });
  expect(all.data?.entitlementChanges).toHaveLength(2);
  const gus = await api.query(ChangesAfterDocument, { filter: { permissions: ['globex:only'] } });
  expect(gus.data?.entitlementChanges).toMatchObject([{ userId: 'user_gus', grantedPermissions: ['globex:only'] }]);
});

test('the catalog: roles, mappings, and groups that match them today', async () => {
  const all = await api.query(RolesDocument, {});
  expect(all.data?.roles).toMatchInlineSnapshot(`
    [
      {
        "description": null,
        "groups": [],
        "name": "auditor",
        "organizationId": "org_acme",
        "permissions": [],
        "slug": "auditor",
      },
      {
        "description": null,
        "groups": [
          {
            "id": "group_acme_platform",
            "name": "platform",
          },
        ],
        "name": "Engineer",
        "organizationId": null,
        "permissions": [
          "deploy:run",
          "docs:read",
        ],
        "slug": "engineer",
      },
      {
        "description": null,
        "groups": [
          {
            "id": "group_globex_platform",
            "name": "platform",
          },
        ],
        "name": "engineer",
        "organizationId": "org_globex",
        "permissions": [
          "globex:only",
        ],
        "slug": "engineer",
      },
      {
        "description": null,
        "groups": [
          {
            "id": "group_acme_readers",
            "name": "readers",
          },
        ],
        "name": "reader",
        "organizationId": null,
        "permissions": [
          "docs:read",
        ],
        "slug": "reader",
      },
    ]
  `);
  const there = await api.query(RolesDocument, { organizationId: 'org_globex' });
  expect(there.data?.roles.map(({ slug, organizationId }) => [slug, organizationId])).toEqual([
    ['engineer', 'org_globex'],
    ['reader', null],
  ]);
  const mappings = await api.query(GroupMappingsDocument, { organizationId: 'org_acme' });
  expect(mappings.data?.groupMappings).toMatchInlineSnapshot(`
    [
      {
        "groupId": null,
        "groupName": "platform",
        "groups": [
          {
            "id": "group_acme_platform",
            "name": "platform",
          },
        ],
        "organizationId": "org_acme",
        "roles": [
          "engineer",
        ],
      },
      {
        "groupId": "group_acme_readers",
        "groupName": null,
        "groups": [
          {
            "id": "group_acme_readers",
            "name": "readers",
          },
        ],
        "organizationId": "org_acme",
        "roles": [
          "reader",
        ],
      },
    ]
  `);
});

test('a catalog is planned and applied', async () => {
  const catalog = { roles: [{ slug: 'writer', permissions: ['docs:write'] }], groupMappings: [] };
  const plan = await api.query(ApplyCatalogDocument, { catalog, dryRun: true });
  expect(plan.data?.applyCatalog).toMatchObject({ applied: false, rolesCreated: ['writer'], rolesRemoved: [], affectedUsers: 0 });
  const applied = await api.query(ApplyCatalogDocument, { catalog });
  expect(applied.data?.applyCatalog).toMatchObject({ applied: true, rolesCreated: ['writer'] });
});

test('grants that are active, and those that have ended', async () => {
  const active = await api.query(GrantsDocument, { active: true });
  expect(active.data?.grants.nodes).toMatchObject([{ userId: 'user_cyd', role: 'reader', reason: 'on call', grantedBy: 'seed' }]);
  const ended = await api.query(GrantsDocument, { active: false, userId: 'user_cyd' });
  expect(ended.data?.grants.nodes).toMatchObject([{ role: 'engineer' }]);
});

test('events of the inbox, whatever arrived', async () => {
  const { data } = await api.query(DirectoryEventsDocument, { statuses: ['QUARANTINED'], types: ['dsync.user.updated'] });
  expect(data?.directoryEvents).toMatchObject({ totalCount: 1, nodes: [{ id: 'event_2', error: 'not JSON', channel: 'EVENTS_API' }] });
  const byUser = await api.query(DirectoryEventsDocument, {
    userId: 'user_ada',
    from: '2026-01-01T00:00:00Z',
    to: '2026-01-01T00:00:00.001Z',
  });
  expect(idsOf(byUser.data?.directoryEvents.nodes)).toEqual(['event_1']);
  const before = await api.query(DirectoryEventsDocument, { to: '2026-01-01T01:00:00+01:00' });
  expect(before.data?.directoryEvents.nodes).toEqual([]);
  const json = await api.query(DirectoryEventDocument, { id: 'event_1' });
  expect(json.data?.directoryEvent).toMatchObject({ payload: { data: { id: 'user_ada' } }, changes: [] });
  const text = await api.query(DirectoryEventDocument, { id: 'event_2' });
  expect(text.data?.directoryEvent?.payload).toBe('not json');
});

test('operators retry, skip, and replay', async () => {
  const retried = await api.query(RetryEventsDocument, { eventIds: ['event_2'] });
  expect(idsOf(retried.data?.retryEvents)).toEqual(['event_2']);
  const skipped = await api.query(SkipEventDocument, { eventId: 'event_2', reason: 'a test event' });
  expect(skipped.data?.skipEvent).toMatchObject({ status: 'SKIPPED' });
  const started = await api.query(StartReplayDocument, { input: { userId: 'user_ada', reason: 'drift' } });
  expect(started.data?.replayEvents).toMatchObject({ source: 'LOG', dryRun: false, requestedBy: 'admin', status: 'PENDING' });
  const { data } = await api.query(ReplaysDocument, {});
  expect(data?.replays.nodes).toMatchObject([{ id: started.data?.replayEvents.id }]);
});

test('health', async () => {
  const { data } = await api.query(HealthDocument, {});
  expect(data?.syncHealth).toMatchObject({ status: 'HEALTHY', feed: { head: expect.any(String) }, drift: { byKind: [] } });
});

test('a list with everything nested costs one statement per kind of field, however long it is', async () => {
  const everything = `query ($first: Int) {
    users(first: $first) {
      totalCount
      nodes {
        organization { id directories { id userCount groupCount } }
        directory { id organization { id } }
        groups(first: 10) { totalCount nodes { name roles { slug groups { id } } members(first: 5) { totalCount nodes { id } } } }
        entitlements { permissions { via { group { name directory { id } } } } }
      }
    }
  }`;
  const statements = vi.spyOn(pg.Client.prototype, 'query');
  const count = async (first: number) => {
    statements.mockClear();
    const { errors } = await api.query(everything, { first });
    expect(errors).toBeUndefined();
    // New connections of the pool, and the relay and tail of this process, have statements of their own.
    const others = /SET TIME ZONE|log_id AS|WITH (bound|fresh) AS/;
    return statements.mock.calls.filter(([query]) => !others.test(JSON.stringify(query))).length;
  };
  const few = await count(5);
  await insertMembers(api.db, 300);
  const many = await count(300);
  statements.mockRestore();
  expect(few).toBeLessThan(25);
  expect(many).toBeLessThanOrEqual(few + 2);
});

test('totalCount costs nothing unless it is selected', async () => {
  const statements = vi.spyOn(pg.Client.prototype, 'query');
  await api.query('{ users { nodes { id } } }');
  // The relay and the tail of this process count what they mark and read.
  const texts = statements.mock.calls.map(([query]) => JSON.stringify(query)).filter((text) => !/WITH (bound|fresh) AS/.test(text));
  const counted = texts.filter((text) => /count\(/i.test(text));
  statements.mockRestore();
  expect(counted).toEqual([]);
});
