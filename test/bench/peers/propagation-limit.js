// The limit of propagation: what is delivered is committed in Postgres, handed to Redis, read back from there and sent to the
// subscriber, in the simplest way there is. It says the same as the service would; nothing is verified, computed or recorded.
import { createServer } from 'node:http';
import Redis from 'ioredis';
import pg from 'pg';
import { WebSocketServer } from 'ws';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
await pool.query('CREATE TABLE IF NOT EXISTS bench_delivery (id text PRIMARY KEY, raw text NOT NULL)');
const redis = new Redis(process.env.REDIS_URL);
const reader = new Redis(process.env.REDIS_URL);
const STREAM = 'bench-deliveries';
const subscribers = new Set();

async function accept(body, response) {
  const { id } = JSON.parse(body);
  await pool.query({ name: 'store', text: 'INSERT INTO bench_delivery (id, raw) VALUES ($1, $2)', values: [id, body] });
  response.writeHead(200, { 'content-type': 'application/json' }).end('{"stored":true}');
  await redis.xadd(STREAM, 'MAXLEN', '~', 10_000, '*', 'change', process.env.CHANGE.replace('EVENT_ID', id));
}

async function follow() {
  for (let last = '$'; ; ) {
    const reply = await reader.xread('COUNT', 500, 'BLOCK', 5_000, 'STREAMS', STREAM, last);
    for (const [id, fields] of reply?.[0]?.[1] ?? []) {
      last = id;
      const message = `{"id":"1","type":"next","payload":{"data":{"entitlementChanges":${fields[1]}}}}`;
      for (const socket of subscribers) socket.send(message);
    }
  }
}

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => void accept(Buffer.concat(chunks).toString(), response));
});
new WebSocketServer({ server, path: '/graphql', handleProtocols: () => 'graphql-transport-ws' }).on('connection', (socket) => {
  socket.on('message', (data) => {
    const { type } = JSON.parse(String(data));
    if (type === 'connection_init') socket.send('{"type":"connection_ack"}');
    else if (type === 'subscribe') subscribers.add(socket);
  });
  socket.on('close', () => subscribers.delete(socket));
});
void follow();
server.listen(0, '127.0.0.1', () => process.stdout.write(`http://127.0.0.1:${server.address().port}\n`));
