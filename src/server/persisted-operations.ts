// The operations that we ship (schema/operations), by the SHA-256 of each one's text with its fragments, as graphql's `print`
// writes it. Named by a request in place of a text. With PERSISTED_OPERATIONS=only nothing else is run: a text is taken for
// the operation that it is but for its white space, and that operation is run, not the text.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { GraphQLError, parse, print, separateOperations } from 'graphql';
import { AccessError } from '../errors.ts';

export interface PersistedOperations {
  byHash: ReadonlyMap<string, string>;
  /** By the text with its white space levelled. */
  byShape: ReadonlyMap<string, string>;
}

const FOLDER = new URL('../../schema/operations/', import.meta.url);

export function loadPersistedOperations(folder: URL = FOLDER): PersistedOperations {
  const files = readdirSync(folder).filter((file) => file.endsWith('.graphql'));
  const documents = files.flatMap((file) => Object.values(separateOperations(parse(readFileSync(new URL(file, folder), 'utf8')))));
  const texts = documents.map(print);
  return {
    byHash: new Map(texts.map((text) => [createHash('sha256').update(text).digest('hex'), text])),
    byShape: new Map(texts.map((text) => [shapeOf(text), text])),
  };
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
    const text = operations.byHash.get(hash);
    if (text !== undefined) return text;
    throw refusal('NOT_FOUND', 'No operation is known by this hash.', 404);
  }
  if (!only) return named.query ?? undefined;
  const text = operations.byShape.get(shapeOf(named.query ?? ''));
  if (text !== undefined && hash === undefined) return text;
  throw refusal('FORBIDDEN', 'Only the operations of schema/operations are taken here.', 403);
}

const shapeOf = (text: string): string => text.replace(/\s+/g, ' ').trim();

function hashOf({ documentId, extensions }: Named): string | undefined {
  if (typeof documentId === 'string') return documentId.replace(/^sha256:/, '');
  const { persistedQuery } = (extensions ?? {}) as { persistedQuery?: { sha256Hash?: unknown } | null };
  const hash = persistedQuery?.sha256Hash;
  return typeof hash === 'string' ? hash : undefined;
}

const refusal = (code: 'NOT_FOUND' | 'FORBIDDEN', message: string, status: number): GraphQLError =>
  new GraphQLError(message, { originalError: new AccessError(code, message), extensions: { http: { status } } });
