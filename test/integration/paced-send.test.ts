// What waits in this process for a client that does not read is bounded, over a real socket.
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { createPacing } from '../../src/server/paced-send.ts';
import { textFrame } from '../../src/server/text-frame.ts';
import { waitFor } from '../support/wait-for.ts';

const LIMIT = 256 * 1024;
const MESSAGE = 'x'.repeat(32 * 1024);
const MANY = 1_000; // 32 MB, more than the system keeps for a loopback connection
let server: WebSocketServer;

beforeAll(async () => {
  server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
});

afterAll(async () => {
  server.close();
  await once(server, 'close');
});

/** A client that reads nothing, and the server's end of it. */
async function frozen() {
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const [socket] = (await once(server, 'connection')) as [WebSocket];
  if (client.readyState !== client.OPEN) await once(client, 'open');
  const raw = (client as unknown as { _socket: Socket })._socket;
  raw.pause();
  return { client, socket, thaw: () => raw.resume() };
}

/** One after the other, as graphql-ws does; returns how many were taken and the most that waited. */
function sending(socket: WebSocket, limit: number) {
  const send = createPacing(limit)(socket, (socket as unknown as { _socket: Socket })._socket);
  const seen = { sent: 0, most: 0, ended: false };
  const done = (async () => {
    for (; seen.sent < MANY; seen.sent += 1) {
      await send(textFrame(MESSAGE));
      seen.most = Math.max(seen.most, socket.bufferedAmount);
      await setImmediate();
    }
    seen.ended = true;
  })();
  return Object.assign(seen, { done });
}

test('sending stops while more than the limit waits, and goes on when the client reads again', async () => {
  const { client, socket, thaw } = await frozen();
  const seen = sending(socket, LIMIT);
  await waitFor('the limit to be reached', () => socket.bufferedAmount > LIMIT);
  const { sent } = seen;
  for (let turn = 0; turn < 50; turn += 1) await setImmediate();
  expect(seen.sent).toBe(sent);
  expect(seen.ended).toBe(false);
  let received = 0;
  client.on('message', () => {
    received += 1;
  });
  thaw();
  await seen.done;
  await waitFor('everything to have come', () => received === MANY);
  expect(seen.most).toBeLessThan(LIMIT + 2 * MESSAGE.length);
  client.terminate();
});

test('control: without a limit everything waits in memory', async () => {
  const { client, socket } = await frozen();
  const seen = sending(socket, Number.POSITIVE_INFINITY);
  await seen.done;
  expect(seen.most).toBeGreaterThan(10 * LIMIT);
  client.terminate();
  socket.terminate();
});

test('a send that waits settles when the socket is closed, and later ones at once', async () => {
  const { client, socket } = await frozen();
  const seen = sending(socket, LIMIT);
  await waitFor('the limit to be reached', () => socket.bufferedAmount > LIMIT);
  socket.terminate();
  await seen.done;
  expect(seen.sent).toBe(MANY);
  client.terminate();
});

test('what comes up in one turn goes out in one write, at its end', async () => {
  const writes: string[] = [];
  const wire = new Duplex({
    read() {},
    write(chunk, _encoding, done) {
      writes.push(String(chunk));
      done();
    },
    writev(chunks, done) {
      writes.push(chunks.map(({ chunk }) => String(chunk)).join(' '));
      done();
    },
  });
  const socket = { readyState: WebSocket.OPEN, OPEN: WebSocket.OPEN } as WebSocket;
  const send = createPacing(LIMIT)(socket, wire);
  for (const word of ['a', 'b', 'c']) send(Buffer.from(word));
  expect(writes).toEqual([]);
  await setImmediate();
  send(Buffer.from('d'));
  await setImmediate();
  expect(writes).toEqual(['a b c', 'd']);
});
