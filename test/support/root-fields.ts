// Every root field of the schema, and every way in which a caller can name something to it: one line per argument that takes
// an id or a cursor, wherever it sits inside of inputs. test/integration/authorization-matrix.test.ts asks each of them as every
// kind of caller, and fails for a field or an argument that has no line here.
import { type GraphQLField, type GraphQLInputType, type GraphQLSchema, getNamedType, isInputObjectType, isObjectType } from 'graphql';
import { encodeTag } from '../../schema/connection.ts';
import type { Scope } from '../../src/auth/caller.ts';
import type { ErrorCode } from '../../src/errors.ts';
import { encodeCursor } from '../../src/model/cursor.ts';

/** Of things of one organization; of the same length in each, so that answers can be compared byte for byte. */
export interface Ids {
  organization: string;
  directory: string;
  user: string;
  group: string;
  event: string;
  replay: string;
  report: string;
  grant: string;
  audit: string;
  key: string;
  /** Of the change log that cursors of these ids belong to. */
  logId: string;
  /** The change log that there is. */
  thisLog: string;
}

export interface RootField {
  /** null: any caller. */
  scope: Scope | null;
  /** Within that scope. */
  select: string;
  /** Argument (by its path) → the arguments of a question that names something by it. `home` is what the caller is bound to. */
  by: Record<string, (ids: Ids, home: string) => string>;
  /** How it answers about what is foreign or unknown, in all ways or in some; else with data that does not show it. */
  hidden?: ErrorCode | Record<string, ErrorCode>;
  /** Ways in which even a caller without bounds is not told whether there is such a thing. */
  blind?: readonly string[];
}

const text = (value: string): string => JSON.stringify(value);
const position = ({ logId }: Ids): string => text(encodeCursor(logId, 1n));
const pageOf =
  (kind: string, id: keyof Ids, more = '') =>
  (ids: Ids): string =>
    `${more}after: ${text(encodeTag(kind, ids[id]))}`;
const id = (name: keyof Ids) => (ids: Ids) => `id: ${text(ids[name])}`;
const filter = (argument: string, name: keyof Ids) => (ids: Ids) => `${argument}: ${text(ids[name])}`;
const filtered = (argument: string, name: keyof Ids) => (ids: Ids) => `filter: { ${argument}: ${text(ids[name])} }`;
const LIST = '{ totalCount nodes { id } pageInfo { hasNextPage hasPreviousPage endCursor } }';

const CHANGE_FILTERS: RootField['by'] = {
  'filter.organizationId': filtered('organizationId', 'organization'),
  'filter.directoryId': filtered('directoryId', 'directory'),
  'filter.userIds': (ids) => `filter: { userIds: [${text(ids.user)}] }`,
  after: (ids) => `after: ${position(ids)}`,
};
const FROM_THE_BEGINNING = Object.fromEntries(
  Object.entries(CHANGE_FILTERS).map(([way, args]) => [
    way,
    (ids: Ids, home: string) => (way === 'after' ? args(ids, home) : `${args(ids, home)}, after: ${text(encodeCursor(ids.thisLog, 0n))}`),
  ]),
);
const FRESH = (question: string): RootField['by'] => ({ atLeast: (ids) => `${question}, atLeast: ${position(ids)}` });
const HEALTH: RootField['by'] = {
  organizationId: filter('organizationId', 'organization'),
  directoryId: filter('directoryId', 'directory'),
};
const replayed = (argument: string, name: keyof Ids) => (ids: Ids) => `input: { ${argument}: ${text(ids[name])}, dryRun: true }`;

const QUERIES: Record<string, RootField> = {
  caller: { scope: null, select: '{ organizationId }', by: {} },
  organization: { scope: 'DIRECTORY_READ', select: '{ id name directories { id } }', by: { id: id('organization') } },
  organizations: { scope: 'DIRECTORY_READ', select: LIST, by: { after: pageOf('organizations', 'organization') } },
  directory: { scope: 'DIRECTORY_READ', select: '{ id name userCount groupCount }', by: { id: id('directory') } },
  user: { scope: 'DIRECTORY_READ', select: '{ id email groups { nodes { id } } organization { id } }', by: { id: id('user') } },
  users: {
    scope: 'DIRECTORY_READ',
    select: LIST,
    by: {
      organizationId: filter('organizationId', 'organization'),
      directoryId: filter('directoryId', 'directory'),
      groupId: filter('groupId', 'group'),
      idpId: (ids) => `idpId: ${text(`idp-${ids.user}`)}`,
      after: pageOf('users', 'user'),
    },
  },
  group: { scope: 'DIRECTORY_READ', select: '{ id name members { totalCount nodes { id } } }', by: { id: id('group') } },
  groups: {
    scope: 'DIRECTORY_READ',
    select: LIST,
    by: {
      organizationId: filter('organizationId', 'organization'),
      directoryId: filter('directoryId', 'directory'),
      after: pageOf('groups', 'group'),
    },
  },
  roles: {
    scope: 'ENTITLEMENTS_READ',
    select: '{ slug name permissions organizationId groups { id } }',
    by: { organizationId: filter('organizationId', 'organization') },
  },
  groupMappings: {
    scope: 'ENTITLEMENTS_READ',
    select: '{ organizationId groupId groupName roles groups { id } }',
    by: { organizationId: filter('organizationId', 'organization') },
  },
  grants: {
    scope: 'ENTITLEMENTS_READ',
    select: '{ totalCount nodes { id userId } }',
    by: {
      organizationId: filter('organizationId', 'organization'),
      userId: filter('userId', 'user'),
      after: pageOf('grants', 'grant'),
    },
  },
  effectiveEntitlements: {
    scope: 'ENTITLEMENTS_READ',
    select: '{ userId permissions { permission via { role } } freshness { lagSeconds directoryState } }',
    by: { userId: filter('userId', 'user'), ...FRESH('userId: "user_ada"') },
    hidden: { atLeast: 'CURSOR_INVALID' },
  },
  checkAccess: {
    scope: 'ENTITLEMENTS_READ',
    select: '{ userId allowed reason via { role } freshness { lagSeconds directoryState driftSuspected } }',
    by: {
      userId: (ids) => `userId: ${text(ids.user)}, permission: "docs:read"`,
      ...FRESH('userId: "user_ada", permission: "docs:read"'),
    },
    hidden: { atLeast: 'CURSOR_INVALID' },
  },
  checkAccesses: {
    scope: 'ENTITLEMENTS_READ',
    select: '{ userId allowed reason via { role } freshness { lagSeconds } }',
    by: {
      'checks.userId': (ids) => `checks: [{ userId: ${text(ids.user)}, permission: "docs:read" }]`,
      ...FRESH('checks: [{ userId: "user_ada", permission: "docs:read" }]'),
    },
    hidden: { atLeast: 'CURSOR_INVALID' },
  },
  usersWithPermission: {
    scope: 'ENTITLEMENTS_READ',
    select: '{ totalCount nodes { id } }',
    by: {
      organizationId: (ids) => `organizationId: ${text(ids.organization)}, permission: "docs:read"`,
      after: (ids) => pageOf('usersWithPermission', 'user', `organizationId: ${text(ids.organization)}, permission: "docs:read", `)(ids),
    },
  },
  entitlementSnapshot: {
    scope: 'ENTITLEMENTS_READ',
    select: '{ nodes { userId permissions { permission } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }',
    by: {
      organizationId: filter('organizationId', 'organization'),
      after: (ids) => `organizationId: ${text(ids.organization)}, after: ${snapshotCursor(ids)}`,
    },
    hidden: { after: 'CURSOR_INVALID' },
  },
  entitlementChanges: {
    scope: 'CHANGES_SUBSCRIBE',
    select: '{ organizationId userId grantedPermissions }',
    by: CHANGE_FILTERS,
    hidden: { after: 'CURSOR_INVALID' },
  },
  syncHealth: {
    scope: 'SYNC_READ',
    select: '{ problems { code } currentLagSeconds events { received applied quarantined } }',
    by: HEALTH,
    hidden: 'NOT_FOUND',
  },
  directoryEvent: { scope: 'SYNC_READ', select: '{ id type status payload changes { userId } }', by: { id: id('event') } },
  directoryEvents: {
    scope: 'SYNC_READ',
    select: '{ totalCount nodes { id } }',
    by: {
      organizationId: filter('organizationId', 'organization'),
      directoryId: filter('directoryId', 'directory'),
      userId: filter('userId', 'user'),
      groupId: filter('groupId', 'group'),
      after: pageOf('directoryEvents', 'event'),
    },
  },
  replay: { scope: 'SYNC_READ', select: '{ id status requestedBy }', by: { id: id('replay') } },
  replays: { scope: 'SYNC_READ', select: '{ totalCount nodes { id } }', by: { after: pageOf('replays', 'replay') } },
  driftReport: { scope: 'SYNC_READ', select: '{ id status items { totalCount nodes { userId } } }', by: { id: id('report') } },
  driftReports: {
    scope: 'SYNC_READ',
    select: '{ totalCount nodes { id directoryId } }',
    by: { directoryId: filter('directoryId', 'directory'), after: pageOf('drift reports', 'report') },
  },
  auditEntries: {
    scope: 'SYNC_READ',
    select: '{ totalCount nodes { id action } }',
    by: { organizationId: filter('organizationId', 'organization'), after: pageOf('auditEntries', 'audit') },
  },
  apiKeys: { scope: 'KEYS_MANAGE', select: '{ id name organizationId }', by: {} },
};

const MUTATIONS: Record<string, RootField> = {
  replayEvents: {
    scope: 'SYNC_OPERATE',
    select: '{ status dryRun }',
    by: {
      'input.organizationId': replayed('organizationId', 'organization'),
      'input.directoryId': replayed('directoryId', 'directory'),
      'input.userId': replayed('userId', 'user'),
      'input.groupId': replayed('groupId', 'group'),
      'input.eventIds': (ids) => `input: { eventIds: [${text(ids.event)}], dryRun: true }`,
      'input.afterEventId': replayed('afterEventId', 'event'),
      'input.untilEventId': replayed('untilEventId', 'event'),
    },
    hidden: { 'input.eventIds': 'BAD_USER_INPUT' },
    blind: ['organizationId', 'directoryId', 'userId', 'groupId', 'afterEventId', 'untilEventId'].map((name) => `input.${name}`),
  },
  cancelReplay: { scope: 'SYNC_OPERATE', select: '{ status }', by: { id: id('replay') }, hidden: 'NOT_FOUND' },
  retryEvents: {
    scope: 'SYNC_OPERATE',
    select: '{ status }',
    by: { eventIds: (ids) => `eventIds: [${text(ids.event)}]` },
    hidden: 'NOT_FOUND',
  },
  skipEvent: {
    scope: 'SYNC_OPERATE',
    select: '{ status }',
    by: { eventId: (ids) => `eventId: ${text(ids.event)}, reason: "x"` },
    hidden: 'NOT_FOUND',
  },
  reconcileDirectory: {
    scope: 'SYNC_OPERATE',
    select: '{ status }',
    by: { directoryId: filter('directoryId', 'directory') },
    hidden: 'NOT_FOUND',
  },
  applyCatalog: {
    scope: 'CATALOG_WRITE',
    select: '{ applied affectedUsers preview { userId } }',
    by: {
      'catalog.roles.organizationId': (ids) =>
        `dryRun: true, catalog: { roles: [{ slug: "new", organizationId: ${text(ids.organization)}, permissions: [] }], groupMappings: [] }`,
      'catalog.groupMappings.organizationId': (ids) =>
        `dryRun: true, catalog: { roles: [], groupMappings: [{ organizationId: ${text(ids.organization)}, groupName: "new", roles: ["reader"] }] }`,
      'catalog.groupMappings.groupId': (ids, home) =>
        `dryRun: true, catalog: { roles: [], groupMappings: [{ organizationId: ${text(home)}, groupId: ${text(ids.group)}, roles: ["reader"] }] }`,
    },
    hidden: { 'catalog.roles.organizationId': 'FORBIDDEN', 'catalog.groupMappings.organizationId': 'FORBIDDEN' },
    blind: ['catalog.roles.organizationId', 'catalog.groupMappings.organizationId', 'catalog.groupMappings.groupId'],
  },
  grantRole: {
    scope: 'CATALOG_WRITE',
    select: '{ userId role }',
    by: { userId: (ids) => `userId: ${text(ids.user)}, role: "engineer", reason: "x"` },
    hidden: 'NOT_FOUND',
  },
  revokeGrant: { scope: 'CATALOG_WRITE', select: '{ userId role }', by: { id: id('grant') }, hidden: 'NOT_FOUND' },
  createApiKey: {
    scope: 'KEYS_MANAGE',
    select: '{ apiKey { organizationId scopes } }',
    by: { organizationId: (ids) => `name: "x", scopes: [KEYS_MANAGE], organizationId: ${text(ids.organization)}` },
    hidden: 'FORBIDDEN',
    blind: ['organizationId'],
  },
  revokeApiKey: { scope: 'KEYS_MANAGE', select: '{ name organizationId }', by: { id: id('key') }, hidden: 'NOT_FOUND' },
};

const SUBSCRIPTIONS: Record<string, RootField> = {
  entitlementChanges: {
    scope: 'CHANGES_SUBSCRIBE',
    select: '{ ... on EntitlementChange { organizationId userId } ... on FeedCheckpoint { caughtUp } }',
    by: FROM_THE_BEGINNING,
    hidden: { after: 'CURSOR_INVALID' },
  },
  replayProgress: { scope: 'SYNC_READ', select: '{ id status }', by: { id: id('replay') }, hidden: 'NOT_FOUND' },
  syncHealth: { scope: 'SYNC_READ', select: '{ problems { code } events { received } }', by: HEALTH, hidden: 'NOT_FOUND' },
};

export const ROOT_FIELDS = { query: QUERIES, mutation: MUTATIONS, subscription: SUBSCRIPTIONS };
export type Root = keyof typeof ROOT_FIELDS;

const snapshotCursor = (ids: Ids): string =>
  text(encodeTag('entitlementSnapshot', `${encodeCursor(ids.logId, 1n)} ${ids.organization} ${ids.user}`));

/** Fields below the roots that take an id or a cursor: asked of something of one's own, with the cursor of something else. */
export const NESTED_FIELDS: Record<string, (own: Ids, ids: Ids) => string> = {
  'User.groups': (own, ids) => `{ user(id: ${text(own.user)}) { groups(${pageOf('User.groups', 'group')(ids)}) ${LIST} } }`,
  'Group.members': (own, ids) => `{ group(id: ${text(own.group)}) { members(${pageOf('Group.members', 'user')(ids)}) ${LIST} } }`,
  'DriftReport.items': (own, ids) =>
    `{ driftReport(id: ${text(own.report)}) { items(${pageOf('drift items', 'user')(ids)}) { totalCount nodes { userId } } } }`,
};

/** A document that asks one question. */
export const question = (root: Root, name: string, by: string | null, ids: Ids, home: string): string => {
  const { select, by: ways } = ROOT_FIELDS[root][name] as RootField;
  const args = by === null ? '' : ways[by]?.(ids, home);
  return `${root} { ${name}${args ? `(${args})` : ''} ${select} }`;
};

/** Paths of all arguments by which something can be named: of type ID or Cursor, and cursors of pages. */
export function namingArguments(schema: GraphQLSchema, root: Root, name: string): string[] {
  const type = { query: schema.getQueryType(), mutation: schema.getMutationType(), subscription: schema.getSubscriptionType() }[root];
  return namesSomething(type?.getFields()[name]);
}

/** `Type.field` of all fields below the roots that take an id or a cursor. */
export function namingNestedFields(schema: GraphQLSchema): string[] {
  const roots: unknown[] = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  return Object.values(schema.getTypeMap()).flatMap((type) =>
    isObjectType(type) && !roots.includes(type) && !type.name.startsWith('__')
      ? Object.values(type.getFields()).flatMap((field) => (namesSomething(field).length > 0 ? [`${type.name}.${field.name}`] : []))
      : [],
  );
}

function namesSomething(field: GraphQLField<unknown, unknown> | undefined): string[] {
  const naming = (path: string, input: GraphQLInputType): string[] => {
    const named = getNamedType(input);
    if (isInputObjectType(named)) return Object.values(named.getFields()).flatMap((field) => naming(`${path}.${field.name}`, field.type));
    return named.name === 'ID' || named.name === 'Cursor' || path === 'after' ? [path] : [];
  };
  return field?.args.flatMap((argument) => naming(argument.name, argument.type)) ?? [];
}
