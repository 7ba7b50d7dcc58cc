import type { Prisma } from '../src/db/client.ts';
import { builder } from './builder.ts';
import { keyset, page, pageArgs } from './connection.ts';
import { Directory, Group, Organization, Role, User } from './refs.ts';
import { required } from './required.ts';
import { textSearch } from './text-search.ts';

const GroupConnection = builder.connectionObject({ type: Group, name: 'GroupConnection' }, { name: 'GroupEdge' });

const GroupMembersConnection = builder.connectionObject({ type: User, name: 'GroupMembersConnection' }, { name: 'GroupMembersEdge' });

builder.prismaObjectFields(Group, (t) => ({
  // Whoever may see why somebody has access may see the name of the group that is the reason.
  id: t.exposeID('id', { skipTypeScopes: true }),
  idpId: t.exposeString('idpId', { nullable: true }),
  name: t.exposeString('name', { skipTypeScopes: true }),
  organization: t.field({
    type: Organization,
    resolve: async ({ organizationId }, _args, { load }) => required('organization', await load.organization(organizationId)),
  }),
  directory: t.field({
    type: Directory,
    resolve: async ({ directoryId }, _args, { load }) => required('directory', await load.directory(directoryId)),
  }),
  members: t.field({
    type: GroupMembersConnection,
    args: { ...pageArgs },
    resolve: ({ id }, args, context) =>
      page(context, 'Group.members', args, {
        rows: async (afterId, limit) => context.load.users(await context.load.memberships('group', afterId, limit)(id)),
        count: async () => (await context.load.membershipCount.group(id)) ?? 0,
      }),
  }),
  roles: t.field({
    type: [Role],
    description: 'What this group gives its members',
    authScopes: { scope: 'ENTITLEMENTS_READ' },
    resolve: async ({ id }, _args, { load }) => (await load.rolesOfGroup(id)) ?? [],
  }),
  createdAt: t.expose('createdAt', { type: 'DateTime' }),
  updatedAt: t.expose('updatedAt', { type: 'DateTime' }),
}));

builder.queryFields((t) => ({
  group: t.field({
    type: Group,
    nullable: true,
    authScopes: { scope: 'DIRECTORY_READ' },
    args: { id: t.arg.id({ required: true }) },
    // A group has no state that could say that it was deleted: then it is not there.
    resolve: (_root, { id }, { db }) => db.directoryGroup.findUnique({ where: { id, deleted: false } }),
  }),
  groups: t.field({
    type: GroupConnection,
    authScopes: { scope: 'DIRECTORY_READ' },
    args: {
      organizationId: t.arg.id(),
      directoryId: t.arg.id(),
      search: t.arg.string({ description: 'Part of the name or idpId, in any case' }),
      ...pageArgs,
    },
    resolve: (_root, args, context) => {
      const where: Prisma.DirectoryGroupWhereInput = {
        deleted: false,
        ...(args.organizationId != null && { organizationId: args.organizationId }),
        ...(args.directoryId != null && { directoryId: args.directoryId }),
        ...(args.search != null && { OR: textSearch(['name', 'idpId'], args.search) }),
      };
      return page(context, 'groups', args, {
        rows: (afterId, limit) => context.db.directoryGroup.findMany(keyset(where, afterId, limit)),
        count: () => context.db.directoryGroup.count({ where }),
      });
    },
  }),
}));
