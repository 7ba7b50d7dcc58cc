import type { Prisma } from '../src/db/client.ts';
import { AccessError } from '../src/errors.ts';
import { builder } from './builder.ts';
import { keyset, page, pageArgs } from './connection.ts';
import { Grant } from './refs.ts';

const GrantConnection = builder.connectionObject({ type: Grant, name: 'GrantConnection' }, { name: 'GrantEdge' });

builder.prismaObjectFields(Grant, (t) => ({
  id: t.exposeID('id'),
  userId: t.exposeID('userId'),
  role: t.exposeString('role'),
  reason: t.exposeString('reason'),
  grantedBy: t.exposeString('grantedBy'),
  createdAt: t.expose('createdAt', { type: 'DateTime' }),
  expiresAt: t.expose('expiresAt', { type: 'DateTime', nullable: true }),
  revokedAt: t.expose('revokedAt', { type: 'DateTime', nullable: true }),
}));

const activeAt = (now: Date): Prisma.GrantWhereInput => ({ revokedAt: null, OR: [{ expiresAt: null }, { expiresAt: { gt: now } }] });

builder.queryField('grants', (t) =>
  t.field({
    type: GrantConnection,
    authScopes: { scope: 'ENTITLEMENTS_READ' },
    args: { organizationId: t.arg.id(), userId: t.arg.id(), active: t.arg.boolean(), ...pageArgs },
    resolve: (_root, args, context) => {
      const where: Prisma.GrantWhereInput = {
        ...(args.organizationId != null && { organizationId: args.organizationId }),
        ...(args.userId != null && { userId: args.userId }),
        ...(args.active === true && activeAt(new Date())),
        ...(args.active === false && { NOT: activeAt(new Date()) }),
      };
      return page(context, 'grants', args, {
        rows: (afterId, limit) => context.db.grant.findMany(keyset(where, afterId, limit)),
        count: () => context.db.grant.count({ where }),
      });
    },
  }),
);

builder.mutationFields((t) => ({
  grantRole: t.field({
    type: Grant,
    authScopes: { scope: 'CATALOG_WRITE' },
    args: {
      userId: t.arg.id({ required: true }),
      role: t.arg.string({ required: true }),
      reason: t.arg.string({ required: true }),
      expiresAt: t.arg({ type: 'DateTime' }),
    },
    resolve: (_root, { userId, role, reason, expiresAt }, { services, caller, tenant }) => {
      if (reason.trim() === '') throw new AccessError('BAD_USER_INPUT', '`reason` must say why; it is shown wherever the grant is.');
      if (expiresAt != null && expiresAt <= new Date()) throw new AccessError('BAD_USER_INPUT', '`expiresAt` lies in the past.');
      return services.grants.grant({ userId, role, reason, expiresAt: expiresAt ?? null, actor: caller.name, tenant });
    },
  }),
  revokeGrant: t.field({
    type: Grant,
    authScopes: { scope: 'CATALOG_WRITE' },
    args: { id: t.arg.id({ required: true }) },
    resolve: (_root, { id }, { services, caller, tenant }) => services.grants.revoke({ id, actor: caller.name, tenant }),
  }),
}));
