// Subscriptions over SSE and WebSocket: what arrives, how they end, and that whoever leaves or stalls holds nothing.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { AccessError } from '../../src/errors.ts';
import type { Feed, FeedItem } from '../../src/feed/feed.ts';
import { pullIterator } from '../../src/lib/pull-iterator.ts';
import { DEFAULT_LIMITS } from '../../src/server/limits.ts';
import { type Api, type Result, startApi } from '../support/api.ts';
import { aChange, commit } from '../support/changes.ts';
import { waitFor } from '../support/wait-for.ts';

let api: Api;

beforeAll(async () => {
  api = await startApi({ limits: { stallTimeoutMs: 400, keepAliveMs: 300, subscriptionsPerSocket: 5 } });
}, 120_000);

afterAll(() => api.close());

const FOLLOW = `subscription ($after: Cursor) {
  entitlementChanges(after: $after) { ... on EntitlementChange { cursor userId } ... on FeedCheckpoint { cursor caughtUp } }
}`;

interface Item {
  cursor: string;
  userId?: string;
  caughtUp?: boolean;
}

const itemOf = (result: Pick<Result, 'data'>) => (result.data as { entitlementChanges: Item }).entitlementChanges;
const usersOf = (items: readonly Item[]) => items.flatMap(({ userId }) => userId ?? []);
const write = async (...users: string[]) => {
  await commit(api.db, ...users.map((user) => aChange(user)));
  api.node.nudge.nudge();
};
const subscribers = () => api.node.feed.stats().subscribers;

function reading(source: AsyncGenerator<Result>) {
  const items: Item[] = [];
  const done = (async () => {
    for await (const result of source) items.push(itemOf(result));
  })();
  done.catch(() => {});
  return { items, done };
}

describe.each(['POST', 'GET'] as const)('SSE by %s', (method) => {
  test('a checkpoint comes first, then changes; a later reader goes on from its last cursor', async () => {
    const stop = new AbortController();
    const first = reading(api.sse(FOLLOW, {}, { method, signal: stop.signal }));
    await waitFor('a checkpoint', () => first.items.length > 0);
    expect(first.items[0]).toMatchObject({ caughtUp: true });
    await write(`a_${method}`, `b_${method}`);
    await waitFor('two changes', () => usersOf(first.items).length === 2);
    stop.abort();
    await waitFor('nobody to follow', () => subscribers() === 0);

    await write(`c_${method}`);
    const again = new AbortController();
    const after = first.items.find(({ userId }) => userId === `a_${method}`)?.cursor;
    const second = reading(api.sse(FOLLOW, { after }, { method, signal: again.signal }));
    await waitFor('what was missed', () => usersOf(second.items).length === 2);
    expect(usersOf(second.items)).toEqual([`b_${method}`, `c_${method}`]);
    again.abort();
    await waitFor('nobody to follow', () => subscribers() === 0);
  });
});

test('a subscription that is asked for as plain JSON gets a stream, as curl does without any header', async () => {
  const response = await fetch(`${api.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer admin' },
    body: JSON.stringify({ query: FOLLOW }),
  });
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  await response.body?.cancel();
  await waitFor('nobody to follow', () => subscribers() === 0);
});

test('a subscription that has an end says so', async () => {
  const { id } = await api.db.replay.create({ data: { dryRun: true, source: 'LOG', selection: {}, requestedBy: 'x' } });
  const results: Result[] = [];
  for await (const result of api.sse('subscription ($id: ID!) { replayProgress(id: $id) { id status } }', { id })) results.push(result);
  expect(results.map(({ data }) => data)).toEqual(Array(3).fill({ replayProgress: { id, status: 'PENDING' } }));
});

describe('WebSocket', () => {
  test('a checkpoint comes first, then changes; leaving frees the feed', async () => {
    const items: Item[] = [];
    const leave = api
      .socket()
      .subscribe({ query: FOLLOW }, { next: (result) => void items.push(itemOf(result as Result)), error: () => {}, complete: () => {} });
    await waitFor('a checkpoint', () => items.length > 0);
    await write('over_ws');
    await waitFor('a change', () => usersOf(items).length === 1);
    const after = items.find(({ userId }) => userId)?.cursor ?? '';
    leave();
    await waitFor('nobody to follow', () => subscribers() === 0);

    await write('later');
    const rest: Item[] = [];
    const client = api.socket();
    client.subscribe(
      { query: FOLLOW, variables: { after } },
      { next: (result) => void rest.push(itemOf(result as Result)), error: () => {}, complete: () => {} },
    );
    await waitFor('what was missed', () => usersOf(rest).length === 1);
    expect(usersOf(rest)).toEqual(['later']);
    // Without saying goodbye to the subscription.
    client.terminate();
    await waitFor('nobody to follow', () => subscribers() === 0);
  });

  test('queries and mutations work on it too', async () => {
    const ask = (query: string) =>
      new Promise<unknown>((resolve) => api.socket().subscribe({ query }, { next: resolve, error: resolve, complete: () => {} }));
    expect(await ask('{ caller { name } }')).toEqual({ data: { caller: { name: 'admin' } } });
    expect(await ask('mutation { cancelReplay(id: "no") { id } }')).toMatchObject({ errors: [{ extensions: { code: 'NOT_FOUND' } }] });
  });

  /** A client that says what it likes. */
  async function raw(path = '/graphql', protocols = ['graphql-transport-ws'], headers = {}): Promise<WebSocket & { messages: unknown[] }> {
    const socket = new WebSocket(`${api.url.replace('http', 'ws')}${path}`, protocols, { headers });
    const messages: unknown[] = [];
    socket.on('message', (data) => messages.push(JSON.parse(String(data))));
    await once(socket, 'open');
    return Object.assign(socket, { messages });
  }
  const closeOf = async (socket: WebSocket) => ((await once(socket, 'close')) as [number])[0];
  const say = (socket: WebSocket, ...messages: unknown[]) => {
    for (const message of messages) socket.send(JSON.stringify(message));
  };
  const init = (authorization?: string) => ({ type: 'connection_init', payload: { authorization } });
  const subscribe = (id: string, query = FOLLOW) => ({ type: 'subscribe', id, payload: { query } });

  test.each([
    ['no key', [init()], 4401],
    ['a wrong key', [init('Bearer wrong')], 4401],
    ['no init before subscribing', [subscribe('1')], 4401],
    ['a message that is none', ['nonsense'], 4400],
    ['init twice', [init('Bearer admin'), init('Bearer admin')], 4429],
    ['a message that is too long', [{ type: 'ping', payload: { text: 'x'.repeat(300_000) } }], 1009],
  ])('%s closes the socket', async (_what, messages, code) => {
    const socket = await raw();
    const closed = closeOf(socket);
    say(socket, ...messages);
    expect(await closed).toBe(code);
    expect(socket.messages).not.toContainEqual(expect.objectContaining({ type: 'next' }));
    expect(subscribers()).toBe(0);
  });

  test('a name used twice closes the socket, and ends what ran under it', async () => {
    const socket = await raw();
    say(socket, init('Bearer admin'));
    await waitFor('an acknowledgement', () => socket.messages.length > 0);
    say(socket, subscribe('1'), subscribe('1'));
    expect(await closeOf(socket)).toBe(4409);
    await waitFor('nobody to follow', () => subscribers() === 0);
  });

  test('another protocol is 4406', async () => {
    const socket = new WebSocket(`${api.url.replace('http', 'ws')}/graphql`);
    expect(await closeOf(socket)).toBe(4406);
  });

  test('the key may come as a header of the upgrade', async () => {
    const socket = await raw('/graphql', ['graphql-transport-ws'], { authorization: 'Bearer admin' });
    say(socket, { type: 'connection_init' });
    await waitFor('an acknowledgement', () => socket.messages.length > 0);
    expect(socket.messages).toEqual([{ type: 'connection_ack' }]);
    socket.close();
  });

  test('any other path is 404', async () => {
    const socket = new WebSocket(`${api.url.replace('http', 'ws')}/nope`, ['graphql-transport-ws']);
    const [error] = (await once(socket, 'error')) as [Error];
    expect(error.message).toContain('404');
  });

  test('one socket holds so many subscriptions and no more, and the others go on', async () => {
    const socket = await raw();
    say(socket, init('Bearer admin'));
    await waitFor('an acknowledgement', () => socket.messages.length > 0);
    say(socket, ...Array.from({ length: 7 }, (_, index) => subscribe(String(index))));
    await waitFor('refusals', () => socket.messages.filter((message) => (message as { type: string }).type === 'error').length === 2);
    expect(socket.messages).toContainEqual({
      type: 'error',
      id: '6',
      payload: [{ message: expect.any(String), extensions: { code: 'RATE_LIMITED' } }],
    });
    await waitFor('the others', () => subscribers() === 5);
    socket.close();
    await waitFor('nobody to follow', () => subscribers() === 0);
  });

  test('a peer that is frozen is dropped', async () => {
    const socket = await raw();
    say(socket, init('Bearer admin'));
    await waitFor('an acknowledgement', () => socket.messages.length > 0);
    say(socket, subscribe('1'));
    await waitFor('the subscription', () => subscribers() === 1);
    const { stalledReaders } = api.node.feed.stats();
    (socket as unknown as { _socket: Socket })._socket.pause();
    await waitFor('nobody to follow', () => subscribers() === 0);
    expect(api.node.feed.stats().stalledReaders).toBe(stalledReaders + 1);
    (socket as unknown as { _socket: Socket })._socket.resume();
    await closeOf(socket);
  });
});

test('a reader of SSE that takes nothing is dropped, and held up nobody', async () => {
  const { hostname, port } = new URL(api.url);
  const stalled = connect(Number(port), hostname);
  stalled.on('error', () => {});
  const body = JSON.stringify({ query: FOLLOW.replace('userId }', 'userId grantedPermissions }') });
  stalled.write(
    `POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await once(stalled, 'data');
  stalled.pause();
  await waitFor('the subscription', () => subscribers() === 1);
  const { stalledReaders } = api.node.feed.stats();
  const lively = reading(api.sse(FOLLOW, {}));
  await waitFor('a second one', () => subscribers() === 2);
  const grantedPermissions = Array.from({ length: 300 }, (_, index) => `${index}-${'x'.repeat(200)}`);
  for (let batch = 0; batch < 20; batch += 1) {
    await commit(api.db, ...Array.from({ length: 20 }, (_, index) => aChange(`big_${batch}_${index}`, { grantedPermissions })));
    api.node.nudge.nudge();
  }
  await waitFor('the lively reader to have all', () => usersOf(lively.items).length === 400);
  await waitFor('the stalled one to be gone', () => subscribers() === 1);
  expect(api.node.feed.stats().stalledReaders).toBe(stalledReaders + 1);
  stalled.destroy();
});

describe('a fault on the way', () => {
  const item = (position: bigint): FeedItem => ({ kind: 'checkpoint', position, caughtUp: true, at: new Date() });
  const failing = (items: number, error: Error): Pick<Feed, 'open' | 'position'> => ({
    position: () => 0n,
    async open({ signal }) {
      let left = items;
      return pullIterator(
        async () => {
          if (left-- === 0) throw error;
          return item(1n);
        },
        { signal },
      );
    },
  });
  const outage = new AccessError('UNAVAILABLE', 'The log cannot be read.');

  const overSocket = async (own: Api) => {
    const seen: unknown[] = [];
    const ended = Promise.withResolvers<unknown>();
    own
      .socket()
      .subscribe(
        { query: FOLLOW },
        { next: (result) => void seen.push(result), error: ended.resolve, complete: () => ended.resolve('complete') },
      );
    return { seen, ended: await ended.promise };
  };

  test.each([
    ['an outage', outage, 1013],
    ['a fault of ours', new Error('inside'), 1013],
    ['a right that was taken away', new AccessError('FORBIDDEN', 'The key was revoked.'), 4403],
  ])('%s cuts the connection, so that the client comes again', async (_what, error, code) => {
    const own = await startApi({ services: { feed: failing(2, error) } });
    try {
      const { seen, ended } = await overSocket(own);
      expect(seen).toHaveLength(2);
      expect(ended).toMatchObject({ code });
      const stream = reading(own.sse(FOLLOW, {}));
      await expect(stream.done).rejects.toThrow();
      expect(stream.items.length).toBeLessThanOrEqual(2);
    } finally {
      await own.close();
    }
  });

  test('a cursor that has expired is told as an error, for coming again would not help', async () => {
    const own = await startApi({ services: { feed: failing(1, new AccessError('CURSOR_EXPIRED', 'Take a new snapshot.')) } });
    try {
      const { seen, ended } = await overSocket(own);
      expect(seen).toHaveLength(1);
      expect(ended).toMatchObject([{ message: 'Take a new snapshot.', extensions: { code: 'CURSOR_EXPIRED' } }]);
      const results: Result[] = [];
      for await (const result of own.sse(FOLLOW, {})) results.push(result);
      expect(results.at(-1)?.errors?.[0]?.extensions.code).toBe('CURSOR_EXPIRED');
    } finally {
      await own.close();
    }
  });

  test('an outage at the beginning closes a socket, and is told to a reader of SSE', async () => {
    const open = () => Promise.reject(outage);
    const own = await startApi({ services: { feed: { position: () => 0n, open } } });
    try {
      expect((await overSocket(own)).ended).toMatchObject({ code: 1013 });
      for await (const { errors } of own.sse(FOLLOW, {})) expect(errors?.[0]?.extensions.code).toBe('UNAVAILABLE');
    } finally {
      await own.close();
    }
  });
});

test('closing tells sockets 1012 and cuts streams without saying complete', async () => {
  const own = await startApi();
  const closed = Promise.withResolvers<unknown>();
  const socket = own.socket();
  socket.on('closed', closed.resolve);
  const items: unknown[] = [];
  socket.subscribe({ query: FOLLOW }, { next: (result) => void items.push(result), error: () => {}, complete: () => {} });
  const stream = reading(own.sse(FOLLOW, {}));
  await waitFor('both to be served', () => items.length > 0 && stream.items.length > 0);
  const startedAt = performance.now();
  // Without the client's own goodbye, which would come first.
  const closing = own.closeServer();
  expect(await closed.promise).toMatchObject({ code: 1012 });
  await expect(stream.done).rejects.toThrow();
  await closing;
  expect(performance.now() - startedAt, 'nobody had to be forced').toBeLessThan(DEFAULT_LIMITS.closeGraceMs);
  await own.close();
});
