// The one place where errors become GraphQL's, on every transport. An AccessError keeps its code, message and details;
// GraphQL's own errors keep what they say; everything else is INTERNAL to the caller, and told to `report` only.
import { GraphQLError, type GraphQLErrorExtensions } from 'graphql';
import { isOutage } from '../src/db/outage.ts';
import { sqlStateOf } from '../src/db/transaction.ts';
import { AccessError } from '../src/errors.ts';

/** Both what came and what became of it: an error passes here several times on its way out, and is reported once. */
const presented = new WeakMap<object, GraphQLError>();

export type Report = (cause: unknown) => void;

export function toGraphQLError(error: unknown, report: Report): GraphQLError {
  for (let layer = error; layer instanceof Error; layer = layer instanceof GraphQLError ? layer.originalError : undefined) {
    const before = presented.get(layer);
    if (before) return before;
  }
  const located = error instanceof GraphQLError ? error : undefined;
  const known = accessErrorIn(error) ?? (located && isGraphQLsOwn(located) ? undefined : refusedByDatabase(error, report));
  const result = known
    ? present(located, known.message, { ...known.details, code: known.code, ...httpOf(located) })
    : located && isGraphQLsOwn(located)
      ? present(located, located.message, { ...located.extensions, code: codeOf(located) })
      : internal(located, error, report);
  if (error instanceof Error) presented.set(error, result);
  presented.set(result, result);
  return result;
}

function present(located: GraphQLError | undefined, message: string, extensions: GraphQLErrorExtensions): GraphQLError {
  const { nodes, source, positions, path } = located ?? {};
  return new GraphQLError(message, {
    nodes: nodes ?? null,
    source: source ?? null,
    positions: positions ?? null,
    path: path ?? null,
    extensions,
  });
}

function internal(located: GraphQLError | undefined, error: unknown, report: Report): GraphQLError {
  report(error);
  return present(located, 'Something went wrong on our side. It is in the log.', { code: 'INTERNAL' });
}

/** What Yoga reads for the status line; it never reaches the client. */
const httpOf = (located: GraphQLError | undefined): GraphQLErrorExtensions => {
  const http = located?.extensions.http;
  return http === undefined ? {} : { http };
};

function accessErrorIn(error: unknown): AccessError | undefined {
  for (let layer = error; layer; layer = layer instanceof GraphQLError ? layer.originalError : undefined) {
    if (layer instanceof AccessError) return layer;
  }
  return undefined;
}

/** Errors that GraphQL itself raised about the request. Those with a path came out of an execution: only a missing argument is the caller's. */
function isGraphQLsOwn(error: GraphQLError): boolean {
  if (error.originalError) return error.originalError instanceof GraphQLError && isGraphQLsOwn(error.originalError);
  return error.path === undefined || error.message.startsWith('Argument "');
}

function codeOf({ message, extensions: { code } }: GraphQLError): string {
  if (code === 'GRAPHQL_PARSE_FAILED' || message.startsWith('Syntax Error')) return 'GRAPHQL_PARSE_FAILED';
  return code === 'GRAPHQL_VALIDATION_FAILED' ? code : 'BAD_USER_INPUT';
}

/** Characters that Postgres cannot store in text: no such id or name can exist. */
const BAD_TEXT = ['22021', '22P05'];

function refusedByDatabase(error: unknown, report: Report): AccessError | undefined {
  const cause = error instanceof GraphQLError ? error.originalError : error;
  if (BAD_TEXT.includes(sqlStateOf(cause) ?? '')) {
    return new AccessError('BAD_USER_INPUT', 'A text in this request has a character that cannot be stored, such as U+0000.');
  }
  if (!isOutage(cause)) return undefined;
  report(cause);
  return new AccessError('UNAVAILABLE', 'The database does not answer at the moment. Ask again.');
}
