// Wraps every field of Mutation, so that none can be forgotten: an entry of the audit before it, its end after it. Outermost
// of the plugins: an attempt that lacks the right for it is an entry too.
import SchemaBuilder, { BasePlugin, type PothosOutputFieldConfig, type SchemaTypes } from '@pothos/core';
import type { GraphQLFieldResolver } from 'graphql';
import type { Context } from './context.ts';

export const AUDIT_PLUGIN = 'audit';

declare global {
  export namespace PothosSchemaTypes {
    export interface Plugins<Types extends SchemaTypes> {
      audit: AuditPlugin<Types>;
    }
  }
}

class AuditPlugin<Types extends SchemaTypes> extends BasePlugin<Types> {
  override wrapResolve(
    resolver: GraphQLFieldResolver<unknown, Types['Context'], object>,
    { parentType, name }: PothosOutputFieldConfig<Types>,
  ): GraphQLFieldResolver<unknown, Types['Context'], object> {
    if (parentType !== 'Mutation') return resolver;
    return (root, args, context, info) => {
      const { caller, services } = context as Context;
      return services.audit.record({ action: name, args, caller }, async () => resolver(root, args, context, info));
    };
  }
}

SchemaBuilder.registerPlugin(AUDIT_PLUGIN, AuditPlugin);
