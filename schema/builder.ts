// The schema builder. Every root field names the scope that it needs (test/unit/contract.test.ts counts them); several
// scopes on one field mean all of them. Fields are non-null unless they say otherwise, as in the contract.
import SchemaBuilder from '@pothos/core';
import PrismaPlugin from '@pothos/plugin-prisma';
import RelayPlugin from '@pothos/plugin-relay';
import ScopeAuthPlugin, { type AuthFailure } from '@pothos/plugin-scope-auth';
import type PrismaTypes from '../prisma/generated/pothos.ts';
import { getDatamodel } from '../prisma/generated/pothos.ts';
import type { Scope } from '../src/auth/caller.ts';
import { AccessError } from '../src/errors.ts';
import { AUDIT_PLUGIN } from './audit-plugin.ts';
import type { Context } from './context.ts';
import { Cursor, DateTime, Json } from './scalars.ts';

export const builder = new SchemaBuilder<{
  Context: Context;
  PrismaTypes: PrismaTypes;
  Scalars: {
    ID: { Input: string; Output: string };
    DateTime: { Input: Date; Output: Date | string };
    JSON: { Input: unknown; Output: unknown };
    Cursor: { Input: string; Output: string };
  };
  AuthScopes: { anyCaller: true; scope: Scope };
  DefaultAuthStrategy: 'all';
  DefaultFieldNullability: false;
  DefaultEdgesNullability: false;
  DefaultNodeNullability: false;
  Connection: { totalCount(): Promise<number> };
}>({
  plugins: [AUDIT_PLUGIN, ScopeAuthPlugin, PrismaPlugin, RelayPlugin],
  defaultFieldNullability: false,
  prisma: { client: (context) => context.db, dmmf: getDatamodel() },
  relay: { cursorType: 'String', edgesFieldOptions: { nullable: false }, nodeFieldOptions: { nullable: false }, nodesOnConnection: true },
  scopeAuth: {
    defaultStrategy: 'all',
    authorizeOnSubscribe: true,
    authScopes: ({ caller }) => ({ anyCaller: true, scope: (scope) => caller.scopes.includes(scope) }),
    unauthorizedError: (_parent, { caller }, info, { failure }) => {
      const scopes = missingScopes(failure);
      const field = `${info.parentType.name}.${info.fieldName}`;
      return new AccessError('FORBIDDEN', `"${caller.name}" lacks the scope ${scopes.join(', ')} that ${field} needs.`, {
        details: { scopes },
      });
    },
  },
});

function missingScopes(failure: AuthFailure): unknown[] {
  if ('failures' in failure) return failure.failures.flatMap(missingScopes);
  return 'parameter' in failure ? [failure.parameter] : [];
}

builder.addScalarType('DateTime', DateTime);
builder.addScalarType('JSON', Json);
builder.addScalarType('Cursor', Cursor);

builder.globalConnectionField('totalCount', (t) => t.int({ resolve: (connection) => connection.totalCount() }));

builder.queryType({ authScopes: { anyCaller: true } });
builder.mutationType({ authScopes: { anyCaller: true } });
builder.subscriptionType({ authScopes: { anyCaller: true } });
