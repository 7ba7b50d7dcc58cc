// /metrics: of the whole, so only for callers that see the whole; or without a key on a port of its own, on the loopback.
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Caller } from '../auth/caller.ts';
import { AccessError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Exposition } from '../observability/metrics.ts';
import { listenOn } from './listen-on.ts';
import { respondJson, setSecurityHeaders } from './respond.ts';

const LOOPBACK = '127.0.0.1';

export function assertMaySeeMetrics({ scopes, organizationId }: Caller): void {
  if (scopes.includes('SYNC_READ') && organizationId === null) return;
  throw new AccessError('FORBIDDEN', 'Metrics are for callers with the scope SYNC_READ that are bound to no organization.');
}

export async function respondMetrics(res: ServerResponse, { contentType, text }: Exposition): Promise<void> {
  const body = await text();
  res.setHeader('Content-Type', contentType);
  res.end(body);
}

export interface MetricsServer {
  listen(port: number): Promise<{ port: number }>;
  close(): Promise<void>;
}

export function createMetricsServer({ exposition, log }: { exposition: Exposition; log: Logger }): MetricsServer {
  const server = createServer((req, res) => {
    setSecurityHeaders(res);
    if (URL.parse(req.url ?? '', 'http://localhost')?.pathname !== '/metrics') return respondJson(res, 404, { error: 'not_found' });
    respondMetrics(res, exposition).catch((error: unknown) => {
      log.error({ err: error }, 'metrics could not be told');
      respondJson(res, 500, { error: 'internal' });
    });
  });
  return {
    async listen(port) {
      await listenOn(server, port, LOOPBACK);
      return { port: (server.address() as AddressInfo).port };
    },
    close() {
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
