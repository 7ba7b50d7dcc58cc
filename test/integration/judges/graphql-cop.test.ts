// What the scanner graphql-cop looks for, restated: alias overloading, batches, circular fragments and introspection,
// directive overloading, field duplication, suggestions, mutations and queries by GET, GraphiQL, introspection, forms, traces,
// unhandled errors. Asked with a key, of a server set up as in production, and of one as in development; and without a key.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Api, startApi } from '../../support/api.ts';

let production: Api;
let development: Api;

beforeAll(async () => {
  production = await startApi({ policy: { introspection: false } });
  development = await startApi();
}, 120_000);
afterAll(() => Promise.all([production.close(), development.close()]));

const bearer = { authorization: 'Bearer admin' };
const json = { 'content-type': 'application/json' };
const ask = async (api: Api, init: RequestInit, path = '/graphql') => {
  const response = await fetch(`${api.url}${path}`, init);
  return { status: response.status, text: await response.text(), headers: response.headers };
};
const post = (api: Api, body: unknown, headers: Record<string, string> = { ...json, ...bearer }) =>
  ask(api, { method: 'POST', headers, body: JSON.stringify(body) });
const repeat = (count: number, part: (index: number) => string) => Array.from({ length: count }, (_, index) => part(index)).join(' ');

const HARMFUL: Record<string, string> = {
  'alias overloading': `{ ${repeat(101, (index) => `alias${index}: __typename`)} }`,
  'a circular fragment': '{ __schema { ...A } } fragment A on __Schema { __typename ...B } fragment B on __Schema { ...A }',
  'circular introspection':
    '{ __schema { types { fields { type { fields { type { fields { type { fields { type { name } } } } } } } } } } }',
  'field duplication': `{ ${repeat(500, () => '__typename')} }`,
  'directive overloading': `{ __typename ${repeat(50, () => '@aa')} }`,
};

describe.each([
  ['production', () => production],
  ['development', () => development],
])('in %s', (_where, api) => {
  test.each(Object.entries(HARMFUL))('%s is refused, shortly', async (_what, query) => {
    const { text } = await post(api(), { query });
    const { data, errors } = JSON.parse(text);
    expect(data).toBeUndefined();
    expect(errors.length).toBeGreaterThan(0);
    expect(errors.length).toBeLessThanOrEqual(5);
    expect(text.length).toBeLessThan(2_000);
  });

  test('ten operations in one request are refused', async () => {
    const { status, text } = await post(
      api(),
      Array.from({ length: 10 }, () => ({ query: '{ __typename }' })),
    );
    expect([status, Array.isArray(JSON.parse(text))]).toEqual([400, false]);
  });

  test('a mutation by GET is refused', async () => {
    const { status, text } = await ask(api(), { headers: bearer }, '/graphql?query=mutation{__typename}');
    expect([status, JSON.parse(text).data]).toEqual([405, undefined]);
  });

  test('a query by GET is nothing that a foreign page can send: it needs a header that browsers ask about first', async () => {
    expect((await ask(api(), {}, '/graphql?query={__typename}')).status).toBe(401);
    const preflight = await ask(api(), { method: 'OPTIONS', headers: { 'access-control-request-headers': 'authorization' } });
    expect(preflight.status).not.toBe(200);
    expect([...preflight.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
  });

  test.each(['application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data; boundary=x', 'application/graphql', ''])(
    'a form that a foreign page can send, "%s", is refused',
    async (type) => {
      const body = new TextEncoder().encode('query=%7B__typename%7D');
      const { status, text } = await ask(api(), { method: 'POST', headers: { ...bearer, ...(type && { 'content-type': type }) }, body });
      expect([status, JSON.parse(text).data]).toEqual([415, undefined]);
    },
  );

  test('no trace, no stack and no exception is in an answer', async () => {
    for (const query of ['query { __typename }', 'qwerty cop { abc }', '{ user(id: "\\u0000") { id } }', '{ nope }']) {
      const { text, headers } = await post(
        api(),
        { query },
        { ...json, ...bearer, 'apollo-tracing': '1', 'apollo-federation-include-trace': 'ftv1' },
      );
      expect(text).not.toMatch(/tracing|stacktrace|"exception"|ftv1|node_modules|\.ts:\d/i);
      expect([...headers.keys()]).not.toContain('x-powered-by');
    }
  });

  test.each(['/graphiql', '/playground', '/console', '/altair', '/voyager'])('no tool is at %s', async (path) => {
    expect((await ask(api(), { headers: { accept: 'text/html' } }, path)).status).toBe(404);
  });

  test('without a key nothing at all is answered', async () => {
    for (const query of ['{ __typename }', '{ __schema { types { name } } }', '{ systemUpdat }', ...Object.values(HARMFUL)]) {
      const { status, text } = await post(api(), { query }, json);
      expect(status).toBe(401);
      expect(JSON.parse(text)).toEqual({ errors: [{ message: expect.any(String), extensions: { code: 'UNAUTHENTICATED' } }] });
    }
  });
});

describe('in production the schema does not show itself', () => {
  test.each([
    ['introspection', '{ __schema { queryType { name } } }'],
    ['a type', '{ __type(name: "User") { name } }'],
    ['a misspelt field', '{ calle { name } }'],
    ['a misspelt argument', '{ users(frist: 1) { totalCount } }'],
    ['a misspelt type', 'query ($x: Usr) { caller { name } }'],
    ['a misspelt enum value', '{ users(state: ACTVE) { totalCount } }'],
    ['a misspelt field of an input', '{ entitlementChanges(filter: { userId: ["x"] }) { cursor } }'],
  ])('by %s', async (_what, query) => {
    const { text } = await post(production, { query });
    expect(JSON.parse(text).data).toBeUndefined();
    expect(text).not.toMatch(/did you mean/i);
  });

  test.each([
    ['a misspelt enum value', 'query ($state: UserState) { users(state: $state) { totalCount } }', { state: 'ACTVE' }],
    [
      'a misspelt field',
      'query ($filter: EntitlementChangeFilter) { entitlementChanges(filter: $filter) { cursor } }',
      { filter: { userId: ['x'] } },
    ],
  ])('by %s in the variables', async (_what, query, variables) => {
    expect((await post(development, { query, variables })).text).toMatch(/did you mean/i);
    expect((await post(production, { query, variables })).text).not.toMatch(/did you mean/i);
  });

  test('nor by GraphiQL', async () => {
    expect((await ask(production, { headers: { accept: 'text/html' } })).status).toBe(401);
    expect((await ask(production, { headers: { ...bearer, accept: 'text/html' } })).text).not.toMatch(/graphi?ql.*(playground|ide)|<html/i);
  });

  test('__typename is no secret', async () => {
    expect(JSON.parse((await post(production, { query: '{ __typename }' })).text)).toEqual({ data: { __typename: 'Query' } });
  });
});
