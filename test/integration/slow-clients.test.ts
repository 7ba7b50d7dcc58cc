// Clients that take their time, or never end what they began: each is sent away, nobody else waits for it.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type Api, startApi } from '../support/api.ts';

let api: Api;
const sockets: Socket[] = [];

beforeAll(async () => {
  api = await startApi({
    limits: { headersTimeoutMs: 400, requestTimeoutMs: 800, slownessCheckMs: 50, connectionInitTimeoutMs: 300, keepAliveMs: 400 },
  });
}, 120_000);
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});
afterAll(() => api.close());

const AUTHORIZED = ['Host: localhost', 'Authorization: Bearer admin', 'Content-Type: application/json'];
const UPGRADE = [
  'Host: localhost',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  `Sec-WebSocket-Key: ${'A'.repeat(22)}==`,
];

/** Writes `begin` at once and then `drop`, again and again, until it is cut off; resolves with what was answered. */
async function drip(begin: string[], drop: string | Buffer): Promise<string> {
  const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
  sockets.push(socket);
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  socket.on('error', () => {}); // cut off in the middle of a drop
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await once(socket, 'connect');
  socket.write(begin.join('\r\n'));
  const timer = setInterval(() => socket.write(drop), 30);
  await closed;
  clearInterval(timer);
  return answer.split('\r\n')[0] ?? '';
}

const stillServed = async (): Promise<void> => {
  const response = await fetch(`${api.url}/livez`);
  expect(response.status).toBe(200);
  await response.arrayBuffer();
};

test.each<[string, string[], string]>([
  ['a first line that does not end', ['GET /graphql'], 'x'],
  ['headers that do not end', ['POST /graphql HTTP/1.1', ...AUTHORIZED, 'X-Slow: '], 'x'],
  ['headers of an upgrade that do not end', ['GET /graphql HTTP/1.1', ...UPGRADE, 'X-Slow: '], 'x'],
  ['an operation that does not end', ['POST /graphql HTTP/1.1', ...AUTHORIZED, 'Content-Length: 1000', '', '{"query":"'], 'x'],
  ['an operation in chunks that do not end', ['POST /graphql HTTP/1.1', ...AUTHORIZED, 'Transfer-Encoding: chunked', '', ''], '1\r\nx\r\n'],
  ['a webhook that does not end', ['POST /webhooks/workos HTTP/1.1', 'Host: localhost', 'Content-Length: 1000', '', '{'], 'x'],
  ['nothing at all', [''], ''],
])('%s', async (_what, begin, drop) => {
  const cut = drip(begin, drop);
  await stillServed();
  expect(await cut).toMatch(/^(HTTP\/1\.1 408 Request Timeout)?$/);
  await stillServed();
});

test.each<[string, string | Buffer]>([
  ['says nothing', ''],
  ['never ends its first message', Buffer.from([0x01, 0x80, 0, 0, 0, 0])],
  ['only pings', Buffer.from([0x89, 0x80, 0, 0, 0, 0])],
])('a WebSocket that %s is closed', async (_what, drop) => {
  const cut = drip(['GET /graphql HTTP/1.1', ...UPGRADE, 'Sec-WebSocket-Protocol: graphql-transport-ws', '', ''], drop);
  await stillServed();
  expect(await cut).toBe('HTTP/1.1 101 Switching Protocols');
});

test('a WebSocket that does not introduce itself is told so', async () => {
  const socket = new WebSocket(`${api.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  const [code] = (await once(socket, 'close')) as [number];
  expect(code).toBe(4408);
});

test('an upgrade that is refused leaves no socket behind, though the peer keeps its side open', async () => {
  const socket = connect({ port: Number(new URL(api.url).port), host: '127.0.0.1', allowHalfOpen: true });
  sockets.push(socket);
  socket.on('error', () => {});
  socket.write(['GET /elsewhere HTTP/1.1', ...UPGRADE, '', ''].join('\r\n'));
  const [first] = (await once(socket, 'data')) as [Buffer];
  expect(String(first)).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/);
  await once(socket, 'end');
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write('x'.repeat(1_000_000));
  await closed;
});
