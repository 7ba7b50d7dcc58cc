// The HTTP side: who may pass, what else is served, and how it begins and ends.
import { request } from 'node:http';
import { createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { getIntrospectionQuery } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { StartError } from '../../src/errors.ts';
import type { ServerDeps } from '../../src/server/deps.ts';
import { createHttpServer } from '../../src/server/http.ts';
import { type Api, startApi } from '../support/api.ts';
import { insertCompany } from '../support/company-rows.ts';

let api: Api;
const deliveries: { body: Buffer; signature: string | undefined }[] = [];
let refused = 0;
let ready = true;

beforeAll(async () => {
  api = await startApi({
    webhooks: {
      async accept(delivery) {
        deliveries.push(delivery);
        return delivery.signature ? { status: 200, body: { stored: true } } : { status: 400, body: { error: 'no_signature' } };
      },
      refused: () => {
        refused += 1;
      },
    },
    readiness: async () => [
      { name: 'postgres', ok: true },
      { name: 'redis', ok: ready },
    ],
  });
}, 120_000);

afterAll(() => api.close());

const bearer = { authorization: 'Bearer admin' };
const json = { 'content-type': 'application/json' };
const graphql = (init: RequestInit, path = '/graphql') => fetch(`${api.url}${path}`, init);
const codeOf = async (response: Response) =>
  ((await response.json()) as { errors: { extensions: { code: string } }[] }).errors[0]?.extensions.code;

describe('without a valid key nothing is answered', () => {
  const body = (query: string) => JSON.stringify({ query });
  test.each<[string, RequestInit, string?]>([
    ['a query', { method: 'POST', headers: json, body: body('{ caller { name } }') }],
    ['introspection', { method: 'POST', headers: json, body: body(getIntrospectionQuery()) }],
    ['__typename', { method: 'POST', headers: json, body: body('{ __typename }') }],
    ['nonsense', { method: 'POST', headers: json, body: 'nonsense' }],
    ['a GET', { method: 'GET' }, '/graphql?query={__typename}'],
    ['a GET that looks like a browser', { method: 'GET', headers: { accept: 'text/html' } }, '/graphql?query={__typename}'],
    [
      'a stream',
      {
        method: 'POST',
        headers: { ...json, accept: 'text/event-stream' },
        body: body('subscription { entitlementChanges { __typename } }'),
      },
    ],
    ['a wrong key', { method: 'POST', headers: { ...json, authorization: 'Bearer wrong' }, body: body('{ __typename }') }],
    ['a key of another scheme', { method: 'POST', headers: { ...json, authorization: 'Basic admin' }, body: body('{ __typename }') }],
  ])('%s', async (_what, init, path) => {
    const response = await graphql(init, path);
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    expect(await response.json()).toEqual({ errors: [{ message: expect.any(String), extensions: { code: 'UNAUTHENTICATED' } }] });
  });
});

describe('scopes', () => {
  test.each([
    '{ users { totalCount } }',
    '{ organization(id: "org_acme") { id } }',
    '{ syncHealth { status } }',
    '{ directoryEvents { totalCount } }',
    '{ entitlementChanges { cursor } }',
    '{ roles { slug } }',
    'mutation { revokeGrant(id: "1") { id } }',
    'mutation { replayEvents(input: {}) { id } }',
    'mutation { applyCatalog(catalog: { roles: [], groupMappings: [] }) { applied } }',
    'mutation { retryEvents(eventIds: []) { id } }',
  ])('a key without any is told so by %s', async (query) => {
    expect(await api.codes(query, {}, 'nothing')).toEqual(['FORBIDDEN']);
  });

  test.each(['entitlementChanges { __typename }', 'syncHealth { status }', 'replayProgress(id: "1") { id }'])(
    'and by the subscription %s',
    async (field) => {
      for await (const { errors } of api.sse(`subscription { ${field} }`, {}, { key: 'nothing' })) {
        expect(errors?.map((error) => error.extensions.code)).toEqual(['FORBIDDEN']);
      }
    },
  );

  test('the missing one is named', async () => {
    const { errors } = await api.query('{ users { totalCount } }', {}, 'nothing');
    expect(errors?.[0]?.message).toBe('"nothing" lacks the scope DIRECTORY_READ that Query.users needs.');
    expect(errors?.[0]?.extensions.scopes).toEqual(['DIRECTORY_READ']);
  });

  test('whoever may see access may see ids of users and names of groups that are reasons, and nothing more of them', async () => {
    await insertCompany(api.db);
    const holders = (fields: string) =>
      `{ usersWithPermission(organizationId: "org_acme", permission: "docs:read") { nodes { ${fields} } } }`;
    const why = (fields: string) => `{ effectiveEntitlements(userId: "user_ada") { roles { via { group { ${fields} } } } } }`;
    const codes = (query: string) => api.codes(query, {}, 'entitlements').then((all) => [...new Set(all)]);
    expect(await codes(holders('id'))).toEqual([]);
    expect(await codes(holders('email'))).toEqual(['FORBIDDEN']);
    expect(await codes(holders('directory { id }'))).toEqual(['FORBIDDEN']);
    expect(await codes(why('id name'))).toEqual([]);
    expect(await codes(why('members { totalCount }'))).toEqual(['FORBIDDEN']);
    expect(await codes('{ roles { slug groups { id name } } }')).toEqual([]);
  });

  test('a key without any still learns who it is', async () => {
    expect((await api.query('{ caller { name scopes } }', {}, 'nothing')).data).toEqual({ caller: { name: 'nothing', scopes: [] } });
  });
});

describe('the form of a request', () => {
  test.each<[string, RequestInit, number, string, string?]>([
    ['malformed JSON', { method: 'POST', headers: { ...json, ...bearer }, body: '{' }, 400, 'BAD_USER_INPUT'],
    ['no query', { method: 'POST', headers: { ...json, ...bearer }, body: '{}' }, 200, 'BAD_USER_INPUT'],
    ['a batch', { method: 'POST', headers: { ...json, ...bearer }, body: '[{"query":"{__typename}"}]' }, 400, 'BAD_USER_INPUT'],
    ['a method of no use', { method: 'PUT', headers: { ...json, ...bearer }, body: '{}' }, 405, 'BAD_USER_INPUT'],
    ['a mutation by GET', { headers: bearer }, 405, 'BAD_USER_INPUT', '/graphql?query=mutation{revokeGrant(id:"1"){id}}'],
    ['variables that are no JSON', { headers: bearer }, 400, 'BAD_USER_INPUT', '/graphql?query={__typename}&variables={'],
    [
      'a body over 1 MB',
      { method: 'POST', headers: { ...json, ...bearer }, body: JSON.stringify({ query: `#${'x'.repeat(1024 * 1024)}` }) },
      413,
      'BAD_USER_INPUT',
    ],
  ])('%s is refused', async (_what, init, status, code, path) => {
    const response = await graphql(init, path);
    expect(response.status).toBe(status);
    expect(await codeOf(response)).toBe(code);
  });

  test('a body over 1 MB that does not say how long it is', async () => {
    const chunks = new ReadableStream({
      start(controller) {
        for (let sent = 0; sent < 20; sent += 1) controller.enqueue(new TextEncoder().encode('x'.repeat(100_000)));
        controller.close();
      },
    });
    const response = await graphql({ method: 'POST', headers: { ...json, ...bearer }, body: chunks, duplex: 'half' } as RequestInit).catch(
      () => null,
    );
    // The server may cut the connection before it is read to the end.
    if (response) expect(response.status).toBe(413);
  });

  test.each(['multipart/form-data; boundary=x', 'application/xml'])('content type %s is 415', async (type) => {
    const response = await graphql({ method: 'POST', headers: { 'content-type': type, ...bearer }, body: '--x--' });
    expect(response.status).toBe(415);
  });

  test('plain JSON by POST works, and a query by GET', async () => {
    const posted = await graphql({ method: 'POST', headers: { ...json, ...bearer }, body: '{"query":"{__typename}"}' });
    expect(await posted.json()).toEqual({ data: { __typename: 'Query' } });
    const got = await graphql({ headers: bearer }, '/graphql?query={__typename}');
    expect(await got.json()).toEqual({ data: { __typename: 'Query' } });
  });
});

describe('GraphiQL', () => {
  test('is served to a browser, whole and without a key', async () => {
    const response = await graphql({ headers: { accept: 'text/html,application/xhtml+xml' } });
    const html = await response.text();
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(html).toContain('Access service');
    expect(html).not.toMatch(/<(script|link|img|iframe)[^>]*(src|href)=["']?(https?:)?\/\//i);
    expect(html).not.toMatch(/cdn\.|unpkg\.com|jsdelivr\.net|esm\.sh|@import\s+url/);
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/https?:|\*/);
  });

  test('is not served in production', async () => {
    const production = await startApi({ policy: { introspection: false } });
    try {
      const response = await fetch(`${production.url}/graphql`, { headers: { accept: 'text/html' } });
      expect(response.status).toBe(401);
    } finally {
      await production.close();
    }
  });
});

describe('other routes', () => {
  test('liveness and readiness, without reasons', async () => {
    expect(await (await graphql({}, '/livez')).json()).toEqual({ live: true, eventLoopDelayMs: expect.any(Number) });
    expect(await (await graphql({}, '/readyz')).json()).toEqual({ ready: true, checks: { postgres: true, redis: true } });
    ready = false;
    const response = await graphql({}, '/readyz');
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ ready: false, checks: { postgres: true, redis: false } });
    ready = true;
  });

  test.each(['/', '/health', '/graphql/health', '/graphql/', '/nope?x=1', '//', '/..%2f'])('%s is not there', async (path) => {
    const response = await graphql({ headers: bearer }, path);
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({ error: 'not_found' });
  });

  test('every answer carries the security headers', async () => {
    for (const path of ['/livez', '/nope', '/graphql']) {
      const { headers } = await graphql({ headers: bearer }, path);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('access-control-allow-origin')).toBeNull();
    }
  });
});

describe('POST /webhooks/workos', () => {
  const post = (body: Buffer | string, headers: Record<string, string> = {}) =>
    graphql({ method: 'POST', headers: { 'workos-signature': 't=1, v1=ff', ...headers }, body: Buffer.from(body) }, '/webhooks/workos');

  test('hands on the bytes as they came, and answers what it is told', async () => {
    const bytes = Buffer.from([0x7b, 0x22, 0xff, 0x00, 0x22, 0x7d]);
    const response = await post(bytes);
    expect([response.status, await response.json()]).toEqual([200, { stored: true }]);
    expect(deliveries.at(-1)).toEqual({ body: bytes, signature: 't=1, v1=ff' });
    const unsigned = await graphql({ method: 'POST', body: '{}' }, '/webhooks/workos');
    expect([unsigned.status, await unsigned.json()]).toEqual([400, { error: 'no_signature' }]);
  });

  test('takes 1 MB and refuses more, whether it says so or not', async () => {
    const count = deliveries.length;
    expect((await post('x'.repeat(1024 * 1024))).status).toBe(200);
    expect((await post('x'.repeat(1024 * 1024 + 1))).status).toBe(413);
    const status = await new Promise<number | undefined>((resolve) => {
      const sending = request(`${api.url}/webhooks/workos`, { method: 'POST' }, (response) => {
        resolve(response.statusCode);
        sending.destroy();
      });
      sending.on('error', () => {});
      for (let sent = 0; sent < 12; sent += 1) sending.write('x'.repeat(100_000));
    });
    expect(status).toBe(413);
    expect([deliveries.length - count, refused]).toEqual([1, 2]);
  });

  test('is there for POST only', async () => {
    expect((await graphql({}, '/webhooks/workos')).status).toBe(405);
  });
});

describe('beginning and end', () => {
  const deps = (): ServerDeps => ({
    db: api.db,
    lookup: { find: async () => undefined, findAll: async () => new Map() },
    services: {} as ServerDeps['services'],
    authenticate: async () => null,
    revalidation: { holds: async () => false, watch: () => () => {}, nudge: () => {} },
    log: { error: () => {}, debug: () => {} } as unknown as ServerDeps['log'],
    webhooks: { accept: async () => ({ status: 200, body: {} }), refused: () => {} },
    readiness: async () => [],
  });

  test('a port in use is one clear sentence', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const failure = await createHttpServer(deps())
      .listen(port, '127.0.0.1')
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StartError);
    expect((failure as Error).message).toBe(
      `Port ${port} on 127.0.0.1 is in use by another program. Stop that program, or choose another port with PORT.`,
    );
    await new Promise((resolve) => taken.close(resolve));
  });

  test('a server that never listened closes', async () => {
    await createHttpServer(deps()).close();
  });

  test('a request under way is finished, and then nothing is taken any more', async () => {
    const gate = Promise.withResolvers<void>();
    const server = createHttpServer({
      ...deps(),
      webhooks: {
        accept: async () => {
          await gate.promise;
          return { status: 200, body: { late: true } };
        },
        refused: () => {},
      },
    });
    const { port } = await server.listen(0, '127.0.0.1');
    const answer = new Promise<string>((resolve, reject) => {
      request({ port, host: '127.0.0.1', path: '/webhooks/workos', method: 'POST' }, (response) => resolve(text(response)))
        .on('error', reject)
        .end('{}');
    });
    await delay(50);
    const closing = server.close();
    await expect(fetch(`http://127.0.0.1:${port}/livez`)).rejects.toThrow();
    gate.resolve();
    expect(await answer).toBe('{"late":true}');
    await closing;
  });
});
