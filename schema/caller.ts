import type { Caller as CallerOf } from '../src/auth/caller.ts';
import { builder } from './builder.ts';
import { Scope } from './scope.ts';

const Caller = builder.objectRef<CallerOf>('Caller').implement({
  fields: (t) => ({
    name: t.exposeString('name'),
    scopes: t.field({ type: [Scope], resolve: ({ scopes }) => [...scopes] }),
    organizationId: t.exposeID('organizationId', { nullable: true, description: 'null: every organization' }),
  }),
});

builder.queryField('caller', (t) =>
  t.field({ type: Caller, authScopes: { anyCaller: true }, resolve: (_root, _args, { caller }) => caller }),
);
