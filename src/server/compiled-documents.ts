// Documents that are compiled: when Yoga's pipeline has taken one (parsed, validated, all of our rules) and it was asked for
// several times. Kept by their text, up to a sum of weights. What cannot be compiled is remembered too, and Yoga's.
import type { DocumentNode, GraphQLSchema } from 'graphql';
import { createWeightedCache } from '../lib/weighted-cache.ts';
import { type Compilable, compilable } from './compilable.ts';
import { compileQuery, type Run } from './compile-query.ts';

export interface CompiledDocuments {
  /** Yoga is about to execute it. */
  accept(document: DocumentNode): void;
  /** undefined: Yoga's. `operationName` undefined: none was named. */
  find(text: string, operationName: string | undefined): Run | undefined;
}

const MAX_BYTES = 32 * 1024 * 1024;
/** Of its closures and of its part of the document, tokens included; measured as 1,650. */
const BYTES_PER_FIELD = 2_500;
const BYTES_OF_ANY = 1_000;
const COMPILE_AFTER = 3;

interface Entry {
  /** Of its operation. */
  name: string | undefined;
  fields: number;
  /** Until it is compiled. */
  pending: Compilable | undefined;
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
      const pending = compilable(document);
      entries.set(text, { name: pending?.operation.name?.value, fields: pending?.fields ?? 0, pending, asked: 0, run: undefined });
    },
    find(text, operationName) {
      const entry = entries.get(text);
      if (!entry || (operationName !== undefined && operationName !== entry.name)) return undefined;
      if (entry.pending && ++entry.asked >= compileAfter) {
        entry.run = compileQuery(schema, entry.pending.operation, entry.pending.fragments);
        entry.pending = undefined;
      }
      return entry.run;
    },
  };
}
