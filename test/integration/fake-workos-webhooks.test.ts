import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WorkOS } from '@workos-inc/node';
import { afterEach, describe, expect, it } from 'vitest';
import { type FakeWorkos, type FakeWorkosOptions, loadHistory, startFakeWorkos } from '../../src/fake-workos/server.ts';
import { createCloser } from '../../src/lib/closer.ts';
import { createLogger } from '../../src/log.ts';

const events = await loadHistory(new URL('../fixtures/small-history.jsonl', import.meta.url).pathname);
const secret = 'whsec_test';
const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const { close } of opened.splice(0).reverse()) await close();
});

interface Received {
  body: Buffer;
  signature: string;
  id: string;
}

/** An endpoint that takes down what it gets; `status` decides the answer to each delivery. */
async function receiver(status: (received: Received, count: number) => number = () => 200) {
  const received: Received[] = [];
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = Buffer.concat(await request.toArray());
    const one = { body, signature: String(request.headers['workos-signature']), id: JSON.parse(body.toString()).id as string };
    received.push(one);
    response.writeHead(status(one, received.length)).end();
  };
  const server = createServer((request, response) => void take(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const closer = createCloser();
  closer.add('receiver', () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    return closed;
  });
  opened.push({ close: () => closer.close(() => {}) });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks/workos`,
    received,
    ids: () => received.map(({ id }) => id),
  };
}

async function start(url: string, webhook: object, source: FakeWorkosOptions['source'] = { kind: 'scripted' }): Promise<FakeWorkos> {
  const fake = await startFakeWorkos({
    log: createLogger('silent'),
    source,
    webhook: { url, secret, retryDelaysMs: [5, 5, 5], ...webhook },
  });
  opened.push(fake);
  return fake;
}

const publishThree = (fake: FakeWorkos) => [1, 2, 3].map((n) => fake.publish({ event: 'dsync.user.deleted', data: { id: `u${n}` } }));
const inOrder = events.map(({ id }) => id);

describe('webhooks of the fake', () => {
  it('come in order, as the Events API has them, with a signature that the SDK accepts', async () => {
    const endpoint = await receiver();
    const fake = await start(endpoint.url, {});
    const ids = publishThree(fake);
    await fake.delivered();
    expect(endpoint.ids()).toEqual(ids);
    expect(fake.webhookSecret).toBe(secret);
    const { webhooks } = new WorkOS('sk_any');
    for (const { body: payload, signature: sigHeader } of endpoint.received) {
      expect(await webhooks.verifyHeader({ payload, sigHeader, secret })).toBe(true);
      await expect(webhooks.verifyHeader({ payload, sigHeader, secret: 'other' })).rejects.toThrow(/does not match/);
    }
    const shown = await fetch(`${fake.url}/events?events=dsync.user.deleted`, { headers: { authorization: `Bearer ${fake.apiKey}` } });
    const { data } = (await shown.json()) as { data: unknown[] };
    expect(endpoint.received.map(({ body }) => JSON.parse(body.toString()))).toEqual(data);
  });

  it('are tried again with increasing patience until they are accepted, then given up', async () => {
    const endpoint = await receiver(({ id }, count) => (id.startsWith('event_never') ? 500 : count < 3 ? 503 : 200));
    const fake = await start(endpoint.url, {});
    fake.publish({ id: 'event_a', event: 'x', data: {} });
    await fake.delivered();
    expect(endpoint.ids()).toEqual(['event_a', 'event_a', 'event_a']);
    fake.publish({ id: 'event_never', event: 'x', data: {} });
    await fake.delivered();
    expect(fake.deliveries()).toEqual({ pending: 0, delivered: 1, failedAttempts: 2 + 4, givenUp: 1, lost: 0 });
  });

  it('survive an endpoint that is not there', async () => {
    const fake = await start('http://127.0.0.1:9/', { retryDelaysMs: [] });
    publishThree(fake);
    await fake.delivered();
    expect(fake.deliveries()).toMatchObject({ pending: 0, givenUp: 3 });
  });

  it('can be shuffled and repeated, for a whole history at once', async () => {
    const endpoint = await receiver();
    const fake = await start(endpoint.url, { shuffleSeed: 3, repeat: 2 }, { kind: 'history', events });
    await fake.delivered();
    expect(endpoint.ids()).toHaveLength(2 * events.length);
    expect(endpoint.ids().toSorted()).toEqual(inOrder.flatMap((id) => [id, id]));
    expect([...new Set(endpoint.ids())]).not.toEqual(inOrder);
  });

  it('can be lost by chance, while the Events API has them all', async () => {
    const endpoint = await receiver();
    const fake = await start(endpoint.url, { lossProbability: 0.5 }, { kind: 'history', events });
    await fake.delivered();
    const { delivered = 0, lost = 0 } = fake.deliveries() ?? {};
    expect(delivered + lost).toBe(events.length);
    expect(delivered).toBe(endpoint.received.length);
    expect(Math.min(delivered, lost)).toBeGreaterThan(0);
  });

  it('obey faults: lost, twice, late, badly signed', async () => {
    const endpoint = await receiver();
    const fake = await start(endpoint.url, {});
    for (const kind of ['lost', 'duplicated', 'slow', 'bad_signature'] as const)
      fake.fault({ path: 'webhook', kind, ...(kind === 'slow' && { delayMs: 300 }) });
    const [, twice, late] = publishThree(fake);
    const bad = fake.publish({ event: 'x', data: {} });
    const quiet = fake.publish({ event: 'x', data: {} }, { viaWebhook: false });
    await fake.delivered();
    expect(endpoint.ids()).toEqual([twice, twice, bad, late]);
    expect(endpoint.ids()).not.toContain(quiet);
    const { body: payload, signature: sigHeader } = endpoint.received[2] as Received;
    await expect(new WorkOS('sk_any').webhooks.verifyHeader({ payload, sigHeader, secret })).rejects.toThrow(/does not match/);
  });

  it('lose every n-th on request', async () => {
    const endpoint = await receiver();
    const fake = await start(endpoint.url, {});
    fake.fault({ path: 'webhook', kind: 'lost', everyNth: 2, times: null });
    const ids = [...publishThree(fake), ...publishThree(fake)];
    await fake.delivered();
    expect(endpoint.ids()).toEqual([ids[0], ids[2], ids[4]]);
  });

  it('of an event that is published again are sent again, while the stream shows it once', async () => {
    const endpoint = await receiver();
    const fake = await start(endpoint.url, {}, { kind: 'history', events: [] });
    const [first] = events;
    for (let i = 0; i < 5; i += 1) fake.publish(first as (typeof events)[0]);
    await fake.delivered();
    expect(endpoint.ids()).toEqual(Array(5).fill(first?.id));
    expect(fake.truth().organizations.size).toBe(1);
  });
});
