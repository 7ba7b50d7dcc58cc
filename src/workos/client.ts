// Reads the WorkOS API through the official SDK's transport: its authentication, retries and back-off, on raw snake_case
// JSON. The SDK's typed methods would drop fields that we need (`metadata` of a directory, `name` of a user, unknown events).
// Calls are bounded in time (`requestTimeoutMs` a try, `maxRetries` more tries) and in size, and end at once when their signal aborts.
import { WorkOS } from '@workos-inc/node';
import { z } from 'zod';
import type { Logger } from '../log.ts';
import { createBoundedFetch, type LastResponse } from './bounded-fetch.ts';
import { kindOfStatus, WorkosError } from './workos-error.ts';

export interface ListEventsOptions {
  events: readonly string[];
  /** An event id; excludes `rangeStart`. */
  after?: string;
  /** ISO 8601. */
  rangeStart?: string;
  rangeEnd?: string;
  organizationId?: string;
  /** 1–100. */
  limit: number;
  signal: AbortSignal;
}

export interface ListOptions {
  after?: string | undefined;
  /** 1–100. */
  limit: number;
  signal: AbortSignal;
}

export interface EventsPage {
  events: unknown[];
  /** null: the end of the stream. */
  after: string | null;
  /** The answer held bytes that are not UTF-8, however often it was asked for: they stand as U+FFFD in the events. */
  mangled: boolean;
}

export interface Page {
  items: unknown[];
  /** null: the last page. */
  after: string | null;
  /** The server's clock when it answered. */
  at: Date;
}

/** Objects are JSON as WorkOS spells it, not yet looked at. */
export interface WorkosClient {
  listEvents(options: ListEventsOptions): Promise<EventsPage>;
  listDirectories(options: ListOptions): Promise<Page>;
  getDirectory(id: string, options: { signal: AbortSignal }): Promise<unknown>;
  listUsers(options: ListOptions & ({ directoryId: string } | { groupId: string })): Promise<Page>;
  getUser(id: string, options: { signal: AbortSignal }): Promise<unknown>;
  listGroups(options: ListOptions & ({ directoryId: string } | { userId: string })): Promise<Page>;
}

export interface WorkosClientOptions {
  apiKey: string;
  /** Scheme, host and port, as in https://api.workos.com. */
  apiUrl: string;
  log: Logger;
  requestTimeoutMs?: number;
  maxRetries?: number;
  maxResponseBytes?: number;
}

type Query = Record<string, string | number | undefined>;

const pageShape = z.object({ data: z.array(z.unknown()), list_metadata: z.object({ after: z.string().nullish() }) });
const objectShape = z.looseObject({ id: z.string() });

export function createWorkosClient(options: WorkosClientOptions): WorkosClient {
  const { apiKey, log, requestTimeoutMs = 20_000, maxRetries = 2, maxResponseBytes = 16 * 1024 * 1024 } = options;
  const url = new URL(options.apiUrl);

  async function get<T>(
    path: string,
    query: Query,
    shape: z.ZodType<T>,
    signal: AbortSignal,
  ): Promise<{ body: T; at: Date; mangled: boolean }> {
    signal.throwIfAborted();
    const transport = createBoundedFetch({ signal, maxBytes: maxResponseBytes, tries: maxRetries + 1 });
    // One SDK object a call (it is a bag of small objects): the SDK has no other way to give a single call its own fetch.
    const sdk = new WorkOS({
      apiKey,
      apiHostname: url.hostname,
      https: url.protocol === 'https:',
      ...(url.port && { port: Number(url.port) }),
      timeout: requestTimeoutMs,
      maxRetries,
      fetchFn: transport.fetch,
    });
    try {
      const { data } = await untilAborted(sdk.get<unknown>(path, { query }), signal);
      const parsed = shape.safeParse(data);
      if (!parsed.success)
        throw new WorkosError('bad_response', `WorkOS answered ${path} with something that is not the JSON it documents.`);
      return { body: parsed.data, at: transport.last()?.date ?? new Date(), mangled: transport.last()?.mangled ?? false };
    } catch (error) {
      signal.throwIfAborted();
      const translated = translate(error, path, transport.last(), apiKey);
      log.debug({ path, kind: translated.kind, retryAfterMs: translated.retryAfterMs }, 'a request to WorkOS failed');
      throw translated;
    }
  }

  async function list(path: string, query: Query, signal: AbortSignal): Promise<Page> {
    const { body, at } = await get(path, query, pageShape, signal);
    return { items: body.data, after: body.list_metadata.after || null, at };
  }

  return {
    async listEvents({ events, after, rangeStart, rangeEnd, organizationId, limit, signal }) {
      const query = {
        events: events.join(','),
        after,
        range_start: rangeStart,
        range_end: rangeEnd,
        organization_id: organizationId,
        limit,
      };
      try {
        const { body, mangled } = await get('/events', query, pageShape, signal);
        return { events: body.data, after: body.list_metadata.after || null, mangled };
      } catch (error) {
        // A server may also mean the event types by its refusal: which of the two it was, the caller finds out by asking again.
        if (after === undefined || !(error instanceof WorkosError) || error.kind !== 'refused') throw error;
        throw new WorkosError('cursor_refused', error.message);
      }
    },
    listDirectories: ({ after, limit, signal }) => list('/directories', { after, limit }, signal),
    listUsers: ({ after, limit, signal, ...of }) =>
      list('/directory_users', { ...('groupId' in of ? { group: of.groupId } : { directory: of.directoryId }), after, limit }, signal),
    listGroups: ({ after, limit, signal, ...of }) =>
      list('/directory_groups', { ...('userId' in of ? { user: of.userId } : { directory: of.directoryId }), after, limit }, signal),
    getDirectory: async (id, { signal }) => (await get(`/directories/${encodeURIComponent(id)}`, {}, objectShape, signal)).body,
    getUser: async (id, { signal }) => (await get(`/directory_users/${encodeURIComponent(id)}`, {}, objectShape, signal)).body,
  };
}

/** The SDK cannot be interrupted while it sleeps between two tries: then its promise is left behind, for 2.6 s at most. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  return Promise.race([work, aborted]).finally(() => signal.removeEventListener('abort', onAbort));
}

function translate(error: unknown, path: string, last: LastResponse | undefined, apiKey: string): WorkosError {
  if (error instanceof WorkosError) return error;
  // The SDK wraps whatever it does not know in `Error("Unexpected error: …", { cause })`.
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof WorkosError) return cause;
  if (!last) {
    const why = cause instanceof Error ? (codeOf(cause.cause) ?? cause.message) : 'no answer in time';
    return new WorkosError('unavailable', `WorkOS cannot be reached for ${path} (${why}).`);
  }
  const kind = kindOfStatus(last.status);
  if (kind === 'bad_response') return new WorkosError(kind, `WorkOS answered ${path} with ${last.status} and a body that is not JSON.`);
  const words = kind === 'refused' ? wordsOf(last.refusal).replaceAll(apiKey, '[key]') : '';
  return new WorkosError(kind, `WorkOS answered ${path} with ${last.status}${words && `: ${words}`}.`, last.retryAfterMs);
}

const codeOf = (error: unknown): string | undefined => (error instanceof Error && 'code' in error ? String(error.code) : undefined);

/** What the server says against a request, cut to a line: `message` and the codes of `errors`. */
function wordsOf(refusal: string): string {
  try {
    const { message, error, errors } = JSON.parse(refusal) as { message?: unknown; error?: unknown; errors?: unknown };
    return [message, error, errors]
      .filter((part) => part !== undefined && part !== null)
      .map((part) => (typeof part === 'string' ? part : JSON.stringify(part)))
      .join(' ')
      .slice(0, 300);
  } catch {
    return '';
  }
}
