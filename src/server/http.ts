// The HTTP server: routes, who may pass, and an orderly end. /graphql answers over HTTP, SSE and WebSocket; nothing on it
// is answered without a caller, the page of GraphiQL excepted, which holds no data.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AccessError } from '../errors.ts';
import { ReaderStalled } from '../feed/reader-stalled.ts';
import { inBatches } from '../lib/in-batches.ts';
import { createAdmission } from './admission.ts';
import { createAddressOf } from './client-address.ts';
import type { ServerDeps } from './deps.ts';
import { cutFor } from './faults.ts';
import { sendPage, wantsPage } from './graphiql.ts';
import { createLean } from './lean.ts';
import { DEFAULT_LIMITS, SENDING_AWAY } from './limits.ts';
import { listenOn } from './listen-on.ts';
import { assertMaySeeMetrics, respondMetrics } from './metrics-route.ts';
import { checkOrigin } from './origin.ts';
import { DEFAULT_POLICY } from './policy.ts';
import { createProbes } from './probes.ts';
import { refuseUpgrade } from './refuse-upgrade.ts';
import { respondJson, respondRefusal, respondUnauthenticated, setSecurityHeaders } from './respond.ts';
import { isEventStream, sendResponse } from './send-response.ts';
import { createWebhookRoute } from './webhook-route.ts';
import { createWebSockets } from './websocket.ts';
import { createGraphql } from './yoga.ts';

/** The one form that no page of another origin can send without being asked first. */
const isJson = ({ headers }: IncomingMessage): boolean => /^application\/json *(;|$)/i.test(headers['content-type'] ?? '');

export interface HttpServer {
  /** The port, which is of interest when 0 was asked for. */
  listen(port: number, host: string): Promise<{ port: number }>;
  /** Not ready from now on, for whoever asks /readyz; everything is still answered. */
  retire(): void;
  /** Takes nothing new, cuts streams and sockets so that clients go elsewhere, lets requests finish for a moment. */
  close(): Promise<void>;
}

export function createHttpServer(deps: ServerDeps): HttpServer {
  const { log } = deps;
  const limits = { ...DEFAULT_LIMITS, ...deps.limits };
  const policy = { ...DEFAULT_POLICY, ...deps.policy };
  const addressOf = createAddressOf(policy.trustedProxies);
  const admission = createAdmission(deps.authenticate, limits, deps.counters ?? null);
  const graphql = createGraphql(deps);
  const lean = createLean({ ...deps, ...graphql, stallTimeoutMs: limits.stallTimeoutMs });
  const sockets = createWebSockets(deps, { ...graphql, admission, addressOf });
  const handleWebhook = createWebhookRoute(deps, { admission, addressOf });
  const probes = createProbes(deps.readiness);
  const streams = new Set<ServerResponse>();
  let closing = false;

  async function handleGraphql(req: IncomingMessage, res: ServerResponse): Promise<void> {
    checkOrigin(req, policy.allowedOrigins);
    if (policy.introspection && !policy.persistedOnly && wantsPage(req)) return sendPage(res);
    const address = addressOf(req);
    const caller = await admission.authenticate(address, req.headers.authorization);
    if (!caller) return respondUnauthenticated(res);
    await admission.operation(caller, address);
    if (req.method === 'POST' && !isJson(req)) {
      return respondRefusal(res, new AccessError('BAD_USER_INPUT', 'Send JSON: `Content-Type: application/json`.'), 415);
    }
    const askedAtMs = performance.now();
    if (lean.takes(req) && (await lean.answer(req, res, { caller, askedAtMs }))) return;
    setSecurityHeaders(res);
    if (res.closed) return;
    if (req.headers.accept?.includes('text/event-stream')) res.once('close', admission.stay(caller));
    const gone = new AbortController();
    res.once('close', () => {
      gone.abort();
      streams.delete(res);
    });
    streams.add(res);
    const onFault = (errorCode: unknown, streaming: boolean) => {
      if (streaming && cutFor(errorCode, streaming)) res.destroy();
    };
    const response = await graphql.yoga.handleNodeRequestAndResponse(req, res, { caller, signal: gone.signal, askedAtMs, onFault });
    await sendResponse(response, res, {
      stallTimeoutMs: limits.stallTimeoutMs,
      onStalled: () => gone.abort(new ReaderStalled('SSE', caller.name)),
    });
  }

  async function handleMetrics(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (!deps.metrics) return respondJson(res, 404, { error: 'not_found' });
    const caller = await admission.authenticate(addressOf(req), req.headers.authorization);
    if (!caller) return respondUnauthenticated(res);
    assertMaySeeMetrics(caller);
    await respondMetrics(res, deps.metrics);
  }

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (closing) res.setHeader('Connection', 'close');
    const path = req.url === '/graphql' ? req.url : URL.parse(req.url ?? '', 'http://localhost')?.pathname;
    if (path === '/graphql') return handleGraphql(req, res);
    setSecurityHeaders(res);
    switch (path) {
      case '/webhooks/workos':
        return handleWebhook(req, res);
      case '/metrics':
        return handleMetrics(req, res);
      default:
        if (!(await probes.answer(path, res))) respondJson(res, 404, { error: 'not_found' });
    }
  }

  const patience = {
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: limits.slownessCheckMs,
  };
  const server = createServer(patience, (req, res) => {
    handle(req, res).catch((error: unknown) => {
      if (req.destroyed && !req.complete) return; // the client went away in the middle of its own request
      if (error instanceof AccessError && !res.headersSent) return respondRefusal(res, error);
      log.error({ err: error, path: req.url?.split('?')[0] }, 'a request could not be answered');
      if (res.headersSent) res.destroy();
      else respondJson(res, 500, { error: 'internal' });
    });
    res.once('close', () => closing && server.closeIdleConnections());
  });
  // Made here, for it stays with the socket: made below, it would keep the whole request.
  const onUpgradeError = (error: Error) => log.debug({ err: error.message }, 'an upgrade failed');
  server.on('upgrade', (req, socket, head) => {
    socket.on('error', onUpgradeError);
    const admit = async (): Promise<void> => {
      if (closing) throw new AccessError('UNAVAILABLE', 'The service is about to stop. Connect again.');
      if (URL.parse(req.url ?? '', 'http://localhost')?.pathname !== '/graphql')
        throw new AccessError('NOT_FOUND', 'Sockets are at /graphql.');
      checkOrigin(req, policy.allowedOrigins);
      await admission.connect(addressOf(req));
      sockets.upgrade(req, socket, head);
    };
    admit().catch((error: unknown) => refuseUpgrade(socket, error));
  });

  return {
    async listen(port, host) {
      await listenOn(server, port, host);
      return { port: (server.address() as AddressInfo).port };
    },
    retire: probes.retire,
    async close() {
      closing = true;
      probes.retire();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await Promise.all([inBatches([...streams].filter(isEventStream), SENDING_AWAY, (res) => res.destroy()), sockets.close()]);
      const impatient = setTimeout(() => server.closeAllConnections(), limits.closeGraceMs);
      await closed;
      clearTimeout(impatient);
      probes.close();
    },
  };
}
