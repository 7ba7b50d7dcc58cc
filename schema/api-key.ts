import type { ApiKeyRow } from '../src/auth/key-store.ts';
import { builder } from './builder.ts';
import { Scope } from './scope.ts';

const ApiKey = builder.objectRef<ApiKeyRow>('ApiKey').implement({
  fields: (t) => ({
    id: t.exposeID('id'),
    name: t.exposeString('name'),
    prefix: t.exposeString('id', { description: 'What the key begins with' }),
    scopes: t.expose('scopes', { type: [Scope] }),
    organizationId: t.exposeID('organizationId', { nullable: true, description: 'null: every organization' }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', nullable: true }),
    lastUsedAt: t.expose('lastUsedAt', { type: 'DateTime', nullable: true, description: 'To the minute' }),
    revokedAt: t.expose('revokedAt', { type: 'DateTime', nullable: true }),
  }),
});

const CreatedApiKey = builder.objectRef<{ apiKey: ApiKeyRow; secret: string }>('CreatedApiKey').implement({
  fields: (t) => ({
    apiKey: t.expose('apiKey', { type: ApiKey }),
    secret: t.exposeString('secret', { description: 'The key itself. It is shown this once' }),
  }),
});

const authScopes = { scope: 'KEYS_MANAGE' } as const;

builder.queryField('apiKeys', (t) =>
  t.field({
    type: [ApiKey],
    authScopes,
    description: 'Oldest first, revoked ones too',
    resolve: (_root, _args, { services, tenant }) => services.keys.list(tenant),
  }),
);

builder.mutationFields((t) => ({
  createApiKey: t.field({
    type: CreatedApiKey,
    authScopes,
    description: 'Nobody gives more than it has: scopes of the caller only, and in the organization that the caller is bound to',
    args: {
      name: t.arg.string({ required: true }),
      scopes: t.arg({ type: [Scope], required: true }),
      organizationId: t.arg.id({ description: 'Left out: that of the caller, or every organization' }),
      expiresAt: t.arg({ type: 'DateTime' }),
    },
    resolve: (_root, { name, scopes, organizationId, expiresAt }, { services, caller }) =>
      services.keys.create({ name, scopes, organizationId: organizationId ?? null, expiresAt: expiresAt ?? null }, caller),
  }),
  revokeApiKey: t.field({
    type: ApiKey,
    authScopes,
    description: 'Ends what the key has open within seconds',
    args: { id: t.arg.id({ required: true }) },
    resolve: (_root, { id }, { services, tenant }) => services.keys.revoke(id, tenant),
  }),
}));
