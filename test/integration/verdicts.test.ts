// One question, one verdict: whatever is refused over HTTP is refused with the same code over SSE and over WebSocket. Before a
// request is GraphQL each transport has its own words for it (a status, a status of the upgrade, a close code); they stand here.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parse, print, separateOperations } from 'graphql';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type Api, startApi } from '../support/api.ts';

interface Question {
  query?: string;
  variables?: unknown;
  extensions?: unknown;
  documentId?: string;
  key?: string;
  origin?: string;
}

/** Codes of the errors; or, with `transport`, what the transport itself said. */
interface Verdict {
  codes: string[];
  transport: number | null;
  messages: string[];
}

type Ask = (api: Api, question: Question) => Promise<Verdict>;
interface Answer {
  errors?: { message: string; extensions: { code: string } }[];
}

const verdictOf = (transport: number | null, { errors = [] }: Answer): Verdict => ({
  transport,
  codes: errors.map(({ extensions }) => extensions.code),
  messages: errors.map(({ message }) => message),
});

const post =
  (accept: string): Ask =>
  async (api, { key = 'admin', origin, ...body }) => {
    const headers = { 'content-type': 'application/json', accept, authorization: `Bearer ${key}`, ...(origin && { origin }) };
    const response = await fetch(`${api.url}/graphql`, { method: 'POST', headers, body: JSON.stringify(body) });
    let text = '';
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    // A stream may have no end: its first result is enough.
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      text += new TextDecoder().decode(chunk.value);
      if (accept === 'text/event-stream' && /^event: next\n[\s\S]*\n\n/m.test(text)) break;
    }
    await reader.cancel();
    const json = /^data: (\{.*\})$/m.exec(text)?.[1] ?? text;
    return verdictOf(response.status, JSON.parse(json));
  };

const overWebSocket: Ask = (api, { key = 'admin', origin, ...payload }) =>
  new Promise((resolve) => {
    const socket = new WebSocket(
      `${api.url.replace('http', 'ws')}/graphql`,
      'graphql-transport-ws',
      origin === undefined ? {} : { origin },
    );
    const end = (verdict: Verdict) => {
      socket.terminate();
      resolve(verdict);
    };
    socket.on('unexpected-response', (_request, response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => end(verdictOf(response.statusCode ?? 0, JSON.parse(text))));
    });
    socket.on('error', () => {});
    socket.on('close', (code) => resolve(verdictOf(code, {})));
    socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${key}` } })));
    socket.on('message', (data) => {
      const message = JSON.parse(String(data));
      if (message.type === 'connection_ack')
        socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: '', ...payload } }));
      else if (message.type === 'next') end(verdictOf(null, message.payload));
      else if (message.type === 'error') end(verdictOf(null, { errors: message.payload }));
    });
  });

const TRANSPORTS: Record<string, Ask> = { HTTP: post('application/json'), SSE: post('text/event-stream'), WebSocket: overWebSocket };

const repeat = (count: number, part: (index: number) => string) => Array.from({ length: count }, (_, index) => part(index)).join(' ');
const nested = (depth: number): string => (depth === 0 ? 'id' : `directories { organization { ${nested(depth - 1)} } }`);

/** What is asked, with which code it is refused (none: answered); and what the transport says, where GraphQL has no say yet. */
type Row = [what: string, question: Question, codes: string[], transport?: { http: number; socket: number }];

const operation = print(
  separateOperations(parse(readFileSync(new URL('../../schema/operations/operator.graphql', import.meta.url), 'utf8'))).Whoami ??
    parse('{ missing }'),
);
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

const OPEN: Row[] = [
  ['a plain question', { query: '{ caller { name } }' }, []],
  ['introspection', { query: '{ __schema { queryType { name } } }' }, []],
  ['no key', { query: '{ __typename }', key: '' }, ['UNAUTHENTICATED'], { http: 401, socket: 4401 }],
  ['a wrong key', { query: '{ __typename }', key: 'wrong' }, ['UNAUTHENTICATED'], { http: 401, socket: 4401 }],
  ['a page of another origin', { query: '{ __typename }', origin: 'https://evil.example' }, ['FORBIDDEN'], { http: 403, socket: 403 }],
  ['a page without origin', { query: '{ __typename }', origin: 'null' }, ['FORBIDDEN'], { http: 403, socket: 403 }],
  ['a page of an allowed origin', { query: '{ __typename }', origin: 'https://console.example' }, []],
  ['a scope that is missing', { query: '{ users { totalCount } }', key: 'nothing' }, ['FORBIDDEN']],
  ['a subscription without scope', { query: 'subscription { entitlementChanges { __typename } }', key: 'nothing' }, ['FORBIDDEN']],
  ['no document', { query: '' }, ['GRAPHQL_PARSE_FAILED']],
  ['a document that is none', { query: '{' }, ['GRAPHQL_PARSE_FAILED']],
  ['a field that is none', { query: '{ nope }' }, ['GRAPHQL_VALIDATION_FAILED']],
  ['depth', { query: `{ organization(id: "x") { ${nested(6)} } }` }, ['GRAPHQL_VALIDATION_FAILED']],
  [
    'depth by fragments',
    {
      query: `{ organization(id: "x") { ...A } } fragment A on Organization { ${nested(3)} ...B } fragment B on Organization { ${nested(5)} }`,
    },
    ['GRAPHQL_VALIDATION_FAILED'],
  ],
  ['tokens', { query: `{ ${repeat(2001, () => 'caller')} }` }, ['GRAPHQL_PARSE_FAILED']],
  ['text', { query: `#${'x'.repeat(70_000)}\n{ __typename }` }, ['GRAPHQL_PARSE_FAILED']],
  ['aliases', { query: `{ ${repeat(31, (index) => `a${index}: caller { name }`)} }` }, ['GRAPHQL_VALIDATION_FAILED']],
  ['aliases of __typename', { query: `{ ${repeat(31, (index) => `a${index}: __typename`)} }` }, ['GRAPHQL_VALIDATION_FAILED']],
  ['directives', { query: `{ caller { ${repeat(21, () => 'name @include(if: true)')} } }` }, ['GRAPHQL_VALIDATION_FAILED']],
  ['repetition', { query: `{ ${repeat(51, () => '__typename')} }` }, ['GRAPHQL_VALIDATION_FAILED']],
  ['cost', { query: '{ users(first: 500) { nodes { groups(first: 500) { nodes { id } } } } }' }, ['GRAPHQL_VALIDATION_FAILED']],
  ['rows by variables', { query: 'query ($n: Int) { users(first: $n) { totalCount } }', variables: { n: 501 } }, ['BAD_USER_INPUT']],
  [
    'circular introspection',
    { query: '{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }' },
    ['GRAPHQL_VALIDATION_FAILED'],
  ],
  ['an operation by its hash', { extensions: { persistedQuery: { version: 1, sha256Hash: sha256(operation) } } }, []],
  ['an operation by its id', { documentId: `sha256:${sha256(operation)}` }, []],
  ['an operation that nobody knows', { documentId: sha256('{ unknown }') }, ['NOT_FOUND'], { http: 404, socket: 0 }],
  ['a fault of ours', { query: '{ syncHealth { status } }' }, ['INTERNAL']],
];

const CLOSED: Row[] = [
  ['a plain question', { query: '{ caller { name } }' }, ['FORBIDDEN'], { http: 403, socket: 0 }],
  ['the text of an operation that is known', { query: operation }, []],
  ['that text in other lines', { query: operation.replace(/\s+/g, '\n\t') }, []],
  ['that text and more', { query: `${operation} query { caller { name } }` }, ['FORBIDDEN'], { http: 403, socket: 0 }],
  ['that text behind a comment', { query: `# x\n${operation}` }, ['FORBIDDEN'], { http: 403, socket: 0 }],
  ['text beside a name', { query: '{ caller { name } }', documentId: sha256(operation) }, ['FORBIDDEN'], { http: 403, socket: 0 }],
  ['no document', {}, ['FORBIDDEN'], { http: 403, socket: 0 }],
  ['an operation that nobody knows', { documentId: sha256('{ unknown }') }, ['NOT_FOUND'], { http: 404, socket: 0 }],
  ['an operation by its hash', { extensions: { persistedQuery: { sha256Hash: sha256(operation) } } }, []],
  ['an operation by its id', { documentId: sha256(operation) }, []],
];

const HIDDEN: Row[] = [
  ['introspection', { query: '{ __schema { __typename } }' }, ['GRAPHQL_VALIDATION_FAILED']],
  ['a type', { query: '{ __type(name: "User") { name } }' }, ['GRAPHQL_VALIDATION_FAILED']],
  ['a misspelt field', { query: '{ calle { name } }' }, ['GRAPHQL_VALIDATION_FAILED']],
  [
    'a misspelt value',
    { query: 'query ($s: UserState) { users(state: $s) { totalCount } }', variables: { s: 'ACTVE' } },
    ['BAD_USER_INPUT'],
  ],
];

const broken = {
  health: { read: () => Promise.reject(new Error('the secret inside')), watch: () => Promise.reject(new Error('the secret inside')) },
};
const SERVERS: [string, Parameters<typeof startApi>[0] & object, Row[]][] = [
  ['as it comes', { policy: { allowedOrigins: ['https://console.example'] }, services: broken as never }, OPEN],
  ['with PERSISTED_OPERATIONS=only', { policy: { persistedOnly: true } }, CLOSED],
  ['without introspection', { policy: { introspection: false } }, HIDDEN],
];

describe.each(SERVERS)('%s', (_name, options, rows) => {
  let api: Api;
  beforeAll(async () => {
    api = await startApi(options);
  }, 120_000);
  afterAll(() => api.close());

  test.each(rows)('%s', async (_what, question, codes, transport) => {
    for (const [name, ask] of Object.entries(TRANSPORTS)) {
      const verdict = await ask(api, question);
      const said = name === 'WebSocket' ? transport?.socket || null : transport?.http;
      // A close code is all that a WebSocket can say before it has a caller.
      const closed = name === 'WebSocket' && (verdict.transport ?? 0) >= 1000;
      expect({ name, codes: closed ? codes : verdict.codes }).toEqual({ name, codes });
      if (said !== undefined) expect({ name, transport: verdict.transport }).toEqual({ name, transport: said });
      expect(verdict.messages.join()).not.toMatch(/secret|did you mean.*(caller|ACTIVE)|node_modules|\.ts:/i);
    }
  });
});

describe('too many', () => {
  let api: Api;
  beforeEach(async () => {
    api = await startApi({ limits: { operationsPerMinute: 1 } });
  }, 120_000);
  afterEach(() => api.close());

  test.each(Object.entries(TRANSPORTS))('over %s', async (name, ask) => {
    expect((await ask(api, { query: '{ __typename }' })).codes).toEqual([]);
    const verdict = await ask(api, { query: '{ __typename }' });
    expect(verdict.codes).toEqual(['RATE_LIMITED']);
    expect(verdict.transport).toBe(name === 'WebSocket' ? null : 429);
    expect(verdict.messages[0]).toMatch(/Try again in \d+ s/);
  });
});
