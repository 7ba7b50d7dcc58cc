import { builder } from './builder.ts';
import { keyset, page, pageArgs } from './connection.ts';
import { Directory, Organization } from './refs.ts';

const OrganizationConnection = builder.connectionObject(
  { type: Organization, name: 'OrganizationConnection' },
  { name: 'OrganizationEdge' },
);

builder.prismaObjectFields(Organization, (t) => ({
  id: t.exposeID('id', { skipTypeScopes: true }),
  name: t.exposeString('name', { nullable: true }),
  directories: t.field({
    type: [Directory],
    resolve: async ({ id }, _args, { load }) => (await load.directoriesOfOrganization(id)) ?? [],
  }),
}));

builder.queryFields((t) => ({
  organization: t.field({
    type: Organization,
    nullable: true,
    authScopes: { scope: 'DIRECTORY_READ' },
    args: { id: t.arg.id({ required: true }) },
    resolve: (_root, { id }, { db }) => db.organization.findUnique({ where: { id, deleted: false } }),
  }),
  organizations: t.field({
    type: OrganizationConnection,
    authScopes: { scope: 'DIRECTORY_READ' },
    args: { ...pageArgs },
    resolve: (_root, args, context) => {
      const where = { deleted: false };
      return page(context, 'organizations', args, {
        rows: (afterId, limit) => context.db.organization.findMany(keyset(where, afterId, limit)),
        count: () => context.db.organization.count({ where }),
      });
    },
  }),
}));
