import { builder } from './builder.ts';

export const DriftKind = builder.enumType('DriftKind', {
  values: ['MISSING_LOCALLY', 'MISSING_AT_SOURCE', 'STATE', 'ATTRIBUTES', 'MEMBERSHIP', 'ROLE'] as const,
});

export const DriftCount = builder.objectRef<{ kind: typeof DriftKind.$inferType; count: number }>('DriftCount').implement({
  fields: (t) => ({ kind: t.expose('kind', { type: DriftKind }), count: t.exposeInt('count') }),
});
