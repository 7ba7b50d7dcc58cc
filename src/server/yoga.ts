// The GraphQL engine behind HTTP, SSE and WebSocket: one pipeline of plugins for all of them. Whoever comes here has a
// caller already (http.ts, websocket.ts). Routes, GraphiQL, health and the landing page are ours, not Yoga's.
import { EnvelopArmorPlugin } from '@escape.tech/graphql-armor';
import { useCSRFPrevention } from '@graphql-yoga/plugin-csrf-prevention';
import { GraphQLError, type ValidationContext } from 'graphql';
import { createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga';
import { type Context, createContext, lend } from '../../schema/context.ts';
import { type Report, toGraphQLError } from '../../schema/errors.ts';
import { schema } from '../../schema/index.ts';
import type { Caller } from '../auth/caller.ts';
import type { Transport } from '../model/telemetry.ts';
import { type CompiledDocuments, createCompiledDocuments } from './compiled-documents.ts';
import type { ServerDeps } from './deps.ts';
import { createDocumentCache } from './document-cache.ts';
import { useDocumentRules } from './document-rules.ts';
import { DEFAULT_LIMITS, DOCUMENT_LIMITS } from './limits.ts';
import { loadPersistedOperations, type Named, resolveOperation } from './persisted-operations.ts';
import { DEFAULT_POLICY } from './policy.ts';
import { useSharedAnswers } from './shared-answers.ts';

/** Who asks, and for how long. */
export interface Asking {
  caller: Caller;
  /** Ends with the request or the socket. */
  signal: AbortSignal;
  /** Absent: now. */
  askedAtMs?: number;
  /** SSE, when none is named. */
  transport?: Transport;
  /** A subscription failed; `streaming`: after it had begun. See faults.ts. */
  onFault(errorCode: unknown, streaming: boolean): void;
}

export interface Graphql {
  yoga: YogaServerInstance<Asking, Context>;
  /** The text to run for a request that may name an operation instead. */
  textOf(named: Named): string | undefined;
  /** Those that this pipeline has taken. */
  documents: CompiledDocuments;
}

/** Whatever comes to its execution was parsed and passed every rule. */
const useAcceptance = (documents: CompiledDocuments): Plugin => ({
  onExecute: ({ args: { document } }) => documents.accept(document),
});

/** Errors outside of execution (parsing, validation, the form of the request) pass no masking of Yoga's: the last word is here. */
const useErrorCodes = (report: Report): Plugin => ({
  onResultProcess({ result, setResult }) {
    if (Array.isArray(result) || !('errors' in result) || !result.errors) return;
    setResult({ ...result, errors: result.errors.map((error) => toGraphQLError(error, report)) });
  },
});

const useDocumentLength = (): Plugin => ({
  onParse({ params: { source } }) {
    if (String(typeof source === 'string' ? source : source.body).length <= DOCUMENT_LIMITS.characters) return;
    throw new GraphQLError(`A document has at most ${DOCUMENT_LIMITS.characters} characters.`, {
      extensions: { code: 'GRAPHQL_PARSE_FAILED' },
    });
  },
});

/** Yoga lets the error of JSON.parse out of a query string or a form as it is. */
const useParameterErrors = (): Plugin => ({
  onRequestParse({ requestParser, setRequestParser }) {
    if (!requestParser) return;
    setRequestParser(async (request) => {
      try {
        return await requestParser(request);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        throw new GraphQLError('`variables` and `extensions` must be JSON.', { extensions: { http: { status: 400 } } });
      }
    });
  },
});

const useNamedOperations = (textOf: Graphql['textOf']): Plugin => ({
  onParams({ params, request, setParams }) {
    const documentId =
      (params as Named).documentId ?? (request.method === 'GET' ? URL.parse(request.url)?.searchParams.get('documentId') : null);
    const query = textOf({ ...params, documentId });
    if (query !== undefined) setParams({ ...params, query });
  },
});

const useFaults = (report: Report): Plugin<Asking> => ({
  onSubscribe({ args: { contextValue } }) {
    const tell = (error: unknown, streaming: boolean) => contextValue.onFault(toGraphQLError(error, report).extensions.code, streaming);
    return {
      onSubscribeError: ({ error }) => tell(error, true),
      onSubscribeResult({ result }) {
        if ('errors' in result && result.errors?.[0]) tell(result.errors[0], false);
      },
    };
  },
});

/** Armor would throw out of the validation and call it a syntax error. */
const asValidationError = {
  propagateOnRejection: false,
  onReject: [
    (context: ValidationContext | null, { message }: GraphQLError) =>
      context?.reportError(new GraphQLError(message.replace(/^Syntax Error: /, ''))),
  ],
};

export function createGraphql({ db, lookup, services, revalidation, log, limits, policy, compileAfter }: ServerDeps): Graphql {
  const { introspection, persistedOnly } = { ...DEFAULT_POLICY, ...policy };
  const operations = loadPersistedOperations();
  const textOf = (named: Named) => resolveOperation(named, operations, persistedOnly);
  const documents = createCompiledDocuments(schema, compileAfter);
  const report: Report = (cause) => log.error({ err: cause }, 'a request failed');
  const yoga = createYoga<Asking, Context>({
    schema,
    // Yoga copies what is returned, and would make every part that way.
    context: (asking) => {
      lend(createContext({ db, lookup, services, revalidation }, asking), asking);
      return {} as Context;
    },
    graphqlEndpoint: '/graphql',
    logging: false,
    landingPage: false,
    graphiql: false,
    cors: false,
    batching: false,
    multipart: false,
    parserAndValidationCache: createDocumentCache(),
    extraParamNames: ['documentId'],
    maxRequestBodySize: limits?.bodyBytes ?? DEFAULT_LIMITS.bodyBytes,
    maskedErrors: { maskError: (error) => toGraphQLError(error, report) },
    plugins: [
      // A browser asks before it sends any of these to a foreign origin, and this server never says yes.
      useCSRFPrevention({ requestHeaders: ['authorization', 'x-graphql-csrf'] }),
      EnvelopArmorPlugin({
        maxTokens: { n: DOCUMENT_LIMITS.tokens },
        maxDepth: { n: DOCUMENT_LIMITS.depth, ...asValidationError },
        // __typename under a thousand names is a thousand fields too.
        maxAliases: { n: DOCUMENT_LIMITS.aliases, allowList: [], ...asValidationError },
        maxDirectives: { n: DOCUMENT_LIMITS.directives, ...asValidationError },
        costLimit: { maxCost: DOCUMENT_LIMITS.cost, ...asValidationError },
        // Done for every kind of suggestion, and when the schema may not be shown only, by the rules below.
        blockFieldSuggestion: { enabled: false },
      }),
      useDocumentRules({ introspection }),
      useDocumentLength(),
      useParameterErrors(),
      useNamedOperations(textOf),
      useErrorCodes(report),
      useFaults(report),
      useSharedAnswers(),
      useAcceptance(documents),
    ],
  });
  return { yoga, textOf, documents };
}
