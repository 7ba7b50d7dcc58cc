// F27: a key is revoked, or a key or a token expires, while a subscription runs. It is cut within 5 s, on silence too, and
// nothing is delivered after the cut. The control, without the look at open connections, shows what would leak.
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { createAuthenticate } from '../../../src/auth/authenticate.ts';
import { SCOPES } from '../../../src/auth/caller.ts';
import { mintKey } from '../../../src/auth/keys.ts';
import type { Revalidation } from '../../../src/auth/revalidate.ts';
import { pullIterator } from '../../../src/lib/pull-iterator.ts';
import { sleep } from '../../../src/lib/sleep.ts';
import type { HealthService } from '../../../src/ops/health.ts';
import { type Api, HEALTHY, startApi } from '../../support/api.ts';
import { ADMIN_KEY, type Callers, createCallers } from '../../support/callers.ts';
import { insertCompany } from '../../support/company-rows.ts';
import { type Issuer, startIssuer } from '../../support/issuer.ts';
import { waitFor } from '../../support/wait-for.ts';

const NEVER: Revalidation = { holds: async () => true, watch: () => () => {}, nudge: () => {} };
/** What the promise says, and room for a machine that is busy with something else. */
const PROMISED_MS = 5_000;

let issuer: Issuer;
let api: Api;
/** As another process would have it: it learns of nothing but through the database. */
let elsewhere: Callers;

let healthReads = 0;
const health: HealthService = {
  async read() {
    healthReads += 1;
    return HEALTHY;
  },
  /** Says one thing, and then nothing for ever. */
  watch(_scope, _tenant, signal) {
    let said = false;
    const produce = async (ending: AbortSignal) => {
      if (said) await sleep(3_600_000, ending);
      said = true;
      return HEALTHY;
    };
    return pullIterator(produce, { signal });
  },
};

const start = (alter: (real: Revalidation) => Revalidation = (real) => real): Promise<Api> =>
  startApi(({ db }) => {
    const { authenticate, revalidation, keys } = createCallers(db, { jwt: issuer.settings });
    return { authenticate, revalidation: alter(revalidation), services: { keys, health } };
  });

beforeAll(async () => {
  issuer = await startIssuer();
  api = await start();
  await insertCompany(api.db);
  elsewhere = createCallers(api.db);
}, 120_000);

afterAll(async () => {
  await api.close();
  await issuer.close();
});

const MAKER = { name: 'test', scopes: SCOPES, organizationId: null };
const newKey = async (expiresAt: Date | null = null) => {
  const { apiKey, secret } = await elsewhere.keys.create(
    { name: 'service', scopes: ['CHANGES_SUBSCRIBE', 'SYNC_READ'], organizationId: 'org_acme', expiresAt },
    MAKER,
  );
  return { id: apiKey.id, secret };
};

const CHANGES = 'subscription { entitlementChanges { __typename ... on EntitlementChange { userId } } }';

interface Stream {
  /** In the order of arrival. */
  items: string[];
  ended: Promise<{ atMs: number; how: string }>;
  leave(): void;
}

type Open = (api: Api, credential: string, query?: string) => Stream;

const overWebSocket: Open = ({ url }, credential, query = CHANGES) => {
  const items: string[] = [];
  const { promise: ended, resolve } = Promise.withResolvers<{ atMs: number; how: string }>();
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${credential}` },
    retryAttempts: 0,
    on: { closed: (event) => resolve({ atMs: performance.now(), how: String((event as { code: number }).code) }) },
  });
  client.subscribe({ query }, { next: (item) => void items.push(JSON.stringify(item)), error: () => {}, complete: () => {} });
  return { items, ended, leave: () => void client.dispose() };
};

const overSse: Open = (on, credential, query = CHANGES) => {
  const items: string[] = [];
  const stop = new AbortController();
  const ended = (async () => {
    const how = await (async () => {
      for await (const item of on.sse(query, {}, { key: credential, signal: stop.signal })) items.push(JSON.stringify(item));
      return 'complete';
    })().catch(() => 'cut');
    return { atMs: performance.now(), how };
  })();
  return { items, ended, leave: () => stop.abort() };
};

const grantTo = async (on: Api, userId: string): Promise<void> => {
  const { data } = await on.query(
    `mutation { grantRole(userId: "${userId}", role: "engineer", reason: "x") { id } }`,
    {},
    'key-of-the-admin',
  );
  await on.query(`mutation { revokeGrant(id: "${(data as { grantRole: { id: string } }).grantRole.id}") { id } }`, {}, ADMIN_KEY);
};

describe.each<[string, Open, string]>([
  ['WebSocket', overWebSocket, '4403'],
  ['SSE', overSse, 'cut'],
])('over %s', (_name, open, cut) => {
  const endsWithin = async (stream: Stream, sinceMs: number): Promise<void> => {
    const { atMs, how } = await stream.ended;
    expect(how).toBe(cut);
    expect(atMs - sinceMs).toBeLessThan(PROMISED_MS);
    const held = stream.items.length;
    await grantTo(api, 'user_cyd');
    expect(stream.items).toHaveLength(held);
    expect(stream.items.join()).not.toContain('"errors"');
  };

  test('a key that is revoked here ends its subscription', async () => {
    const { id, secret } = await newKey();
    const stream = open(api, secret);
    await waitFor('a checkpoint', () => stream.items.length > 0);
    const sinceMs = performance.now();
    expect(await api.codes(`mutation { revokeApiKey(id: "${id}") { revokedAt } }`, {}, ADMIN_KEY)).toEqual([]);
    await endsWithin(stream, sinceMs);
  });

  test('a key that another process revokes ends it too, with changes under way', async () => {
    const { id, secret } = await newKey();
    const stream = open(api, secret);
    await waitFor('a checkpoint', () => stream.items.length > 0);
    await grantTo(api, 'user_cyd');
    await waitFor('a change', () => stream.items.some((item) => item.includes('user_cyd')));
    const sinceMs = performance.now();
    await elsewhere.keys.revoke(id, null);
    await grantTo(api, 'user_ada');
    await endsWithin(stream, sinceMs);
  });

  test('a key that expires ends it', async () => {
    const expiresAt = new Date(Date.now() + 1_500);
    const { secret } = await newKey(expiresAt);
    const stream = open(api, secret);
    await waitFor('a checkpoint', () => stream.items.length > 0);
    await endsWithin(stream, performance.now() + (expiresAt.getTime() - Date.now()));
  });

  test('a token that expires ends it', async () => {
    const exp = Math.ceil(Date.now() / 1_000) + 1;
    const stream = open(api, await issuer.token({ scope: 'changes:subscribe', exp }));
    await waitFor('a checkpoint', () => stream.items.length > 0);
    await endsWithin(stream, performance.now() + (exp * 1_000 - Date.now()));
  });

  test('on silence too: nothing but the look at open connections could end this one', async () => {
    const { id, secret } = await newKey();
    const stream = open(api, secret, 'subscription { syncHealth { status } }');
    await waitFor('the state', () => stream.items.length > 0);
    const sinceMs = performance.now();
    await elsewhere.keys.revoke(id, null);
    await endsWithin(stream, sinceMs);
  });

  test('the control, that never looks again, goes on delivering', async () => {
    const control = await start(() => NEVER);
    onTestFinished(() => control.close());
    await insertCompany(control.db);
    const { keys } = createCallers(control.db);
    const { apiKey, secret } = await keys.create(
      { name: 'service', scopes: ['CHANGES_SUBSCRIBE'], organizationId: 'org_acme', expiresAt: null },
      MAKER,
    );
    const stream = open(control, secret);
    await waitFor('a checkpoint', () => stream.items.length > 0);
    await keys.revoke(apiKey.id, null);
    await waitFor('a new request to be refused', async () => (await control.query('{ caller { name } }', {}, secret)).status === 401);
    await grantTo(control, 'user_cyd');
    await waitFor('the leak', () => stream.items.some((item) => item.includes('user_cyd')));
    stream.leave();
  });
});

describe('a WebSocket without subscriptions', () => {
  const connect = async (on: Api, credential: string): Promise<{ socket: WebSocket; closed: Promise<number>; received: string[] }> => {
    const socket = new WebSocket(`${on.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    const received: string[] = [];
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    socket.on('message', (data) => void received.push(String(data)));
    await new Promise((resolve) => socket.once('open', resolve));
    socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${credential}` } }));
    await waitFor('connection_ack', () => received.length > 0);
    return { socket, closed, received };
  };

  test('is closed as well', async () => {
    const { id, secret } = await newKey();
    const { closed } = await connect(api, secret);
    await elsewhere.keys.revoke(id, null);
    expect(await closed).toBe(4403);
  });

  test('that nobody was told about is closed by its next operation, which is not run', async () => {
    const deaf = await start((real) => ({ ...real, watch: () => () => {} }));
    onTestFinished(() => deaf.close());
    const { keys } = createCallers(deaf.db);
    const { apiKey, secret } = await keys.create({ name: 'x', scopes: ['SYNC_READ'], organizationId: null, expiresAt: null }, MAKER);
    const { socket, closed, received } = await connect(deaf, secret);
    await deaf.query(`mutation { revokeApiKey(id: "${apiKey.id}") { id } }`, {}, ADMIN_KEY);
    const readsBefore = healthReads;
    socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: '{ syncHealth { status } }' } }));
    expect(await closed).toBe(4403);
    expect(healthReads).toBe(readsBefore);
    expect(received).toEqual(['{"type":"connection_ack"}']);
  });

  test('a caller who lost its right cannot come back', async () => {
    const { id, secret } = await newKey();
    await elsewhere.keys.revoke(id, null);
    const { ended } = overWebSocket(api, secret);
    expect((await ended).how).toBe('4401');
  });
});

describe('while keys cannot be looked up', () => {
  const away = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });

  test('nobody is refused for good: HTTP and SSE answer 503, a WebSocket is closed with 1013', async () => {
    const lookup = { find: () => Promise.reject(away) };
    const deps = { adminApiKey: ADMIN_KEY, keys: lookup, lastUsed: { touch: () => {} }, verifyToken: null, clock: () => new Date() };
    const cutOff = await startApi({ authenticate: createAuthenticate(deps) });
    onTestFinished(() => cutOff.close());
    const { key } = mintKey();
    const { status, errors } = await cutOff.query('{ caller { name } }', {}, key);
    expect([status, errors?.[0]?.extensions.code]).toEqual([503, 'UNAVAILABLE']);
    const stream = await fetch(`${cutOff.url}/graphql`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, accept: 'text/event-stream', 'content-type': 'application/json' },
      body: JSON.stringify({ query: CHANGES }),
    });
    expect([stream.status, await stream.text()]).toEqual([503, expect.stringContaining('UNAVAILABLE')]);
    expect((await overWebSocket(cutOff, key).ended).how).toBe('1013');
    expect((await cutOff.query('{ caller { name } }', {}, ADMIN_KEY)).status).toBe(200);
  });

  test.each<[string, Open, string]>([
    ['WebSocket', overWebSocket, '1013'],
    ['SSE', overSse, 'cut'],
  ])('over %s nothing is delivered unconfirmed, and the client may come again', async (_name, open, cut) => {
    let reachable = true;
    const holds = async () => {
      if (!reachable) throw away;
      return true;
    };
    const cutOff = await start((real) => ({ ...real, holds }));
    onTestFinished(() => cutOff.close());
    await insertCompany(cutOff.db);
    const { secret } = await createCallers(cutOff.db).keys.create(
      { name: 'x', scopes: ['CHANGES_SUBSCRIBE'], organizationId: null, expiresAt: null },
      MAKER,
    );
    const stream = open(cutOff, secret);
    await waitFor('a checkpoint', () => stream.items.length > 0);
    reachable = false;
    await grantTo(cutOff, 'user_cyd');
    expect((await stream.ended).how).toBe(cut);
    expect(stream.items.join()).not.toContain('user_cyd');
  });
});
