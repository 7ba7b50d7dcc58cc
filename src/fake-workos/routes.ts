// One request to one reply: the key, the fault that strikes, then the Events API, the state API or the controls.
import type { IncomingMessage } from 'node:http';
import { type Controls, control } from './control-api.ts';
import { type EventsApiOptions, listEvents } from './events-api.ts';
import type { ActiveFault, FaultList } from './faults.ts';
import type { Ledger } from './ledger.ts';
import { createRateLimit } from './rate-limit.ts';
import { notFound, ok, type Page, type Reply, unauthorized } from './replies.ts';
import { isLost } from './respond.ts';
import { answerState } from './state-api.ts';

export interface RoutesOptions extends EventsApiOptions {
  apiKey: string;
  rateLimits: boolean;
  clock: () => number;
}

export interface Routed {
  reply: Reply;
  fault: ActiveFault | undefined;
}

export type Routes = (request: IncomingMessage) => Promise<Routed>;

const MAX_BODY_BYTES = 16 * 1_048_576;
const ABOUT =
  'This is the FAKE WorkOS of access-service: a stand-in for development and tests. Nothing here comes from WorkOS or from a real directory of WorkOS.';

export function createRoutes(
  { ledger, faults, controls, count }: { ledger: Ledger; faults: FaultList; controls: Controls; count: (path: string) => void },
  options: RoutesOptions,
): Routes {
  const { clock, apiKey } = options;
  const requestsPerMinute = createRateLimit(6_000, 60_000);
  const userListsPerSecond = createRateLimit(4, 1_000);

  const isTooMany = (path: string, query: URLSearchParams, client: string): boolean => {
    if (!options.rateLimits) return false;
    const userList = path === '/directory_users';
    return (
      !requestsPerMinute(client, clock()) || (userList && !userListsPerSecond(query.get('directory') ?? query.get('group') ?? '', clock()))
    );
  };
  const answer = (path: string, query: URLSearchParams): Reply =>
    path === '/events'
      ? listEvents(ledger.stream, query, clock(), options)
      : (answerState(ledger.truth(), path, query) ?? notFound('Path', path));

  return async (request) => {
    const { pathname: path, searchParams: query } = new URL(request.url ?? '/', 'http://fake-workos');
    const method = request.method ?? 'GET';
    if (path === '/') return { reply: ok({ about: ABOUT, controls: CONTROLS }), fault: undefined };
    if (request.headers.authorization !== `Bearer ${apiKey}`) return { reply: unauthorized, fault: undefined };
    if (path.startsWith('/_fake/')) {
      const body = method === 'POST' ? await readBody(request) : '';
      return { reply: body === undefined ? TOO_LARGE : control(controls, method, path, body), fault: undefined };
    }
    count(path.replace(/^(\/[^/]+)\/.*$/, '$1/:id'));
    if (method !== 'GET') return { reply: notFound('Path', `${method} ${path}`), fault: undefined };
    if (isTooMany(path, query, request.socket.remoteAddress ?? '')) return { reply: TOO_MANY, fault: undefined };
    const fault = faults.strike(path);
    const reply = answer(path, query);
    if (path === '/events' && fault?.kind === 'lost') loseEvents(ledger, reply, fault.everyNth);
    return { reply, fault };
  };
}

const TOO_LARGE: Reply = { status: 413, body: { message: 'The body is too large.' } };
const TOO_MANY: Reply = { status: 429, body: { message: 'Too many requests.' }, headers: { 'retry-after': '1' } };

const CONTROLS = {
  authorization: 'Bearer <the API key of this fake>',
  'POST /_fake/faults': { path: '/events', kind: 'status', status: 429, retryAfter: '2', times: 3 },
  'GET /_fake/faults': 'the faults that are set',
  'DELETE /_fake/faults': 'takes all faults away',
  'POST /_fake/events': { event: 'dsync.user.deleted', data: { id: 'directory_user_…' }, viaApi: true, viaWebhook: true },
  'GET /_fake/truth': 'what the directory really is',
  'GET /_fake/requests': 'how often each path was asked, how many webhooks were delivered',
  'GET /_fake/catalog': 'a catalog of roles and group mappings for the living company',
};

/** A lost event stays lost, also for whoever asks again. */
function loseEvents(ledger: Ledger, reply: Reply, everyNth: number): void {
  const { data = [] } = reply.body as Partial<Page<{ id: string }>>;
  for (const [index, { id }] of data.entries()) if (isLost(index, everyNth)) ledger.stream.hide(id);
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
