// The HTTP server: routes, who may pass, and an orderly end. /graphql answers over HTTP, SSE and WebSocket; nothing on it
// is answered without a caller, the page of GraphiQL excepted, which holds no data.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { StartError } from '../errors.ts';
import type { ServerDeps } from './deps.ts';
import { cutFor } from './faults.ts';
import { sendPage, wantsPage } from './graphiql.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { respondJson, respondUnauthenticated, setSecurityHeaders } from './respond.ts';
import { isEventStream, sendResponse } from './send-response.ts';
import { handleWebhook } from './webhook-route.ts';
import { createWebSockets } from './websocket.ts';
import { createGraphql } from './yoga.ts';

export interface HttpServer {
  /** The port, which is of interest when 0 was asked for. */
  listen(port: number, host: string): Promise<{ port: number }>;
  /** Takes nothing new, cuts streams and sockets so that clients go elsewhere, lets requests finish for a moment. */
  close(): Promise<void>;
}

export function createHttpServer(deps: ServerDeps): HttpServer {
  const { authenticate, log, production, readiness } = deps;
  const limits = { ...DEFAULT_LIMITS, ...deps.limits };
  const yoga = createGraphql(deps);
  const sockets = createWebSockets(deps, yoga);
  const streams = new Set<ServerResponse>();
  let closing = false;

  async function handleGraphql(req: IncomingMessage, res: ServerResponse, url: URL): Promise<void> {
    if (!production && wantsPage(req, url)) return sendPage(res);
    const caller = await authenticate(req.headers.authorization);
    if (!caller) return respondUnauthenticated(res);
    const gone = new AbortController();
    res.once('close', () => {
      gone.abort();
      streams.delete(res);
    });
    streams.add(res);
    const onFault = (errorCode: unknown, streaming: boolean) => {
      if (streaming && cutFor(errorCode, streaming)) res.destroy();
    };
    const response = await yoga.handleNodeRequestAndResponse(req, res, { caller, signal: gone.signal, onFault });
    await sendResponse(response, res, limits);
  }

  async function handleReady(res: ServerResponse): Promise<void> {
    const checks = await readiness();
    const ready = !closing && checks.every(({ ok }) => ok);
    respondJson(res, ready ? 200 : 503, { ready, checks: Object.fromEntries(checks.map(({ name, ok }) => [name, ok])) });
  }

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    setSecurityHeaders(res);
    if (closing) res.setHeader('Connection', 'close');
    const url = URL.parse(req.url ?? '', 'http://localhost');
    switch (url?.pathname) {
      case '/graphql':
        return handleGraphql(req, res, url);
      case '/webhooks/workos':
        return handleWebhook(deps, req, res);
      case '/livez':
        return respondJson(res, 200, { live: true });
      case '/readyz':
        return handleReady(res);
      default:
        return respondJson(res, 404, { error: 'not_found' });
    }
  }

  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, (req, res) => {
    handle(req, res).catch((error: unknown) => {
      if (req.destroyed && !req.complete) return; // the client went away in the middle of its own request
      log.error({ err: error, path: req.url?.split('?')[0] }, 'a request could not be answered');
      if (res.headersSent) res.destroy();
      else respondJson(res, 500, { error: 'internal' });
    });
    res.once('close', () => closing && server.closeIdleConnections());
  });
  server.on('upgrade', (req, socket, head) => {
    socket.on('error', (error: Error) => log.debug({ err: error.message }, 'an upgrade failed'));
    if (!closing && URL.parse(req.url ?? '', 'http://localhost')?.pathname === '/graphql') sockets.upgrade(req, socket, head);
    else socket.end(`HTTP/1.1 ${closing ? '503 Service Unavailable' : '404 Not Found'}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  });

  return {
    listen: (port, host) =>
      new Promise((resolve, reject) => {
        const onError = (error: NodeJS.ErrnoException) => reject(cannotListen(error, port, host));
        server.once('error', onError);
        server.listen(port, host, () => {
          server.off('error', onError);
          resolve({ port: (server.address() as AddressInfo).port });
        });
      }),
    async close() {
      closing = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const res of streams) if (isEventStream(res)) res.destroy();
      await sockets.close();
      const impatient = setTimeout(() => server.closeAllConnections(), limits.closeGraceMs);
      await closed;
      clearTimeout(impatient);
    },
  };
}

function cannotListen(error: NodeJS.ErrnoException, port: number, host: string): Error {
  const why: Record<string, string> = {
    EADDRINUSE: `Port ${port} on ${host} is in use by another program. Stop that program, or choose another port with PORT.`,
    EACCES: `Listening on port ${port} is not permitted to this user. Choose a port above 1023 with PORT.`,
    EADDRNOTAVAIL: `This machine has no address ${host}. Choose one of its own with HOST, or 0.0.0.0 for all of them.`,
    ENOTFOUND: `There is no host named ${host}. Choose an address of this machine with HOST.`,
  };
  const sentence = why[error.code ?? ''];
  return sentence ? new StartError(sentence, { cause: error }) : error;
}
