import type { GraphQLField, GraphQLFieldResolver } from 'graphql';
import { SCOPES, type Scope as ScopeName } from '../src/auth/caller.ts';
import { builder } from './builder.ts';
import type { Context } from './context.ts';

export const Scope = builder.enumType('Scope', { values: SCOPES });

/**
 * Of a field of Query: what it needs, and nothing else stands before its resolver. Where it is asked for thousands of times a
 * second, whether the caller has it can be seen without the plugin, which remembers every context in a WeakMap: a young
 * collection clears none of its values, so all that a request was made of grew old.
 */
export const needs = (scope: ScopeName) => ({ authScopes: { scope }, extensions: { needs: scope } });

/** undefined: only the plugin can judge. */
export function resolverFor(
  field: GraphQLField<unknown, Context>,
  onLacking: () => never,
): GraphQLFieldResolver<unknown, Context> | undefined {
  const { needs: needed, pothosOriginalResolve: resolve } = field.extensions as {
    needs?: ScopeName;
    pothosOriginalResolve?: GraphQLFieldResolver<unknown, Context>;
  };
  if (!needed || !resolve) return undefined;
  return (source, args, context, info) => {
    if (!context.caller.scopes.includes(needed)) onLacking();
    return resolve(source, args, context, info);
  };
}
