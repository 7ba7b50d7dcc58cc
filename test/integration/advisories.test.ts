// What was once wrong in the libraries that stand at the door (test/unit/version-floors.test.ts names the advisories), tried
// on the running server. Tokens and their algorithms are in test/unit/auth/jwt.test.ts.
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { parse, validate } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { schema } from '../../schema/index.ts';
import { type Api, startApi } from '../support/api.ts';

let api: Api;

beforeAll(async () => {
  api = await startApi();
}, 120_000);
afterAll(() => api.close());

const repeat = (count: number, part: (index: number) => string) => Array.from({ length: count }, (_, index) => part(index)).join(' ');
const alive = async (): Promise<void> => expect((await api.query('{ caller { name } }')).data).toEqual({ caller: { name: 'admin' } });
const upgradeHeaders = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

/** The status, or what became of the connection. */
const upgrade = (headers: Record<string, string>): Promise<number | string> =>
  new Promise((resolve) => {
    const asking = request(`${api.url}/graphql`, { headers: { ...upgradeHeaders, ...headers } });
    asking.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve(response.statusCode ?? 0);
    });
    asking.on('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    asking.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
    asking.end();
  });

describe('ws', () => {
  const open = async (): Promise<WebSocket> => {
    const socket = new WebSocket(`${api.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    socket.on('error', () => {});
    await once(socket, 'open');
    return socket;
  };
  const closeCode = (socket: WebSocket): Promise<number> => new Promise((resolve) => socket.once('close', resolve));

  test('thousands of headers do not end the server (CVE-2024-37890)', async () => {
    const many = Object.fromEntries(Array.from({ length: 1_990 }, (_, index) => [index.toString(36), '']));
    expect([101, 431, 400]).toContain(await upgrade(many));
    await alive();
  });

  test('a protocol header of spaces is no work (CVE-2021-32640)', async () => {
    expect([101, 400]).toContain(await upgrade({ 'Sec-WebSocket-Protocol': `b${' '.repeat(12_000)}x` }));
    await alive();
  });

  test.each([
    ['one long message', (socket: WebSocket) => socket.send('x'.repeat(300_000))],
    ['one long message in fragments', (socket: WebSocket) => [1, 2, 3, 4].map((n) => socket.send('x'.repeat(100_000), { fin: n === 4 }))],
    ['a message of many fragments', (socket: WebSocket) => Array.from({ length: 20_000 }, () => socket.send('x', { fin: false }))],
    [
      'a message of many fragments of nothing',
      (socket: WebSocket) => Array.from({ length: 20_000 }, () => socket.send('', { fin: false })),
    ],
    ['bytes that are no text', (socket: WebSocket) => socket.send(Buffer.from([0xff, 0xfe]), { binary: false })],
  ])('%s ends its own socket only', async (_what, send) => {
    const socket = await open();
    const closed = closeCode(socket);
    send(socket);
    expect([1006, 1007, 1008, 1009]).toContain(await closed);
    await alive();
  });

  test.each([
    ['no JSON', '{', 4400],
    ['no object', '[]', 4400],
    ['no message of the protocol', '{"type":"start","id":"1","payload":{"query":"{ __typename }"}}', 4400],
    ['an operation before anybody is known', '{"type":"subscribe","id":"1","payload":{"query":"{ __typename }"}}', 4401],
  ])('%s: %3$s', async (_what, message, code) => {
    const socket = await open();
    const closed = closeCode(socket);
    socket.send(message);
    expect(await closed).toBe(code);
  });

  test('an introduction that is repeated, and an id that is in use', async () => {
    const init = JSON.stringify({ type: 'connection_init', payload: { authorization: 'Bearer admin' } });
    const twice = await open();
    const closed = closeCode(twice);
    twice.send(init);
    twice.send(init);
    expect(await closed).toBe(4429);
    const same = await open();
    const ended = closeCode(same);
    same.send(init);
    await once(same, 'message');
    const follow = JSON.stringify({ type: 'subscribe', id: '1', payload: { query: 'subscription { syncHealth { status } }' } });
    same.send(follow);
    same.send(follow);
    expect(await ended).toBe(4409);
  });

  test.each(['graphql-ws', 'subscriptions-transport-ws', ''])(
    'the legacy protocol "%s" answers nothing, with or without a key',
    async (protocol) => {
      const socket = new WebSocket(`${api.url.replace('http', 'ws')}/graphql`, protocol === '' ? [] : [protocol], {
        headers: { authorization: 'Bearer admin' },
      });
      const said: string[] = [];
      socket.on('message', (data) => said.push(String(data)));
      socket.on('error', () => {});
      socket.on('open', () => {
        socket.send('{"type":"connection_init","payload":{}}');
        socket.send('{"type":"start","id":"1","payload":{"query":"{ caller { name } }"}}');
      });
      expect([1006, 4406]).toContain(await closeCode(socket));
      expect(said).toEqual([]);
    },
  );
});

describe('yoga', () => {
  test('a form of many parts is not read', async () => {
    const form = new FormData();
    form.set('operations', '{"query":"{ __typename }"}');
    form.set('map', '{}');
    for (let n = 0; n < 500; n += 1) form.set(`file${n}`, new Blob(['x']));
    const response = await fetch(`${api.url}/graphql`, { method: 'POST', headers: { authorization: 'Bearer admin' }, body: form }).catch(
      () => null,
    );
    if (response) expect(response.status).toBe(415);
    await alive();
  });

  test('a body beyond the limit is not read to its end, whatever its header says', async () => {
    for (const length of ['Content-Length: 900000000', 'Transfer-Encoding: chunked']) {
      const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
      socket.on('error', () => {});
      const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      let answer = '';
      socket.on('data', (data) => {
        answer += data;
      });
      socket.write(
        ['POST /graphql HTTP/1.1', 'Host: x', 'Authorization: Bearer admin', 'Content-Type: application/json', length, '', ''].join('\r\n'),
      );
      const megabyte = 'x'.repeat(1024 * 1024);
      const chunk = length.startsWith('T') ? `100000\r\n${megabyte}\r\n` : megabyte;
      let sent = 0;
      for (; sent < 64 && !socket.destroyed && answer === ''; sent += 1) {
        await new Promise<void>((resolve) => socket.write(chunk, () => resolve()));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      if (answer) expect(answer).toMatch(/^HTTP\/1\.1 413 /);
      expect(sent).toBeLessThan(64);
      socket.destroy();
      await closed;
    }
    await alive();
  });

  test('a compressed body is not unpacked', async () => {
    const response = await fetch(`${api.url}/graphql`, {
      method: 'POST',
      headers: { authorization: 'Bearer admin', 'content-type': 'application/json', 'content-encoding': 'gzip' },
      body: Buffer.from('H4sIAAAAAAAAA6tWKiwpqFSyqq4GAA==', 'base64'),
    });
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(response.status).toBeLessThan(500);
  });
});

describe('armor', () => {
  const deep = (depth: number): string => (depth === 0 ? 'id' : `directories { organization { ${deep(depth - 1)} } }`);
  test.each<[string, string]>([
    ['depth below a fragment named __schema', `{ organization(id: "x") { ...__schema } } fragment __schema on Organization { ${deep(6)} }`],
    ['depth in an operation named __schema', `query __schema { organization(id: "x") { ${deep(6)} } }`],
    ['depth under an alias __schema', `{ __schema: organization(id: "x") { ${deep(6)} } }`],
    [
      'depth of a fragment that was shallow where it was used first',
      `{ a: organization(id: "x") { ...A } b: organization(id: "x") { ${deep(4).replace('id', '...A')} } } fragment A on Organization { ${deep(2)} }`,
    ],
    ['depth of inline fragments', `{ organization(id: "x") ${repeat(13, () => '{ ... on Organization')} { id } ${'}'.repeat(13)} }`],
    [
      'cost of a fragment that is used again',
      `{ ${repeat(25, (n) => `a${n}: users(first: 500) { ...A }`)} } fragment A on QueryUsersConnection { nodes { groups(first: 20) { nodes { id } } } }`,
    ],
    [
      'cost where `first` is the last argument',
      '{ users(state: ACTIVE, search: "x", first: 500) { nodes { groups(first: 500) { nodes { id } } } } }',
    ],
    ['cost below an alias __schema', '{ __schema: users(first: 500) { nodes { groups(first: 500) { nodes { id } } } } }'],
    [
      'aliases that fragments multiply',
      `{ ...A } ${['A', 'B', 'C', 'D', 'E'].map((name, n, all) => `fragment ${name} on Query { a${n}: caller { name } b${n}: caller { name } ${all[n + 1] ? `...${all[n + 1]} x${n}: organization(id: "x") { ...O }` : ''} }`).join(' ')} fragment O on Organization { ${repeat(10, (n) => `o${n}: id`)} }`,
    ],
    ['directives in a fragment', `{ caller { ...A } } fragment A on Caller { ${repeat(21, (n) => `a${n}: name @include(if: true)`)} }`],
  ])('%s is seen', async (_what, query) => {
    const { errors, data } = await api.query(query);
    expect(data).toBeUndefined();
    expect(errors?.map(({ message }) => message).join()).toMatch(/limit of \d+ exceeded/i);
  });

  test('a limit that was passed once is not passed by what is remembered', async () => {
    const [small, large] = [
      '{ users(first: 1) { nodes { id } } }',
      '{ users(first: 500) { nodes { groups(first: 500) { nodes { id } } } } }',
    ];
    for (let round = 0; round < 3; round += 1) {
      expect(await api.codes(small)).toEqual([]);
      expect(await api.codes(large)).toEqual(['GRAPHQL_VALIDATION_FAILED']);
    }
  });
});

describe('graphql', () => {
  /** The best of three, of the processor's time and not of the clock's. */
  async function cpuMs(work: () => Promise<unknown>): Promise<number> {
    const taken: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      const before = process.cpuUsage();
      await work();
      const { user, system } = process.cpuUsage(before);
      taken.push((user + system) / 1_000);
    }
    return Math.min(...taken);
  }

  const inline = (outer: number, inner: number) =>
    `{ ${repeat(outer, () => `... on Query { organization(id: "x") { ${repeat(inner, () => '... on Organization { id }')} } }`)} }`;
  const chain = (length: number) =>
    `{ organization(id: "x") { ...F0 } } ${repeat(length, (n) => `fragment F${n} on Organization { id name ${n + 1 < length ? `...F${n + 1} ...F${n + 1}` : ''} }`)}`;
  let serial = 0;
  const unseen = (query: string): string => {
    serial += 1;
    return `# ${serial}\n${query}`;
  };

  test.each([
    ['overlapping fields (CVE-2023-26144)', `{ ${repeat(480, () => 'organization(id: "x") { id }')} }`],
    ['overlapping inline fragments', inline(12, 14)],
    ['fragments that spread each other twice', chain(100)],
    ['many unknown fields, each with suggestions', `{ ${repeat(1_900, (n) => `usr${n}`)} }`],
    ['a deep literal', `{ entitlementChanges(filter: ${'{a:'.repeat(450)}1${'}'.repeat(450)}) { cursor } }`],
    ['a deep list', `{ checkAccesses(checks: ${'['.repeat(950)}${']'.repeat(950)}) { allowed } }`],
  ])(
    '%s take no more time than many plain documents',
    async (_what, query) => {
      const plain = `{ ${repeat(50, (n) => `...F${n}`)} } ${repeat(50, (n) => `fragment F${n} on Query { caller { name } }`)}`;
      await api.query(unseen(plain));
      const plainMs = await cpuMs(async () => {
        for (let n = 0; n < 10; n += 1) await api.query(unseen(plain));
      });
      const harmfulMs = await cpuMs(() => api.query(unseen(query)));
      expect(harmfulMs).toBeLessThan(10 * plainMs);
    },
    60_000,
  );

  test('a question that repeats itself is refused before validation, which would take far longer', async () => {
    const query = `{ ${repeat(480, () => 'organization(id: "x") { id }')} }`;
    const plainly = await cpuMs(async () => validate(schema, parse(query)));
    expect(await cpuMs(() => api.query(unseen(query)))).toBeLessThan(plainly / 2);
  });
});
