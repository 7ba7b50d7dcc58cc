import { builder } from './builder.ts';
import { Directory, Organization, SyncHealth } from './refs.ts';
import { required } from './required.ts';

export const DirectoryState = builder.enumType('DirectoryState', {
  values: ['ACTIVE', 'VALIDATING', 'INVALID_CREDENTIALS', 'INACTIVE', 'DELETED'] as const,
});

/** Health is computed for each directory by itself: what one costs, in rows of a budget, so that a list of 500 is refused. */
const ROWS_PER_HEALTH = 500;

builder.prismaObjectFields(Directory, (t) => ({
  id: t.exposeID('id', { skipTypeScopes: true }),
  organization: t.field({
    type: Organization,
    resolve: async ({ organizationId }, _args, { load }) => required('organization', await load.organization(organizationId)),
  }),
  name: t.exposeString('name'),
  type: t.exposeString('type'),
  state: t.expose('state', { type: DirectoryState }),
  userCount: t.int({ resolve: async ({ id }, _args, { load }) => (await load.userCount(id)) ?? 0 }),
  groupCount: t.int({ resolve: async ({ id }, _args, { load }) => (await load.groupCount(id)) ?? 0 }),
  syncHealth: t.field({
    type: SyncHealth,
    authScopes: { scope: 'SYNC_READ' },
    resolve({ id }, _args, { budget, services, tenant }) {
      budget.spend(ROWS_PER_HEALTH);
      return services.health.read({ organizationId: null, directoryId: id }, tenant);
    },
  }),
}));

builder.queryField('directory', (t) =>
  t.field({
    type: Directory,
    nullable: true,
    authScopes: { scope: 'DIRECTORY_READ' },
    args: { id: t.arg.id({ required: true }) },
    resolve: (_root, { id }, { load }) => load.directory(id),
  }),
);
