// The probes alone, for a process that answers nothing else (`work` with a PORT).
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from '../log.ts';
import { listenOn } from './listen-on.ts';
import type { Probes } from './probes.ts';
import { respondJson, setSecurityHeaders } from './respond.ts';

export interface ProbeServer {
  listen(port: number, host: string): Promise<{ port: number }>;
  close(): Promise<void>;
}

export function createProbeServer({ probes, log }: { probes: Probes; log: Logger }): ProbeServer {
  const server = createServer((req, res) => {
    setSecurityHeaders(res);
    probes
      .answer(URL.parse(req.url ?? '', 'http://localhost')?.pathname, res)
      .then((answered) => answered || respondJson(res, 404, { error: 'not_found' }))
      .catch((error: unknown) => {
        log.error({ err: error }, 'a probe could not be answered');
        res.destroy();
      });
  });
  return {
    async listen(port, host) {
      await listenOn(server, port, host);
      return { port: (server.address() as AddressInfo).port };
    },
    close() {
      probes.close();
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
