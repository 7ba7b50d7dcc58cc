// The short way for plain queries: a JSON POST whose document Yoga's pipeline has taken before is answered by its compiled form
// (compiled-documents.ts). Only a whole answer without any error leaves by this way. Everything else, a faulty variable, a
// missing right, a database that is away, an unusual header, is Yoga's, which begins anew with the body that was read: so
// there is one place that judges, and one form of every refusal. Queries only, which may be run twice. Who asks, and how
// often, was settled before (http.ts).
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { type ContextDeps, createContext } from '../../schema/context.ts';
import type { Caller } from '../auth/caller.ts';
import type { Run } from './compile-query.ts';
import type { CompiledDocuments } from './compiled-documents.ts';
import type { Named } from './persisted-operations.ts';
import { readBody } from './read-body.ts';
import { SECURITY_HEADERS } from './respond.ts';

export interface Lean {
  /** Whether the request has the form for it. Nothing of it is read. */
  takes(req: IncomingMessage): boolean;
  /** false: it is Yoga's. */
  answer(req: IncomingMessage, res: ServerResponse, asking: { caller: Caller; askedAtMs: number }): Promise<boolean>;
}

export interface LeanDeps extends ContextDeps {
  documents: CompiledDocuments;
  textOf(named: Named): string | undefined;
  stallTimeoutMs: number;
}

/** With a signal that is made when it is asked for, as the parts of a context are. */
class Asking {
  readonly caller: Caller;
  readonly askedAtMs: number;
  readonly #res: ServerResponse;
  #gone: AbortController | undefined;

  constructor(res: ServerResponse, { caller, askedAtMs }: { caller: Caller; askedAtMs: number }) {
    this.caller = caller;
    this.askedAtMs = askedAtMs;
    this.#res = res;
  }

  get signal(): AbortSignal {
    if (!this.#gone) {
      const controller = new AbortController();
      this.#res.once('close', () => controller.abort());
      this.#gone = controller;
    }
    return this.#gone.signal;
  }
}

const MAX_BODY_BYTES = 64 * 1024;
const JSON_TYPES: ReadonlySet<string | undefined> = new Set([
  'application/json',
  'application/json; charset=utf-8',
  'application/json;charset=utf-8',
]);
/** What is accepted → what Yoga answers in. */
const ANSWER_TYPES: ReadonlyMap<string | undefined, string> = new Map([
  [undefined, 'application/json'],
  ['*/*', 'application/json'],
  ['application/json', 'application/json'],
  ['application/json, text/plain, */*', 'application/json'],
  ['application/json, application/graphql-response+json', 'application/json'],
  ['application/graphql-response+json', 'application/graphql-response+json'],
  ['application/graphql-response+json, application/json', 'application/graphql-response+json'],
  ['application/graphql-response+json, application/json;q=0.9', 'application/graphql-response+json'],
]);
const PARAMETERS: ReadonlySet<string> = new Set(['query', 'variables', 'operationName', 'documentId', 'extensions']);

export function createLean({ documents, textOf, stallTimeoutMs, ...deps }: LeanDeps): Lean {
  function execute(body: Buffer, res: ServerResponse, asking: { caller: Caller; askedAtMs: number }): ReturnType<Run> | undefined {
    const params = paramsIn(body);
    const text = params && textOf(params);
    const run = text !== undefined && documents.find(text, params?.operationName ?? undefined);
    if (!params || !run) return undefined;
    return run(createContext(deps, new Asking(res, asking)), params.variables ?? {});
  }

  return {
    takes({ method, url, headers }) {
      return (
        method === 'POST' &&
        url === '/graphql' &&
        JSON_TYPES.has(headers['content-type']) &&
        ANSWER_TYPES.has(headers.accept) &&
        headers['content-encoding'] === undefined &&
        Number(headers['content-length'] ?? Number.NaN) <= MAX_BODY_BYTES
      );
    },
    async answer(req, res, asking) {
      const body = (await readBody(req, MAX_BODY_BYTES)) as Buffer;
      let data: string | undefined;
      try {
        data = await execute(body, res, asking);
      } catch {
        // Whatever it is, Yoga comes to it as well, and says it in the right form.
      }
      if (data === undefined) {
        // Where Yoga's adapter looks for a body that was read already.
        Object.assign(req, { body: Readable.from([body], { objectMode: false }) });
        return false;
      }
      const text = `{"data":${data}}`;
      const bytes = Buffer.byteLength(text);
      res.writeHead(200, [
        ...SECURITY_HEADERS,
        'Content-Type',
        `${ANSWER_TYPES.get(req.headers.accept)}; charset=utf-8`,
        'content-length',
        String(bytes),
      ]);
      // Most answers are ASCII, which Node writes faster when it is told.
      res.end(text, bytes === text.length ? 'latin1' : 'utf8');
      // What the socket did not take at once waits for its reader.
      if ((res.socket?.writableLength ?? 0) > 0) res.setTimeout(stallTimeoutMs, () => res.destroy());
      return true;
    },
  };
}

interface Params extends Named {
  variables?: Record<string, unknown> | null;
  operationName?: string | null;
}

/** undefined: not of the plain form. */
function paramsIn(body: Buffer): Params | undefined {
  const params: unknown = JSON.parse(body.toString());
  if (!isRecord(params)) return undefined;
  const { query, variables, operationName, extensions } = params;
  for (const name in params) if (!PARAMETERS.has(name)) return undefined;
  const isPlain =
    (query == null || typeof query === 'string') &&
    (variables == null || isRecord(variables)) &&
    (operationName == null || (typeof operationName === 'string' && operationName !== '')) &&
    (extensions == null || isRecord(extensions));
  return isPlain ? (params as Params) : undefined;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
