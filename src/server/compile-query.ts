// A query as closures over the schema, made once and run often: what graphql's executor finds out anew for every answer (which
// fields there are, what resolves them, what their types are) is found here beforehand, and the answer is written as JSON at once.
// It knows no errors: whatever is not a whole answer (a fault of a variable, an error of a resolver, a null where none may be) is
// thrown, and graphql executes the query again from the beginning. Values, arguments and variables are read by graphql's own
// functions. Measured against graphql-jit 0.8, which writes code: that made four times the garbage, an array of places for every
// leaf, and some texts of a document would have ended up in its code.
import {
  type FieldNode,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  getArgumentValues,
  getVariableValues,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import type { Context } from '../../schema/context.ts';
import { type OfKept, textsOf } from '../../schema/of-the-item.ts';
import { resolverFor } from '../../schema/scope.ts';
import { newTextKey } from '../lib/kept-texts.ts';
import { joined, newText } from './answer-text.ts';
import { collectFields } from './collect-fields.ts';
import {
  type Job,
  leaf,
  list,
  NO_WHOLE_ANSWER,
  nonNull,
  object,
  type Part,
  type PlannedField,
  settle,
  type Values,
  writeFields,
} from './write-value.ts';

/** Resolves with the data as JSON, rejects (or throws) when there is no whole answer. */
export type Run = (context: Context, variables: Readonly<Record<string, unknown>>) => Promise<string> | string;

type Fragments = GraphQLResolveInfo['fragments'];
type Field = GraphQLField<unknown, Context>;

/** undefined: the document has something that is left to graphql. It is valid, and its one operation a query. */
export function compileQuery(schema: GraphQLSchema, operation: OperationDefinitionNode, fragments: Fragments): Run | undefined {
  const root = schema.getQueryType();
  const planned = root && compilerOf(schema, operation, fragments).fields(root, [operation.selectionSet]);
  if (!planned) return undefined;
  return (context, given) => {
    const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], given);
    if (!coerced) throw NO_WHOLE_ANSWER;
    const job: Job = { context, variables: coerced, pending: 0, done: () => {}, fail: () => {} };
    const out = newText();
    writeFields(planned, undefined, undefined, job, out);
    if (job.pending === 0) return joined(out);
    return new Promise((resolve, reject) => {
      job.done = () => resolve(joined(out));
      job.fail = reject;
    });
  };
}

function compilerOf(schema: GraphQLSchema, operation: OperationDefinitionNode, fragments: Fragments) {
  /** undefined when one of them is left to graphql. */
  function fields(type: GraphQLObjectType, sets: readonly SelectionSetNode[]): PlannedField[] | undefined {
    const planned: PlannedField[] = [];
    for (const [name, nodes] of collectFields(type, sets, fragments)) {
      const [node] = nodes as [FieldNode];
      const field = node.name.value === '__typename' ? typeName(name, type) : plan(name, type, type.getFields()[node.name.value], nodes);
      if (!field) return undefined;
      planned.push(field);
    }
    return planned;
  }

  function plan(
    name: string,
    parentType: GraphQLObjectType,
    definition: Field | undefined,
    fieldNodes: readonly FieldNode[],
  ): PlannedField | undefined {
    const part = definition && complete(definition.type, fieldNodes);
    if (!part) return undefined;
    const { name: fieldName, type: returnType } = definition;
    const resolve = resolverFor(definition, lacking) ?? definition.resolve;
    const key = `${JSON.stringify(name)}:`;
    const ofTheItem = part.ofTheItem && definition.extensions.ofTheItem === true;
    if (!resolve) {
      return {
        key,
        resolves: part.resolves,
        ofTheItem,
        write(source, path, job, out) {
          const value = (source as Values)[fieldName];
          if (typeof value === 'function') throw NO_WHOLE_ANSWER;
          const own = part.resolves ? { prev: path, key: name, typename: parentType.name } : undefined;
          settle(value, part.complete, own, job, undefined, out);
        },
      };
    }
    const [node] = fieldNodes as [FieldNode];
    const written: PlannedField = {
      key,
      resolves: true,
      ofTheItem: false,
      write(source, prev, job, out) {
        const path = { prev, key: name, typename: parentType.name };
        const { context, variables } = job;
        const info = {
          fieldName,
          fieldNodes,
          returnType,
          parentType,
          path,
          schema,
          fragments,
          rootValue: undefined,
          operation,
          variableValues: variables,
        };
        const args = definition.args.length === 0 ? {} : getArgumentValues(definition as GraphQLField<unknown, unknown>, node, variables);
        settle(resolve(source, args, context, info), part.complete, path, job, info, out);
      },
    };
    const kept = textsOf(definition);
    return kept && part.ofTheItem && definition.args.length === 0 ? writtenOnce(written, kept) : written;
  }

  function complete(type: GraphQLOutputType, nodes: readonly FieldNode[]): Part | undefined {
    if (isNonNullType(type)) {
      const inner = complete(type.ofType, nodes);
      return inner && { ...inner, complete: nonNull(inner) };
    }
    if (isLeafType(type)) return { complete: leaf(type), resolves: false, ofTheItem: true };
    if (isListType(type)) {
      const item = complete(type.ofType, nodes);
      return item && { ...item, complete: list(item) };
    }
    if (!isObjectType(type)) return undefined;
    const planned = fields(
      type,
      nodes.flatMap(({ selectionSet }) => selectionSet ?? []),
    );
    return (
      planned && {
        complete: object(type, planned),
        resolves: planned.some(({ resolves }) => resolves) || type.isTypeOf != null,
        ofTheItem: planned.every((field) => field.ofTheItem) && type.isTypeOf == null,
      }
    );
  }

  return { fields };
}

/** How that is said is Yoga's. */
function lacking(): never {
  throw NO_WHOLE_ANSWER;
}

/** What is made of something kept is written once, and kept beside it. */
function writtenOnce(field: PlannedField, textsOfSource: OfKept): PlannedField {
  const textKey = newTextKey();
  return {
    ...field,
    write(source, path, job, out) {
      const texts = textsOfSource(source);
      if (!texts) return field.write(source, path, job, out);
      let text = texts.get(textKey);
      if (text === undefined) {
        const own = newText();
        field.write(source, path, job, own);
        if (own.before !== undefined) throw NO_WHOLE_ANSWER;
        text = own.text;
        texts.set(textKey, text);
      }
      out.text += text;
    },
  };
}

const typeName = (name: string, type: GraphQLObjectType): PlannedField => ({
  key: `${JSON.stringify(name)}:`,
  resolves: false,
  ofTheItem: true,
  write: (_source, _path, _job, out) => {
    out.text += `"${type.name}"`;
  },
});
