import { builder } from './builder.ts';
import { Group, Role } from './refs.ts';

builder.objectType(Role, {
  description: 'A role that the directory assigns but nobody has defined shows as a role without permissions',
  authScopes: { scope: 'ENTITLEMENTS_READ' },
  fields: (t) => ({
    slug: t.exposeString('slug'),
    name: t.exposeString('name'),
    description: t.exposeString('description', { nullable: true }),
    organizationId: t.exposeID('organizationId', { nullable: true, description: 'null: for every organization' }),
    permissions: t.exposeStringList('permissions'),
    groups: t.field({
      type: [Group],
      description: 'Those that give it to their members today',
      resolve: (role, _args, { load }) => load.groupsOfRole(role),
    }),
  }),
});

builder.queryField('roles', (t) =>
  t.field({
    type: [Role],
    authScopes: { scope: 'ENTITLEMENTS_READ' },
    args: { organizationId: t.arg.id({ description: 'What each role means in this organization' }) },
    resolve: (_root, { organizationId }, { reads }) => reads.roles(organizationId ?? null),
  }),
);
