// A document whose values are written out, as the one with variables that an app would send.
import { type GraphQLSchema, Kind, parse, print, TypeInfo, type ValueNode, valueFromASTUntyped, visit, visitWithTypeInfo } from 'graphql';

export function hoist(schema: GraphQLSchema, text: string): { query: string; variables: Record<string, unknown> } {
  const variables: Record<string, unknown> = {};
  const declarations: string[] = [];
  const types = new TypeInfo(schema);
  const name = (value: ValueNode, type: string): string => {
    const variable = `v${declarations.length}`;
    declarations.push(`$${variable}: ${type}`);
    variables[variable] = valueFromASTUntyped(value);
    return variable;
  };
  const document = visit(
    parse(text),
    visitWithTypeInfo(types, {
      Argument: {
        enter(node) {
          const type = types.getArgument()?.type;
          if (!type || node.value.kind === Kind.VARIABLE) return undefined;
          return { ...node, value: { kind: Kind.VARIABLE, name: { kind: Kind.NAME, value: name(node.value, String(type)) } } };
        },
      },
    }),
  );
  const query = print(document);
  if (declarations.length === 0) return { query, variables };
  return { query: query.replace(/^(query)?/, `query (${declarations.join(', ')})`), variables };
}
