// How often: each limit at its edge, shared through Redis, and standing alone while Redis is away.
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { AccessError } from '../../src/errors.ts';
import { createLogger } from '../../src/log.ts';
import { openRedis, type RedisConnections } from '../../src/redis/client.ts';
import { createRateLimit, type RateLimit } from '../../src/server/rate-limit.ts';
import { type Api, startApi } from '../support/api.ts';
import { type OwnRedis, startRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait-for.ts';

const refused = { code: 'RATE_LIMITED', details: { retryAfterSeconds: expect.any(Number) } };
const outcome = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'ok',
    (error: unknown) => (error instanceof AccessError ? error.code : String(error)),
  );
const outcomes = async (count: number, take: () => Promise<unknown>): Promise<Record<string, number>> => {
  const seen: Record<string, number> = {};
  for (const one of await Promise.all(Array.from({ length: count }, () => outcome(take())))) seen[one] = (seen[one] ?? 0) + 1;
  return seen;
};

describe('one counter', () => {
  test('lets through exactly its number, however many come at once, and says when to come again', async () => {
    const limit = createRateLimit({ name: 'exact', perMinute: 100, counters: null });
    expect(await outcomes(250, () => limit.take('a'))).toEqual({ ok: 100, RATE_LIMITED: 150 });
    await expect(limit.take('a')).rejects.toMatchObject(refused);
    expect(() => limit.check('a')).toThrow(AccessError);
    expect(await outcome(limit.take('b'))).toBe('ok');
  });

  test('a large number as well, though it is taken in bundles', async () => {
    const limit = createRateLimit({ name: 'bundled', perMinute: 50_000, counters: null });
    expect(await outcomes(60_000, () => limit.take('a'))).toEqual({ ok: 50_000, RATE_LIMITED: 10_000 });
  });

  test('begins anew after a minute', async () => {
    let offsetMs = 0;
    const limit = createRateLimit({ name: 'anew', perMinute: 2_000, counters: null, now: () => Date.now() + offsetMs });
    expect(await outcomes(2_001, () => limit.take('a'))).toEqual({ ok: 2_000, RATE_LIMITED: 1 });
    offsetMs = 61_000;
    expect(() => limit.check('a')).not.toThrow();
  });
});

describe('with Redis', () => {
  let server: OwnRedis;
  let redis: RedisConnections;
  let counters: ReturnType<RedisConnections['openCounters']>;

  beforeAll(async () => {
    server = await startRedis();
    redis = openRedis({ url: server.url, log: createLogger('silent') });
    counters = redis.openCounters();
    await waitFor('the connection', () => counters.status === 'ready');
  }, 60_000);
  afterAll(async () => {
    counters.disconnect();
    redis.close();
    await server.stop();
  });

  test('processes count together', async () => {
    // Patient connections, lest a busy machine be taken for an outage.
    const second = openRedis({ url: server.url, log: createLogger('silent') });
    await waitFor('the connections', () => [redis, second].every(({ request }) => request.status === 'ready'));
    const pair = (name: string, perMinute: number) =>
      [redis, second].map(({ request }) => createRateLimit({ name, perMinute, counters: request })) as [RateLimit, RateLimit];
    const [here, there] = pair('exact', 100);
    expect(await outcomes(60, () => here.take('a'))).toEqual({ ok: 60 });
    expect(await outcomes(60, () => there.take('a'))).toEqual({ ok: 40, RATE_LIMITED: 20 });
    expect(await outcome(here.take('a'))).toBe('RATE_LIMITED');
    const seen = await Promise.all(pair('bundled', 10_000).map((limit) => outcomes(8_000, () => limit.take('a'))));
    expect(seen.reduce((sum, { ok = 0 }) => sum + ok, 0)).toBe(10_000);
    second.close();
  });

  test('nobody is refused, and nobody waits, while Redis is frozen or gone; each process counts for itself', async () => {
    const limit = createRateLimit({ name: 'away', perMinute: 50, counters });
    server.freeze();
    expect(await outcomes(60, () => limit.take('frozen'))).toEqual({ ok: 50, RATE_LIMITED: 10 });
    server.thaw();
    await server.kill();
    expect(await outcomes(60, () => limit.take('gone'))).toEqual({ ok: 50, RATE_LIMITED: 10 });
    await server.restart();
    await waitFor('the connection', () => counters.status === 'ready');
    expect(await outcome(limit.take('back'))).toBe('ok');
    expect(await counters.keys('*:back')).toHaveLength(1);
  }, 60_000);
});

describe('on the server', () => {
  const post = (api: Api, key: string, query = '{ __typename }') =>
    fetch(`${api.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: JSON.stringify({ query }),
    });
  const statuses = async (count: number, ask: () => Promise<Response>) => {
    const seen: number[] = [];
    for (let n = 0; n < count; n += 1) {
      const response = await ask();
      seen.push(response.status);
      await response.arrayBuffer();
    }
    return seen;
  };
  const using = async (limits: Parameters<typeof startApi>[0], use: (api: Api) => Promise<void>) => {
    const api = await startApi(limits);
    try {
      await use(api);
    } finally {
      await api.close();
    }
  };

  test('an address that fails too often is refused unheard, except for callers that were good before', () =>
    using({ limits: { failedAuthenticationsPerMinute: 3 } }, async (api) => {
      expect((await post(api, 'admin')).status).toBe(200);
      expect(await statuses(5, () => post(api, 'wrong'))).toEqual([401, 401, 401, 429, 429]);
      const other = await post(api, 'acme');
      expect(other.status).toBe(429);
      expect(Number(other.headers.get('retry-after'))).toBeGreaterThan(0);
      expect((await post(api, 'admin')).status).toBe(200);
    }));

  test('operations count by caller, on HTTP and WebSocket together', () =>
    using({ limits: { operationsPerMinute: 4 } }, async (api) => {
      const socket = api.socket();
      const over = () =>
        new Promise<string>((resolve) => {
          const code = (all: unknown) => resolve((all as { extensions: { code: string } }[])[0]?.extensions.code ?? '');
          socket.subscribe({ query: '{ __typename }' }, { next: () => resolve('ok'), error: code, complete: () => {} });
        });
      expect([await over(), await over()]).toEqual(['ok', 'ok']);
      expect(await statuses(3, () => post(api, 'admin'))).toEqual([200, 200, 429]);
      expect(await over()).toBe('RATE_LIMITED');
    }));

  test('behind a proxy that is trusted, addresses count apart; the header alone gives nobody a new one', () =>
    using({ limits: { failedAuthenticationsPerMinute: 1 }, policy: { trustedProxies: ['127.0.0.1'] } }, async (api) => {
      const wrong = (from: string) => fetch(`${api.url}/graphql`, { headers: { authorization: 'Bearer wrong', 'x-forwarded-for': from } });
      expect(await statuses(2, () => wrong('203.0.113.1'))).toEqual([401, 429]);
      expect(await statuses(2, () => wrong('203.0.113.2'))).toEqual([401, 429]);
      expect(await statuses(1, () => wrong('203.0.113.9, 203.0.113.1'))).toEqual([429]);
    }));

  test('webhooks', () =>
    using({ limits: { webhooksPerMinute: 2 } }, async (api) => {
      const deliver = () => fetch(`${api.url}/webhooks/workos`, { method: 'POST', body: '{}' });
      expect(await statuses(3, deliver)).toEqual([200, 200, 429]);
      expect((await deliver()).headers.get('retry-after')).toMatch(/^\d+$/);
    }));

  /** How a WebSocket fares: the status of a refused upgrade, or the close code, or that it was acknowledged. */
  const knock = (api: Api, key = 'admin'): Promise<{ socket: WebSocket; fate: number | 'acknowledged' }> =>
    new Promise((resolve) => {
      const socket = new WebSocket(`${api.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
      socket.on('unexpected-response', (_request, response) => resolve({ socket, fate: response.statusCode ?? 0 }));
      socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${key}` } })));
      socket.on('message', () => resolve({ socket, fate: 'acknowledged' }));
      socket.on('close', (code) => resolve({ socket, fate: code }));
      socket.on('error', () => {});
    });

  test('WebSockets opened, by address', () =>
    using({ limits: { connectsPerMinute: 2 } }, async (api) => {
      const [first, second] = [await knock(api), await knock(api, 'acme')];
      expect([first.fate, second.fate]).toEqual(['acknowledged', 'acknowledged']);
      expect((await knock(api)).fate).toBe(429);
      for (const { socket } of [first, second]) socket.terminate();
    }));

  test('WebSockets at a time, by caller: told to come later, and let in when one has left', () =>
    using({ limits: { socketsPerCaller: 1 } }, async (api) => {
      const first = await knock(api);
      expect([first.fate, (await knock(api)).fate]).toEqual(['acknowledged', 1013]);
      const other = await knock(api, 'acme');
      expect(other.fate).toBe('acknowledged');
      first.socket.terminate();
      await waitFor('a place', async () => {
        const { fate, socket } = await knock(api);
        socket.terminate();
        return fate === 'acknowledged';
      });
      other.socket.terminate();
    }));

  test('streams over HTTP take places like WebSockets', () =>
    using({ limits: { socketsPerCaller: 1 } }, async (api) => {
      const follow = (signal: AbortSignal) =>
        fetch(`${api.url}/graphql?query=subscription{entitlementChanges{__typename}}`, {
          headers: { authorization: 'Bearer admin', accept: 'text/event-stream' },
          signal,
        });
      const stop = new AbortController();
      const first = await follow(stop.signal);
      expect([first.status, (await follow(new AbortController().signal)).status, (await knock(api)).fate]).toEqual([200, 429, 1013]);
      stop.abort();
      await waitFor('a place', async () => {
        const again = new AbortController();
        const { status } = await follow(again.signal);
        again.abort();
        return status === 200;
      });
    }));

  test('a WebSocket from an address that failed too often is told to come later, not that its key is wrong', () =>
    using({ limits: { failedAuthenticationsPerMinute: 1 } }, async (api) => {
      expect((await knock(api, 'wrong')).fate).toBe(4401);
      expect((await knock(api, 'wrong')).fate).toBe(1013);
    }));

  test('a server whose Redis has never been there answers', async () => {
    const nobody = createServer((socket) => void socket.pause());
    await new Promise<void>((resolve) => nobody.listen(0, '127.0.0.1', resolve));
    const { port } = nobody.address() as { port: number };
    nobody.close();
    const redis = openRedis({ url: `redis://127.0.0.1:${port}`, log: createLogger('silent') });
    const counters = redis.openCounters();
    await using({ counters, limits: { operationsPerMinute: 2 } }, async (api) => {
      expect(await statuses(3, () => post(api, 'admin'))).toEqual([200, 200, 429]);
    });
    counters.disconnect();
    redis.close();
  });
});
