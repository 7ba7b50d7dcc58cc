import { builder } from './builder.ts';
import { Group, GroupMapping } from './refs.ts';

builder.prismaObjectFields(GroupMapping, (t) => ({
  organizationId: t.exposeID('organizationId'),
  groupId: t.exposeID('groupId', { nullable: true }),
  groupName: t.exposeString('groupName', { nullable: true }),
  roles: t.exposeStringList('roles'),
  groups: t.field({
    type: [Group],
    description: 'Those that it matches today',
    resolve: ({ id }, _args, { load }) => load.groupsOfMapping(id),
  }),
}));

builder.queryField('groupMappings', (t) =>
  t.field({
    type: [GroupMapping],
    authScopes: { scope: 'ENTITLEMENTS_READ' },
    args: { organizationId: t.arg.id() },
    resolve: (_root, { organizationId }, { db }) =>
      db.groupMapping.findMany({
        where: organizationId == null ? {} : { organizationId },
        orderBy: [{ organizationId: 'asc' }, { groupName: 'asc' }, { groupId: 'asc' }],
      }),
  }),
);
