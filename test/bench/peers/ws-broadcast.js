// The limit of fan-out: `ws` alone. A subscriber is a socket; a change is made into the bytes of one message, once, and that is
// sent to every socket. Who may, what was asked for and how it goes on after a cut is nobody's concern.
import { createServer } from 'node:http';
import Redis from 'ioredis';
import { WebSocketServer } from 'ws';
import { CHANNEL } from './publish.js';

const server = createServer();
const sockets = new WebSocketServer({ server, path: '/graphql', handleProtocols: () => 'graphql-transport-ws' });
const subscribers = new Set();

sockets.on('connection', (socket) => {
  socket.on('message', (data) => {
    const { type } = JSON.parse(String(data));
    if (type === 'connection_init') socket.send('{"type":"connection_ack"}');
    else if (type === 'subscribe') subscribers.add(socket);
  });
  socket.on('close', () => subscribers.delete(socket));
});

const redis = new Redis(process.env.REDIS_URL);
redis.on('message', (_, change) => {
  const message = `{"id":"1","type":"next","payload":{"data":{"entitlementChanges":${change}}}}`;
  for (const socket of subscribers) socket.send(message);
});
await redis.subscribe(CHANNEL);

server.listen(0, '127.0.0.1', () => process.stdout.write(`http://127.0.0.1:${server.address().port}\n`));
