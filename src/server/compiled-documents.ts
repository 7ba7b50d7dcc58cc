// Documents as functions. One is compiled when Yoga's pipeline has taken it (parsed, validated, all of our rules) and it was
// asked for several times; kept by its text, up to a sum of weights. What cannot be compiled is remembered too, and Yoga's.
import { type DocumentNode, type ExecutionResult, type GraphQLSchema, parse } from 'graphql';
import { compileQuery, isCompiledQuery } from 'graphql-jit';
import type { Context } from '../../schema/context.ts';
import { createWeightedCache } from '../lib/weighted-cache.ts';
import { compilable } from './compilable.ts';

/** An execution. Its errors are not to be shown: they are not as Yoga would write them. */
export type Run = (
  root: unknown,
  context: Context,
  variables: Readonly<Record<string, unknown>>,
) => Promise<ExecutionResult> | ExecutionResult;

export interface CompiledDocuments {
  /** Yoga is about to execute it. */
  accept(document: DocumentNode): void;
  /** undefined: Yoga's. `operationName` undefined: none was named. */
  find(text: string, operationName: string | undefined): Run | undefined;
}

const MAX_BYTES = 32 * 1024 * 1024;
/** Of the code and of the document, which it refers to; measured on graphql-jit 0.8.9. */
const BYTES_PER_FIELD = 12_000;
const BYTES_OF_ANY = 1_000;
const COMPILE_AFTER = 3;

interface Entry {
  /** Of its operation. */
  name: string | undefined;
  /** To be compiled, when it was asked for often enough. */
  pending: boolean;
  fields: number;
  asked: number;
  run: Run | undefined;
}

export function createCompiledDocuments(schema: GraphQLSchema, compileAfter = COMPILE_AFTER): CompiledDocuments {
  const entries = createWeightedCache<Entry>({
    maxWeight: MAX_BYTES,
    weigh: (text, { fields }) => BYTES_OF_ANY + 2 * text.length + BYTES_PER_FIELD * fields,
  });

  return {
    accept(document) {
      const text = document.loc?.source.body;
      if (text === undefined || entries.get(text)) return;
      const found = compilable(document);
      entries.set(text, {
        name: found?.operation.name?.value,
        pending: found !== undefined,
        fields: found?.fields ?? 0,
        asked: 0,
        run: undefined,
      });
    },
    find(text, operationName) {
      const entry = entries.get(text);
      if (!entry || (operationName !== undefined && operationName !== entry.name)) return undefined;
      if (entry.pending && ++entry.asked >= compileAfter) {
        entry.pending = false;
        entry.run = compile(schema, text);
      }
      return entry.run;
    },
  };
}

function compile(schema: GraphQLSchema, text: string): Run | undefined {
  // A document of its own: the compiler writes notes on it.
  const compiled = compileQuery(schema, parse(text), undefined, { disablingCapturingStackErrors: true });
  return isCompiledQuery(compiled) ? (compiled.query as Run) : undefined;
}
