// A query as closures over the schema, made once and run often: what graphql's executor finds out anew for every answer (which
// fields there are, what resolves them, what their types are) is found here beforehand. It knows no errors: whatever is not a
// whole answer (a fault of a variable, an error of a resolver, a null where none may be) is thrown, and graphql executes the
// query again from the beginning. Values, arguments and variables are read by graphql's own functions. Measured against
// graphql-jit 0.8, which writes code: that made four times the garbage, an array of places for every leaf, and some texts of a
// document would have ended up in its code.
import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLLeafType,
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
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import type { Context } from '../../schema/context.ts';

/** Resolves with the data, rejects (or throws) when there is no whole answer. */
export type Run = (context: Context, variables: Readonly<Record<string, unknown>>) => Promise<unknown> | unknown;

type Path = GraphQLResolveInfo['path'] | undefined;
type Values = Record<string, unknown>;
type Fragments = GraphQLResolveInfo['fragments'];

/** One execution. */
interface Job {
  context: Context;
  variables: Values;
  /** Promises that are waited for. */
  pending: number;
  /** When there is none any more. */
  done: () => void;
  fail: (error: unknown) => void;
}

/** `path`: of the value; absent where no resolver below asks for it. */
type Complete = (value: unknown, path: Path, job: Job, info: GraphQLResolveInfo | undefined) => unknown;

interface Part {
  complete: Complete;
  /** Whether a resolver below is told its path. */
  resolves: boolean;
}

interface PlannedField {
  key: string;
  put(out: Values, source: unknown, path: Path, job: Job): void;
  resolves: boolean;
}

const NO_WHOLE_ANSWER = new Error('no whole answer');

/** undefined: the document has something that is left to graphql. It is valid, and its one operation a query. */
export function compileQuery(schema: GraphQLSchema, operation: OperationDefinitionNode, fragments: Fragments): Run | undefined {
  const root = schema.getQueryType();
  const planned = root && compilerOf(schema, operation, fragments).fields(root, [operation.selectionSet]);
  if (!planned) return undefined;
  const empty = emptyOf(planned);
  return (context, given) => {
    const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], given);
    if (!coerced) throw NO_WHOLE_ANSWER;
    const job: Job = { context, variables: coerced, pending: 0, done: () => {}, fail: () => {} };
    const data = { ...empty };
    for (const field of planned) field.put(data, undefined, undefined, job);
    if (job.pending === 0) return data;
    return new Promise((resolve, reject) => {
      job.done = () => resolve(data);
      job.fail = reject;
    });
  };
}

function compilerOf(schema: GraphQLSchema, operation: OperationDefinitionNode, fragments: Fragments) {
  /** undefined when one of them is left to graphql. */
  function fields(type: GraphQLObjectType, sets: readonly SelectionSetNode[]): PlannedField[] | undefined {
    const planned: PlannedField[] = [];
    for (const [key, nodes] of collect(type, sets, fragments)) {
      const [node] = nodes as [FieldNode];
      const field = node.name.value === '__typename' ? typeName(key, type) : plan(key, type, type.getFields()[node.name.value], nodes);
      if (!field) return undefined;
      planned.push(field);
    }
    return planned;
  }

  function plan(
    key: string,
    parentType: GraphQLObjectType,
    definition: GraphQLField<unknown, unknown> | undefined,
    fieldNodes: readonly FieldNode[],
  ): PlannedField | undefined {
    const part = definition && complete(definition.type, fieldNodes);
    if (!part) return undefined;
    const { name: fieldName, type: returnType, resolve } = definition;
    if (!resolve) {
      return {
        key,
        resolves: part.resolves,
        put(out, source, path, job) {
          const value = (source as Values)[fieldName];
          if (typeof value === 'function') throw NO_WHOLE_ANSWER;
          const own = part.resolves ? { prev: path, key, typename: parentType.name } : undefined;
          settle(out, key, value, part.complete, own, job, undefined);
        },
      };
    }
    const [node] = fieldNodes as [FieldNode];
    return {
      key,
      resolves: true,
      put(out, source, prev, job) {
        const path = { prev, key, typename: parentType.name };
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
        const args = definition.args.length === 0 ? {} : getArgumentValues(definition, node, variables);
        settle(out, key, resolve(source, args, context, info), part.complete, path, job, info);
      },
    };
  }

  function complete(type: GraphQLOutputType, nodes: readonly FieldNode[]): Part | undefined {
    if (isNonNullType(type)) {
      const inner = complete(type.ofType, nodes);
      return inner && { ...inner, complete: (value, path, job, info) => inner.complete(value, path, job, info) ?? fail() };
    }
    if (isLeafType(type)) return { complete: leaf(type), resolves: false };
    if (isListType(type)) {
      const item = complete(type.ofType, nodes);
      return item && { complete: list(item), resolves: item.resolves };
    }
    if (!isObjectType(type)) return undefined;
    const sets = nodes.flatMap(({ selectionSet }) => selectionSet ?? []);
    const planned = fields(type, sets);
    return planned && { complete: object(type, planned), resolves: planned.some(({ resolves }) => resolves) || type.isTypeOf != null };
  }

  return { fields };
}

const typeName = (key: string, { name }: GraphQLObjectType): PlannedField => ({
  key,
  resolves: false,
  put: (out) => {
    out[key] = name;
  },
});

const leaf =
  (type: GraphQLLeafType): Complete =>
  (value) => {
    if (value == null) return null;
    if (value instanceof Error) throw value;
    return type.serialize(value) ?? fail();
  };

const list =
  ({ complete, resolves }: Part): Complete =>
  (value, path, job, info) => {
    if (value == null) return null;
    if (!Array.isArray(value)) throw NO_WHOLE_ANSWER;
    const out: unknown[] = new Array(value.length);
    for (let index = 0; index < value.length; index += 1) {
      const own = resolves ? { prev: path, key: index, typename: undefined } : undefined;
      settle(out, index, value[index], complete, own, job, info);
    }
    return out;
  };

function object(type: GraphQLObjectType, planned: readonly PlannedField[]): Complete {
  const empty = emptyOf(planned);
  return (value, path, job, info) => {
    if (value == null) return null;
    if (value instanceof Error) throw value;
    if (type.isTypeOf && (!info || type.isTypeOf(value, job.context, info) !== true)) throw NO_WHOLE_ANSWER;
    const out = { ...empty };
    for (let index = 0; index < planned.length; index += 1) (planned[index] as PlannedField).put(out, value, path, job);
    return out;
  };
}

/** To be copied: all places, in the order of the question. Adding one after the other takes longer, and four times the memory. */
const emptyOf = (planned: readonly PlannedField[]): Values => Object.fromEntries(planned.map(({ key }) => [key, null]));

/** Puts the completed value into its place, now or when it is there. */
function settle(
  out: Values | unknown[],
  key: string | number,
  value: unknown,
  complete: Complete,
  path: Path,
  job: Job,
  info: GraphQLResolveInfo | undefined,
): void {
  if (isPromise(value)) later(out as Values, key, value, complete, path, job, info);
  else (out as Values)[key] = complete(value, path, job, info);
}

/** Apart from `settle`: what closures refer to is kept for every call of the function around them, whether it makes them or not. */
function later(
  out: Values,
  key: string | number,
  value: Promise<unknown>,
  complete: Complete,
  path: Path,
  job: Job,
  info: GraphQLResolveInfo | undefined,
): void {
  job.pending += 1;
  value
    .then((settled) => {
      out[key] = complete(settled, path, job, info);
      job.pending -= 1;
      if (job.pending === 0) job.done();
    })
    .catch((error: unknown) => job.fail(error));
}

const isPromise = (value: unknown): value is Promise<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';

function fail(): never {
  throw NO_WHOLE_ANSWER;
}

/** By the key under which they are answered, in the order in which they come up. */
function collect(type: GraphQLObjectType, sets: readonly SelectionSetNode[], fragments: Fragments): Map<string, FieldNode[]> {
  const found = new Map<string, FieldNode[]>();
  const spread = new Set<FragmentDefinitionNode>();
  const add = (set: SelectionSetNode): void => {
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) {
        const key = (selection.alias ?? selection.name).value;
        found.set(key, [...(found.get(key) ?? []), selection]);
        continue;
      }
      const fragment = selection.kind === Kind.FRAGMENT_SPREAD ? fragments[selection.name.value] : selection;
      if (!fragment || (fragment.typeCondition && fragment.typeCondition.name.value !== type.name)) continue;
      if (fragment.kind === Kind.FRAGMENT_DEFINITION) {
        if (spread.has(fragment)) continue;
        spread.add(fragment);
      }
      add(fragment.selectionSet);
    }
  };
  for (const set of sets) add(set);
  return found;
}
