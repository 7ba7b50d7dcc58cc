import type { Prisma } from '../src/db/client.ts';
import { builder } from './builder.ts';
import { keyset, page, pageArgs } from './connection.ts';
import { Directory, EffectiveEntitlements, Group, Organization, User } from './refs.ts';
import { required } from './required.ts';
import { textSearch } from './text-search.ts';

const UserState = builder.enumType('UserState', { values: ['ACTIVE', 'SUSPENDED', 'INACTIVE', 'DELETED'] as const });

export const UserConnection = builder.connectionObject({ type: User, name: 'UserConnection' }, { name: 'UserEdge' });

const UserGroupsConnection = builder.connectionObject({ type: Group, name: 'UserGroupsConnection' }, { name: 'UserGroupsEdge' });

builder.prismaObjectFields(User, (t) => ({
  id: t.exposeID('id', { skipTypeScopes: true, description: 'WorkOS directory_user id' }),
  idpId: t.exposeString('idpId', { nullable: true }),
  email: t.exposeString('email', { nullable: true }),
  firstName: t.exposeString('firstName', { nullable: true }),
  lastName: t.exposeString('lastName', { nullable: true }),
  displayName: t.exposeString('displayName'),
  state: t.expose('state', { type: UserState, description: 'Only ACTIVE has access' }),
  customAttributes: t.expose('customAttributes', { type: 'JSON' }),
  organization: t.field({
    type: Organization,
    resolve: async ({ organizationId }, _args, { load }) => required('organization', await load.organization(organizationId)),
  }),
  directory: t.field({
    type: Directory,
    resolve: async ({ directoryId }, _args, { load }) => required('directory', await load.directory(directoryId)),
  }),
  groups: t.field({
    type: UserGroupsConnection,
    args: { ...pageArgs },
    resolve: ({ id }, args, context) =>
      page(context, 'User.groups', args, {
        rows: async (afterId, limit) => context.load.groups(await context.load.memberships('user', afterId, limit)(id)),
        count: async () => (await context.load.membershipCount.user(id)) ?? 0,
      }),
  }),
  entitlements: t.field({
    type: EffectiveEntitlements,
    authScopes: { scope: 'ENTITLEMENTS_READ' },
    resolve: async ({ id }, _args, { load }) => required('effective', await load.effective(id)),
  }),
  createdAt: t.expose('createdAt', { type: 'DateTime' }),
  updatedAt: t.expose('updatedAt', { type: 'DateTime' }),
}));

builder.queryFields((t) => ({
  user: t.field({
    type: User,
    nullable: true,
    authScopes: { scope: 'DIRECTORY_READ' },
    args: { id: t.arg.id({ required: true }) },
    resolve: (_root, { id }, { load }) => load.user(id),
  }),
  users: t.field({
    type: UserConnection,
    authScopes: { scope: 'DIRECTORY_READ' },
    description: 'Without deleted users, unless `state: DELETED` asks for them',
    args: {
      organizationId: t.arg.id(),
      directoryId: t.arg.id(),
      groupId: t.arg.id(),
      email: t.arg.string(),
      idpId: t.arg.string(),
      state: t.arg({ type: UserState }),
      search: t.arg.string({ description: 'Part of displayName, email or idpId, in any case' }),
      ...pageArgs,
    },
    resolve: (_root, args, context) => {
      const where: Prisma.DirectoryUserWhereInput = {
        state: args.state ?? { not: 'DELETED' },
        ...(args.organizationId != null && { organizationId: args.organizationId }),
        ...(args.directoryId != null && { directoryId: args.directoryId }),
        ...(args.groupId != null && { memberships: { some: { groupId: args.groupId, active: true } } }),
        ...(args.email != null && { email: args.email }),
        ...(args.idpId != null && { idpId: args.idpId }),
        ...(args.search != null && { OR: textSearch(['displayName', 'email', 'idpId'], args.search) }),
      };
      return page(context, 'users', args, {
        rows: (afterId, limit) => context.db.directoryUser.findMany(keyset(where, afterId, limit)),
        count: () => context.db.directoryUser.count({ where }),
      });
    },
  }),
}));
