// Frames made by hand are what a WebSocket client takes them for, of whatever length, in order with those of ws itself.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { createPacing } from '../../src/server/paced-send.ts';
import { textFrame } from '../../src/server/text-frame.ts';

test('a client reads what was framed, and everything in the order in which it was written', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const [socket, request] = await once(server, 'connection');
  const seen: string[] = [];
  client.on('message', (data, isBinary) => seen.push(isBinary ? 'binary' : String(data)));
  client.on('ping', (data) => seen.push(`ping ${data}`));
  const send = createPacing(1e9)(socket, request.socket);
  const written: string[] = [];
  for (const length of [0, 1, 123, 124, 125, 126, 127, 65_533, 65_534, 65_535, 65_536, 200_000]) {
    const text = 'x'.repeat(length);
    send(textFrame('', Buffer.from(text), ''));
    send(textFrame('„é"', Buffer.from(text), '}'));
    send(textFrame(text));
    socket.ping(String(length));
    written.push(text, `„é"${text}}`, text, `ping ${length}`);
  }
  send(textFrame('the last'));
  socket.close();
  await once(client, 'close');
  expect(seen).toEqual([...written, 'the last']);
  server.close();
});
