// An HTTP server on 127.0.0.1 that answers as it is told, request by request; for what a well-behaved server never does.
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SeenRequest {
  path: string;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
}

export type Answer = (response: ServerResponse, request: SeenRequest) => void;

export interface ScriptedHttp {
  url: string;
  requests: SeenRequest[];
  /** The next answers, in order; the last one stays. */
  answer(...answers: Answer[]): void;
  stop(): Promise<void>;
}

export const json =
  (body: unknown, { status = 200, headers = {} }: { status?: number; headers?: Record<string, string> } = {}): Answer =>
  (response) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));

export async function startScriptedHttp(): Promise<ScriptedHttp> {
  let answers: Answer[] = [];
  const requests: SeenRequest[] = [];
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://scripted');
    const seen = { path: pathname, query: searchParams, headers: request.headers };
    requests.push(seen);
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer) answer(response, seen);
    else response.writeHead(500).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer(...next) {
      answers = next;
      requests.length = 0;
    },
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
