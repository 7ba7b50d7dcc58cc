// The operations that we ship (schema/operations), by the SHA-256 of each one's text with its fragments, as graphql's `print`
// writes it. Named by a request in place of a text; with PERSISTED_OPERATIONS=only nothing else is taken.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { GraphQLError, parse, print, separateOperations } from 'graphql';
import { AccessError } from '../errors.ts';

export type PersistedOperations = ReadonlyMap<string, string>;

const FOLDER = new URL('../../schema/operations/', import.meta.url);

export function loadPersistedOperations(folder: URL = FOLDER): PersistedOperations {
  const files = readdirSync(folder).filter((file) => file.endsWith('.graphql'));
  const documents = files.flatMap((file) => Object.values(separateOperations(parse(readFileSync(new URL(file, folder), 'utf8')))));
  return new Map(documents.map(print).map((text) => [createHash('sha256').update(text).digest('hex'), text]));
}

export interface Named {
  query?: string | null | undefined;
  extensions?: unknown;
  /** `sha256:<hex>` or the hex alone. */
  documentId?: unknown;
}

/** The text to run; undefined when there is neither text nor name. Throws when it may not be run. */
export function resolveOperation(named: Named, operations: PersistedOperations, only: boolean): string | undefined {
  const hash = hashOf(named);
  if (hash !== undefined && !named.query) {
    const text = operations.get(hash);
    if (text !== undefined) return text;
    throw refusal('NOT_FOUND', 'No operation is known by this hash.', 404);
  }
  if (only) throw refusal('FORBIDDEN', 'Only the operations of schema/operations are taken here, named by their hash.', 403);
  return named.query ?? undefined;
}

function hashOf({ documentId, extensions }: Named): string | undefined {
  if (typeof documentId === 'string') return documentId.replace(/^sha256:/, '');
  const { persistedQuery } = (extensions ?? {}) as { persistedQuery?: { sha256Hash?: unknown } | null };
  const hash = persistedQuery?.sha256Hash;
  return typeof hash === 'string' ? hash : undefined;
}

const refusal = (code: 'NOT_FOUND' | 'FORBIDDEN', message: string, status: number): GraphQLError =>
  new GraphQLError(message, { originalError: new AccessError(code, message), extensions: { http: { status } } });
