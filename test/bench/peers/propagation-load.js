// One subscriber, and a sender of webhooks, in one process, so that one clock measures. Forked; answers each message:
//
//   { open: { url, authorization, query } }                        → {}
//   { send: { url, perSecond, deliveries: [{ id, body, signature }] } }  → { latencies: [ms from the request to its change] }
import { Agent, request } from 'node:http';
import { WebSocket } from 'ws';

const PATIENCE_MS = 30_000;
const agent = new Agent({ keepAlive: true });
/** When the delivery of an event began. */
const sentAt = new Map();
let latencies = [];
let whenAll;
let wanted = 0;
let socket;

function onItem(text) {
  const id = /"eventId":"([^"]+)"/.exec(text)?.[1];
  const startedAt = sentAt.get(id);
  if (startedAt === undefined) return;
  sentAt.delete(id);
  latencies.push(performance.now() - startedAt);
  if (latencies.length === wanted) whenAll?.();
}

function open({ url, authorization, query }) {
  return new Promise((resolve, reject) => {
    socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    const tell = (message) => socket.send(JSON.stringify(message));
    socket.on('open', () => tell({ type: 'connection_init', payload: { authorization } }));
    socket.on('error', reject);
    socket.on('message', (data) => {
      const text = String(data);
      if (text.startsWith('{"type":"connection_ack"')) {
        tell({ id: '1', type: 'subscribe', payload: { query } });
        setTimeout(resolve, 1_000, {});
      } else onItem(text);
    });
  });
}

function post(url, { id, body, signature }) {
  const options = {
    agent,
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), 'workos-signature': signature },
  };
  sentAt.set(id, performance.now());
  const sent = request(`${url}/webhooks/workos`, options, (response) => {
    if (response.statusCode !== 200) throw new Error(`the webhook was answered ${response.statusCode}`);
    response.resume();
  });
  sent.end(body);
}

async function send({ url, perSecond, deliveries }) {
  latencies = [];
  wanted = deliveries.length;
  const all = new Promise((resolve, reject) => {
    whenAll = resolve;
    setTimeout(
      () => reject(new Error(`only ${latencies.length} of ${wanted} changes came`)),
      (deliveries.length / perSecond) * 1_000 + PATIENCE_MS,
    ).unref();
  });
  // By the clock, whatever becomes of those before.
  const startedAt = performance.now();
  for (const [index, delivery] of deliveries.entries()) {
    const waitMs = startedAt + (index * 1_000) / perSecond - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    post(url, delivery);
  }
  await all;
  return { latencies };
}

process.on('message', async (message) => {
  try {
    process.send(message.open ? await open(message.open) : await send(message.send));
  } catch (error) {
    process.send({ error: String(error) });
  }
});
process.on('disconnect', () => process.exit(0));
