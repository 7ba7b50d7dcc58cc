// Thousands of GraphQL subscribers in one process: WebSockets read by hand, because a client library would cost more than the
// servers that are compared, and then only the client would be measured. Forked; answers one message after the other:
//
//   { open: { url, authorization, count, query, variables: [one for each, in turn] } }    → { opened }
//   { roll: { publish?: { how, redisUrl, change } } }                                      → { missing }, to whom it did not come
//   { round: { count, publish? } }                                                         → { publishedAt, arrivals }
//   { close: true }                                                                        → {}
//
// Times are milliseconds of the machine's monotonic clock, the same in every process.
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { createPublish } from './publish.js';

const CONNECTING_AT_A_TIME = 64;
const QUIET_MS = 1_500;
const PATIENCE_MS = 45_000;
const CHANGE = Buffer.from('"EntitlementChange"');
const now = () => Number(process.hrtime.bigint()) / 1e6;

/** What came of the present round. */
let arrivals = new Float64Array(0);
let arrived = 0;
let whenAll;
let bytesOfOne = 0;

/** Who has nothing yet of a roll call, while there is one. */
let missing = null;
let lastAt = 0;

function onChange(socket, payloadBytes) {
  bytesOfOne = payloadBytes;
  if (missing) {
    missing.delete(socket);
    lastAt = now();
    return;
  }
  if (arrived < arrivals.length) arrivals[arrived] = now();
  arrived += 1;
  if (arrived === arrivals.length) whenAll?.();
}

/** Every byte of a client's message is masked; by zero, which alters nothing. */
function frame(opcode, payload) {
  const { length } = payload;
  const head = length < 126 ? Buffer.alloc(6) : Buffer.alloc(8);
  head[0] = 0x80 | opcode;
  if (length < 126) head[1] = 0x80 | length;
  else {
    head[1] = 0x80 | 126;
    head.writeUInt16BE(length, 2);
  }
  return Buffer.concat([head, payload]);
}
const text = (message) => frame(1, Buffer.from(JSON.stringify(message)));

/** Calls `onFrame` for each whole message of the server; what is left of the last one is kept. */
function reader(onFrame) {
  let kept = null;
  return (chunk) => {
    const data = kept ? Buffer.concat([kept, chunk]) : chunk;
    let at = 0;
    while (data.length - at >= 2) {
      const short = data[at + 1] & 0x7f;
      const head = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (data.length - at < head) break;
      const length = short === 126 ? data.readUInt16BE(at + 2) : short === 127 ? Number(data.readBigUInt64BE(at + 2)) : short;
      if (data.length - at < head + length) break;
      onFrame(data[at] & 0x0f, data.subarray(at + head, at + head + length));
      at += head + length;
    }
    kept = at < data.length ? Buffer.from(data.subarray(at)) : null;
  };
}

const shared = Buffer.alloc(64 * 1024);
const sockets = new Set();

/** Resolves with the first message of the subscription, or where none comes by itself when it was acknowledged. */
function subscribe({ host, port, authorization, query, variables, greets }) {
  return new Promise((resolve, reject) => {
    let upgraded = false;
    let head = '';
    let socket;
    const read = reader((opcode, payload) => {
      if (opcode === 9) return socket.write(frame(10, Buffer.from(payload)));
      if (opcode === 8) return reject(new Error(`the server closed a socket: ${payload.length > 1 ? payload.readUInt16BE(0) : ''}`));
      if (payload.includes(CHANGE)) return onChange(socket, payload.length);
      const { type, payload: told } = JSON.parse(payload.toString());
      if (type === 'connection_ack') {
        socket.write(text({ id: '1', type: 'subscribe', payload: { query, variables } }));
        if (!greets) resolve();
      } else if (type === 'error') reject(new Error(JSON.stringify(told)));
      else if (type === 'ping') socket.write(text({ type: 'pong' }));
      else resolve();
    });
    const callback = (size, buffer) => {
      let chunk = buffer.subarray(0, size);
      if (!upgraded) {
        head += chunk.latin1Slice();
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) return true;
        if (!head.startsWith('HTTP/1.1 101')) reject(new Error(head.slice(0, end)));
        upgraded = true;
        socket.write(text({ type: 'connection_init', payload: { authorization } }));
        chunk = Buffer.from(head.slice(end + 4), 'latin1');
        head = '';
      }
      if (chunk.length > 0) read(chunk);
      return true;
    };
    socket = connect({ host, port, noDelay: true, onread: { buffer: shared, callback } });
    sockets.add(socket);
    socket.on('error', reject);
    socket.on('close', () => sockets.delete(socket));
    const lines = [
      'GET /graphql HTTP/1.1',
      `Host: ${host}:${port}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Protocol: graphql-transport-ws',
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    ];
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  });
}

async function open({ url, authorization, count, query, variables, greets }) {
  const { hostname: host, port } = new URL(url);
  let next = 0;
  const lane = async () => {
    while (next < count) {
      const index = next;
      next += 1;
      await subscribe({ host, port: Number(port), authorization, query, variables: variables[index % variables.length], greets });
    }
  };
  await Promise.all(Array.from({ length: CONNECTING_AT_A_TIME }, lane));
  return { opened: count };
}

const publishers = new Map();

/** undefined: the parent publishes, when it is told that we are ready. */
async function publisherOf(publish) {
  if (!publish) return () => process.send({ ready: true });
  const key = `${publish.how} ${publish.redisUrl}`;
  if (!publishers.has(key)) publishers.set(key, await createPublish(publish));
  return () => publishers.get(key)(publish.change);
}

/** Not every server says when a subscription has begun: what comes to all says so. */
async function roll({ publish }) {
  const tell = await publisherOf(publish);
  missing = new Set(sockets);
  lastAt = now();
  tell();
  while (now() - lastAt < QUIET_MS) await new Promise((resolve) => setTimeout(resolve, QUIET_MS / 10));
  const { size } = missing;
  missing = null;
  return { missing: size };
}

async function round({ count, publish }) {
  const tell = await publisherOf(publish);
  arrivals = new Float64Array(count);
  arrived = 0;
  let impatient;
  const all = new Promise((resolve, reject) => {
    whenAll = resolve;
    impatient = setTimeout(() => reject(new Error(`it came to ${arrived} of ${count} within ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  const publishedAt = now();
  tell();
  await all;
  clearTimeout(impatient);
  whenAll = undefined;
  return { publishedAt, arrivals: [...arrivals], bytes: bytesOfOne };
}

async function close() {
  const closing = [...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
  for (const socket of sockets) socket.destroy();
  await Promise.all(closing);
  return {};
}

process.on('message', async (message) => {
  try {
    if (message.open) process.send(await open(message.open));
    else if (message.roll) process.send(await roll(message.roll));
    else if (message.round) process.send(await round(message.round));
    else process.send(await close());
  } catch (error) {
    process.send({ error: String(error) });
  }
});
process.on('disconnect', () => process.exit(0));
