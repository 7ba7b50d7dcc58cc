import type { Prisma } from '../src/db/client.ts';
import { builder } from './builder.ts';
import { keyset, page, pageArgs } from './connection.ts';

const AuditOutcome = builder.enumType('AuditOutcome', {
  description: 'STARTED: under way, or cut off by the end of its process',
  values: ['STARTED', 'SUCCEEDED', 'FAILED'] as const,
});

const AuditEntry = builder.prismaObject('AuditEntry', {
  fields: (t) => ({
    id: t.exposeID('id'),
    at: t.expose('at', { type: 'DateTime' }),
    actor: t.exposeString('actor', { description: 'Name of the caller' }),
    credential: t.exposeString('credential', {
      nullable: true,
      description: 'Id of the key, or `token` and its subject: names may be alike. null: the admin key',
    }),
    action: t.exposeString('action', { description: 'Name of the mutation' }),
    organizationId: t.exposeID('organizationId', { nullable: true, description: 'null: of no single organization' }),
    target: t.exposeID('target', { nullable: true, description: 'What it was done to' }),
    reason: t.exposeString('reason', { nullable: true }),
    input: t.expose('input', { type: 'JSON', description: 'Arguments, secrets left out' }),
    outcome: t.expose('outcome', { type: AuditOutcome }),
    error: t.exposeString('error', { nullable: true, description: 'What the caller was told' }),
    finishedAt: t.expose('finishedAt', { type: 'DateTime', nullable: true }),
  }),
});

const AuditEntryConnection = builder.connectionObject({ type: AuditEntry, name: 'AuditEntryConnection' }, { name: 'AuditEntryEdge' });

builder.queryField('auditEntries', (t) =>
  t.field({
    type: AuditEntryConnection,
    description: 'Oldest first',
    authScopes: { scope: 'SYNC_READ' },
    args: {
      organizationId: t.arg.id(),
      actor: t.arg.string(),
      action: t.arg.string(),
      from: t.arg({ type: 'DateTime', description: 'Inclusive' }),
      to: t.arg({ type: 'DateTime', description: 'Exclusive' }),
      ...pageArgs,
    },
    resolve: (_root, args, context) => {
      const where: Prisma.AuditEntryWhereInput = {
        ...(args.organizationId != null && { organizationId: args.organizationId }),
        ...(args.actor != null && { actor: args.actor }),
        ...(args.action != null && { action: args.action }),
        at: { ...(args.from != null && { gte: args.from }), ...(args.to != null && { lt: args.to }) },
      };
      return page(context, 'auditEntries', args, {
        rows: (afterId, limit) => context.db.auditEntry.findMany(keyset(where, afterId, limit)),
        count: () => context.db.auditEntry.count({ where }),
      });
    },
  }),
);
