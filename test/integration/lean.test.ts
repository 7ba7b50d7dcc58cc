// The two ways of answering a query, Yoga's and the short one over compiled code, are one behaviour: the same bytes, status and
// headers, whoever asks and whatever. And what it answers is never older than the question (I7).
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { parse, print, separateOperations } from 'graphql';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { grantRole, revokeGrant } from '../../src/entitlements/grants.ts';
import { useCompanyApi } from '../support/suite-api.ts';

const compiled = vi.hoisted(() => ({ runs: 0 }));
vi.mock('../../src/server/compiled-documents.ts', async (original) => {
  const { createCompiledDocuments } = await original<typeof import('../../src/server/compiled-documents.ts')>();
  return {
    createCompiledDocuments: (...args: Parameters<typeof createCompiledDocuments>) => {
      const documents = createCompiledDocuments(...args);
      const find: typeof documents.find = (text, name) => {
        const run = documents.find(text, name);
        return (
          run &&
          ((...given) => {
            compiled.runs += 1;
            return run(...given);
          })
        );
      };
      return { ...documents, find };
    },
  };
});

const api = useCompanyApi();
beforeEach(() => {
  compiled.runs = 0;
});

interface Raw {
  status: number | undefined;
  headers: string[];
  body: string;
}

/** As the bytes come, without the date. */
function ask(
  body: unknown,
  { key = 'admin', headers = {}, path = '/graphql' }: { key?: string; headers?: Record<string, string>; path?: string } = {},
) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return new Promise<Raw>((resolve, reject) => {
    const sent = {
      'content-type': 'application/json',
      authorization: `Bearer ${key}`,
      'content-length': Buffer.byteLength(text),
      ...headers,
    };
    const call = request(`${api.url}${path}`, { method: 'POST', headers: sent }, async (res) => {
      const chunks: Buffer[] = [];
      for await (const chunk of res) chunks.push(chunk);
      const date = res.rawHeaders.indexOf('Date');
      resolve({ status: res.statusCode, headers: res.rawHeaders.toSpliced(date, 2), body: Buffer.concat(chunks).toString() });
    });
    call.on('error', reject).end(text);
  });
}

/** Yoga's answer, then a compiled one where there can be one. */
async function askBoth(body: unknown, options: Parameters<typeof ask>[1] = {}): Promise<{ yogas: Raw; other: Raw; wasCompiled: boolean }> {
  const off = { ...options, path: '/graphql?' };
  const yogas = await ask(body, off);
  const before = compiled.runs;
  const other = await ask(body, options);
  return { yogas, other, wasCompiled: compiled.runs > before };
}

const folder = new URL('../../schema/operations/', import.meta.url);
const shipped = readdirSync(folder)
  .filter((file) => file.endsWith('.graphql'))
  .flatMap((file) => Object.values(separateOperations(parse(readFileSync(new URL(file, folder), 'utf8')))).map(print));
const queries = shipped.filter((text) => text.includes('query '));

const IDS = { own: 'user_ada', suspended: 'user_bob', foreign: 'user_gus', unknown: 'user_nobody', nul: 'a\0b', proto: '__proto__' };
const VARIABLES: Record<string, unknown>[] = [
  ...Object.values(IDS).map((userId) => ({
    userId,
    id: userId,
    permission: 'docs:read',
    checks: [
      { userId, permission: 'docs:read' },
      { userId: 'user_gus', permission: 'x' },
    ],
    organizationId: 'org_acme',
    directoryId: 'directory_acme',
    first: 2,
  })),
  { organizationId: 'org_globex', userId: 'user_ada', permission: 'docs:read', maxLagSeconds: 0.5 },
  { userId: 7, permission: 'docs:read', checks: { userId: 'user_ada', permission: 'docs:read' }, organizationId: 1 },
  { userId: ['user_ada'], permission: 5, checks: 'x', first: '2', maxLagSeconds: -1 },
  { userId: 'user_ada', permission: 'docs:read', atLeast: 'nonsense', after: 'nonsense', first: -1 },
  { userId: null, permission: null, checks: null, organizationId: null },
  { surplus: true, __proto__: { userId: 'user_ada' } },
  {},
];

describe.each(['admin', 'acme', 'entitlements', 'nothing', 'nobody'])('%s is answered alike', (key) => {
  test.each(queries.map((query) => [/query (\w+)/.exec(query)?.[1], query] as const))('%s', async (_name, query) => {
    // Yoga must have taken it once.
    await ask({ query });
    for (const variables of VARIABLES) {
      const { yogas, other, wasCompiled } = await askBoth({ query, variables }, { key });
      // Without an error there was no reason to turn to Yoga.
      if (!yogas.body.includes('"errors"')) expect(wasCompiled).toBe(true);
      expect(other.status).toBe(yogas.status);
      expect(other.headers).toEqual(yogas.headers);
      expect(blank(other.body)).toBe(blank(yogas.body));
    }
  });
});

/** Moments of the answer itself. */
const blank = (body: string): string => body.replace(/"(checkedAt|at|lastUsedAt)":"[^"]*"/g, '"$1":"#"');

test.each<[string, unknown, Parameters<typeof ask>[1]]>([
  ['Accept', { query: '{ caller { name } }' }, { headers: { accept: 'application/graphql-response+json' } }],
  ['two kinds', { query: '{ caller { name } }' }, { headers: { accept: 'application/graphql-response+json, application/json' } }],
  ['the other order', { query: '{ caller { name } }' }, { headers: { accept: 'application/json, application/graphql-response+json' } }],
  ['with a weight', { query: '{ caller { name } }' }, { headers: { accept: 'application/graphql-response+json, application/json;q=0.9' } }],
  ['what browsers send', { query: '{ caller { name } }' }, { headers: { accept: 'application/json, text/plain, */*' } }],
  ['anything', { query: '{ caller { name } }' }, { headers: { accept: '*/*' } }],
  ['a charset', { query: '{ caller { name } }' }, { headers: { 'content-type': 'application/json; charset=utf-8' } }],
  ['a name', { query: 'query A { caller { name } }', operationName: 'A' }, {}],
  ['no variables', { query: '{ caller { name } }', variables: null, operationName: null, extensions: null }, {}],
  ['aliases and __typename', { query: '{ a: caller { __typename b: name } c: caller { scopes } }' }, {}],
  ['values in the document', { query: '{ user(id: "user_ada") { id groups(first: 1) { nodes { name } } } }' }, {}],
  [
    'fields that are asked for twice',
    {
      query:
        '{ user(id: "user_ada") { id ...A } user(id: "user_ada") { organization { id } ... on User { id email } } } fragment A on User { organization { name } }',
    },
    {},
  ],
  ['a default', { query: 'query ($id: ID! = "user_ada") { user(id: $id) { id } }' }, {}],
  ['a text beyond ASCII', { query: '{ caller { name } } # é 漢' }, {}],
])('%s: the short way answers as Yoga', async (_what, body, options) => {
  await ask(body, options);
  const { yogas, other, wasCompiled } = await askBoth(body, options);
  expect(wasCompiled).toBe(true);
  expect(other).toEqual(yogas);
});

test.each<[string, unknown, Parameters<typeof ask>[1]]>([
  ['another name', { query: 'query A { caller { name } }', operationName: 'B' }, {}],
  ['an empty name', { query: 'query A { caller { name } }', operationName: '' }, {}],
  ['a key of the prototype', { query: '{ __proto__: caller { name } }' }, {}],
  ['a directive', { query: 'query ($is: Boolean!) { caller { name @include(if: $is) } }', variables: { is: true } }, {}],
  ['introspection', { query: '{ __schema { queryType { name } } }' }, {}],
  ['several operations', { query: 'query A { caller { name } } query B { caller { name } }', operationName: 'A' }, {}],
  ['a mutation', { query: 'mutation ($id: ID!) { revokeGrant(id: $id) { id } }', variables: { id: 'x' } }, {}],
  ['an unknown parameter', { query: '{ caller { name } }', more: 1 }, {}],
  ['variables that are a list', { query: '{ caller { name } }', variables: [] }, {}],
  ['a list of requests', [{ query: '{ caller { name } }' }], {}],
  ['no JSON', '{', {}],
  ['nothing', '', {}],
  ['null', 'null', {}],
  ['a byte order mark', `\ufeff${JSON.stringify({ query: '{ caller { name } }' })}`, {}],
  ['an unacceptable Accept', { query: '{ caller { name } }' }, { headers: { accept: 'text/html' } }],
  ['an encoding', { query: '{ caller { name } }' }, { headers: { 'content-encoding': 'gzip' } }],
  ['an invalid document', { query: '{ caller { nome } }' }, {}],
  ['no document', {}, {}],
])('%s is left to Yoga', async (_what, body, options) => {
  for (let time = 0; time < 3; time += 1) {
    const { yogas, other, wasCompiled } = await askBoth(body, options);
    expect(wasCompiled).toBe(false);
    expect(other).toEqual(yogas);
  }
});

test('a persisted operation is one by its hash too, and an unknown hash is none', async () => {
  const { createHash } = await import('node:crypto');
  const text = queries.find((one) => one.includes('query CheckAccess(')) as string;
  const sha256Hash = createHash('sha256').update(text).digest('hex');
  const variables = { userId: 'user_ada', permission: 'docs:read' };
  for (const named of [{ documentId: `sha256:${sha256Hash}` }, { extensions: { persistedQuery: { version: 1, sha256Hash } } }]) {
    await ask({ ...named, variables });
    const { yogas, other, wasCompiled } = await askBoth({ ...named, variables });
    expect(wasCompiled).toBe(true);
    expect(other).toEqual(yogas);
  }
  const { yogas, other, wasCompiled } = await askBoth({ documentId: 'sha256:0', variables });
  expect(wasCompiled).toBe(false);
  expect(other).toEqual(yogas);
});

test('an answer that waits for a position is refused after two seconds, not after two times two', async () => {
  const query = 'query ($after: Cursor, $p: String!) { checkAccess(userId: 5, permission: $p, atLeast: $after) { allowed } }';
  const { logId } = await api.db.changeLogHead.findUniqueOrThrow({ where: { id: 1 } });
  const body = (position: number) => ({
    query,
    variables: { p: 'docs:read', after: Buffer.from(`log:${logId}:${position}`).toString('base64url') },
  });
  await ask(body(0));
  await ask(body(0));
  const startedAt = performance.now();
  const { body: answer } = await ask(body(1_000_000));
  expect(answer).toContain('STALE');
  expect(compiled.runs).toBeGreaterThan(1);
  expect(performance.now() - startedAt).toBeLessThan(3_000);
});

const CHECK = 'query ($userId: ID!, $permission: String!) { checkAccess(userId: $userId, permission: $permission) { userId allowed } }';

test('no answer that begins after a revocation was committed still grants it, however full the statements are', async () => {
  const variables = { userId: 'user_cyd', permission: 'docs:read' };
  await ask({ query: CHECK, variables });
  const stop = new AbortController();
  const answers: { askedAtMs: number; allowed: boolean }[] = [];
  const load = Array.from({ length: 24 }, async (_, index) => {
    const userId = index % 3 > 0 ? 'user_cyd' : ['user_ada', 'user_gus', 'user_nobody'][(index % 9) / 3];
    while (!stop.signal.aborted) {
      const askedAtMs = performance.now();
      const { body } = await ask({ query: CHECK, variables: { ...variables, userId } });
      const { data } = JSON.parse(body) as { data: { checkAccess: { allowed: boolean } } };
      if (userId === 'user_cyd') answers.push({ askedAtMs, allowed: data.checkAccess.allowed });
    }
  });
  try {
    for (let round = 0; round < 10; round += 1) {
      const granted = answers.length;
      await vi.waitFor(() => expect(answers.slice(granted).some(({ allowed }) => allowed)).toBe(true), { timeout: 10_000, interval: 5 });
      const { id } = await api.db.grant.findFirstOrThrow({ where: { userId: 'user_cyd', revokedAt: null } });
      await revokeGrant(api.db, { id, actor: 'test', tenant: null });
      const committedAtMs = performance.now();
      const revoked = answers.length;
      await vi.waitFor(() => expect(answers.length).toBeGreaterThan(revoked + 50), { timeout: 10_000, interval: 5 });
      expect(answers.filter(({ askedAtMs, allowed }) => askedAtMs >= committedAtMs && allowed)).toEqual([]);
      await grantRole(api.db, { userId: 'user_cyd', role: 'reader', reason: 'again', expiresAt: null, actor: 'test', tenant: null });
    }
  } finally {
    stop.abort();
    await Promise.all(load);
  }
  expect(compiled.runs).toBeGreaterThan(500);
});
