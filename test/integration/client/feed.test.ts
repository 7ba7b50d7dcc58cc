// The consumer's feed against the real server over real sockets, with a proxy in between that cuts, and with scripted servers
// that close as no sound one does.
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parse, validate } from 'graphql';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type WebSocket as ServerSocket, WebSocketServer } from 'ws';
import { schema } from '../../../schema/index.ts';
import { createAccessFeed, type FeedItem, type FeedState, RequestRefused, SnapshotNeeded } from '../../../src/client/client.ts';
import { FOLLOW_CHANGES, SNAPSHOT_PAGE } from '../../../src/client/documents.ts';
import { type Api, startApi } from '../../support/api.ts';
import { aChange, commit, range } from '../../support/changes.ts';
import { type CuttingProxy, startCuttingProxy } from '../../support/cutting-proxy.ts';
import { waitFor } from '../../support/wait-for.ts';

let api: Api;
let proxy: CuttingProxy;
let stop = new AbortController();

beforeAll(async () => {
  api = await startApi();
  proxy = await startCuttingProxy(Number(new URL(api.url).port));
}, 120_000);

afterEach(async () => {
  stop.abort();
  stop = new AbortController();
  await waitFor('every subscriber to be gone', () => api.node.feed.stats().subscribers === 0);
});

afterAll(async () => {
  await proxy.stop();
  await api.close();
});

const QUICK = { minMs: 20, maxMs: 100 };
const write = async (...users: string[]) => {
  await commit(api.db, ...users.map((user) => aChange(user)));
  api.node.nudge.nudge();
};

/** Takes what comes; what ended it is in `ending`, null when it ended quietly. */
function reading(feed: AsyncIterable<FeedItem>, onItem: (item: FeedItem) => unknown = () => {}) {
  const seen = { users: [] as string[], items: [] as FeedItem[], ending: undefined as unknown };
  const done = (async () => {
    for await (const item of feed) {
      await onItem(item);
      seen.items.push(item);
      if (item.kind === 'change') seen.users.push(item.userId);
    }
  })().then(
    () => {
      seen.ending = null;
    },
    (error: unknown) => {
      seen.ending = error;
    },
  );
  return Object.assign(seen, { done });
}

const follow = (over: Partial<Parameters<typeof createAccessFeed>[0]> = {}) =>
  createAccessFeed({ url: proxy.url, token: 'admin', signal: stop.signal, backoff: QUICK, ...over });

test.each([
  ['the subscription', FOLLOW_CHANGES],
  ['the snapshot', SNAPSHOT_PAGE],
])('%s that the client sends is one of the schema', (_, document) => {
  expect(validate(schema, parse(document))).toEqual([]);
});

test('a feed that is cut again and again hands over every change, in order, once', async () => {
  const states: FeedState['kind'][] = [];
  const feed = follow({ onState: ({ kind }) => states.push(kind) });
  const seen = reading(feed);
  await waitFor('the first checkpoint', () => seen.items.length > 0);
  expect(seen.items[0]).toMatchObject({ kind: 'checkpoint', caughtUp: true });
  for (const batch of range(1, 12)) {
    await write(...range(1, 9).map((index) => `cut_${batch}_${index}`));
    if (batch % 3 === 0) proxy.cut();
    if (batch % 4 === 0) await waitFor('some of it', () => seen.users.length > batch);
  }
  const all = range(1, 12).flatMap((batch) => range(1, 9).map((index) => `cut_${batch}_${index}`));
  await waitFor('all changes', () => seen.users.length >= all.length, { timeoutMs: 30_000, missing: () => seen.users.length });
  expect(seen.users).toEqual(all);
  expect(states).toContain('waiting');
  await waitFor('being live', () => states.at(-1) === 'live');
  stop.abort();
  await seen.done;
  await feed.ended;
  expect(seen.ending).toBeNull();
});

test('control: a client that does not move its cursor gets changes again', async () => {
  const { cursor } = (await follow().next()).value as FeedItem;
  const users: string[] = [];
  await write('again');
  for (const _ of [1, 2]) {
    const client = api.socket();
    client.subscribe<{ entitlementChanges: { userId?: string } }>(
      { query: FOLLOW_CHANGES, variables: { after: cursor } },
      {
        next: ({ data }) => void (data?.entitlementChanges.userId && users.push(data.entitlementChanges.userId)),
        error() {},
        complete() {},
      },
    );
    await waitFor('the change', () => users.length >= _);
    client.terminate();
  }
  expect(users).toEqual(['again', 'again']);
});

test('a process that stores the cursor with its state goes on where it stopped; what was not dealt with comes again', async () => {
  const stored: { cursor: string | null; users: string[] } = { cursor: null, users: [] };
  const options = {
    load: () => stored.cursor,
    save(cursor: string) {
      stored.cursor = cursor;
    },
  };
  const first = follow(options);
  await first.next();
  await write('one', 'two', 'three');
  for await (const item of first) {
    if (item.kind === 'checkpoint') continue;
    stored.users.push(item.userId);
    if (item.userId === 'two') break; // a crash: "two" was seen, and nobody asked for the next
  }
  await first.ended;
  const second = follow(options);
  for await (const item of second) {
    if (item.kind === 'change') stored.users.push(item.userId);
    if (stored.users.at(-1) === 'three') break;
  }
  expect(stored.users).toEqual(['one', 'two', 'two', 'three']);
});

test('what `save` or `load` throws reaches the consumer', async () => {
  const full = new Error('disk full');
  const seen = reading(follow({ save: () => Promise.reject(full) }));
  await seen.done;
  expect(seen.ending).toBe(full);
  expect(seen.items).toHaveLength(1);
  await expect(follow({ load: () => Promise.reject(full) }).next()).rejects.toBe(full);
});

test('a consumer that takes its time holds at most 256 items, and still gets every change once', async () => {
  const states: FeedState['kind'][] = [];
  const feed = follow({ onState: ({ kind }) => states.push(kind) });
  await feed.next();
  await write(...range(1, 700).map((index) => `slow_${index}`));
  // It deals with nothing until the feed has given up sending.
  await waitFor('the feed to leave the connection', () => states.includes('full') && api.node.feed.stats().subscribers === 0);
  const seen = reading(feed);
  await waitFor('all changes', () => seen.users.length >= 700, { timeoutMs: 30_000, missing: () => seen.users.length });
  expect(seen.users).toEqual(range(1, 700).map((index) => `slow_${index}`));
});

test('a cursor that is none of this log needs a snapshot, and a filter that is no filter is refused', async () => {
  await expect(follow({ load: () => 'nonsense' }).next()).rejects.toMatchObject({ name: 'SnapshotNeeded', code: 'CURSOR_INVALID' });
  await expect(follow({ load: () => 'nonsense' }).next()).rejects.toBeInstanceOf(SnapshotNeeded);
  await expect(follow({ filter: { nothing: 'x' } as object }).next()).rejects.toBeInstanceOf(RequestRefused);
});

test('leaving a quiet feed ends at once and holds nothing', async () => {
  const feed = follow();
  await feed.next();
  const pending = feed.next();
  await feed.return?.();
  expect(await pending).toEqual({ done: true, value: undefined });
  await feed.ended;
});

test('an unused feed opens nothing', async () => {
  const feed = follow();
  await feed.return?.();
  await feed.ended;
});

describe('what heals is tried again', () => {
  /** Lets in whoever has the token "good", and then does as the script says, connection by connection. */
  async function scripted(...script: ((socket: ServerSocket, id: string) => void)[]) {
    const http = createServer();
    const server = new WebSocketServer({ server: http, handleProtocols: () => 'graphql-transport-ws' });
    const variables: unknown[] = [];
    server.on('connection', (socket: ServerSocket, _request: IncomingMessage) => {
      socket.on('message', (data) => {
        const message = JSON.parse(String(data));
        if (message.type === 'connection_init') {
          if (message.payload.authorization === 'Bearer good') socket.send(JSON.stringify({ type: 'connection_ack' }));
          else socket.close(message.payload.authorization === 'Bearer revoked' ? 4403 : 4401, 'no');
        }
        if (message.type === 'ping') socket.send(JSON.stringify({ type: 'pong' }));
        if (message.type === 'subscribe') {
          variables.push(message.payload.variables.after);
          (script.shift() ?? (() => {}))(socket, message.id);
        }
      });
    });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    return {
      url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
      variables,
      async close() {
        for (const socket of server.clients) socket.terminate();
        server.close();
        http.close();
        await once(http, 'close');
      },
    };
  }
  const checkpoint = (socket: ServerSocket, id: string, cursor: string) =>
    socket.send(
      JSON.stringify({
        id,
        type: 'next',
        payload: { data: { entitlementChanges: { __typename: 'FeedCheckpoint', cursor, caughtUp: true, at: '2026-01-01T00:00:00Z' } } },
      }),
    );

  test.each<[string, (socket: ServerSocket, id: string) => void]>([
    ...[1000, 1001, 1011, 1012, 1013, 4400, 4403, 4408, 4409, 4429, 4500].map((code): [string, (socket: ServerSocket) => void] => [
      `close code ${code}`,
      (socket) => socket.close(code, 'bye'),
    ]),
    ['a connection that breaks', (socket) => socket.terminate()],
    ['"complete"', (socket, id) => socket.send(JSON.stringify({ type: 'complete', id }))],
    [
      'an error that may pass',
      (socket, id) =>
        socket.send(JSON.stringify({ type: 'error', id, payload: [{ message: 'later', extensions: { code: 'UNAVAILABLE' } }] })),
    ],
    [
      'a missing right',
      (socket, id) => socket.send(JSON.stringify({ type: 'error', id, payload: [{ message: 'no', extensions: { code: 'FORBIDDEN' } }] })),
    ],
    [
      'an item that is none',
      (socket, id) => socket.send(JSON.stringify({ type: 'next', id, payload: { data: { entitlementChanges: {} } } })),
    ],
    ['a message that is none', (socket) => socket.send('{"type":"what"}')],
    ['silence', () => {}],
  ])('%s', async (_, fault) => {
    const server = await scripted(
      (socket, id) => {
        checkpoint(socket, id, 'first');
        setTimeout(() => fault(socket, id), 20);
      },
      (socket, id) => checkpoint(socket, id, 'second'),
    );
    const feed = createAccessFeed({ url: server.url, token: () => 'good', signal: stop.signal, backoff: QUICK, silenceMs: 2_000 });
    try {
      expect((await feed.next()).value).toMatchObject({ cursor: 'first' });
      expect((await feed.next()).value).toMatchObject({ cursor: 'second' });
      expect(server.variables).toEqual([null, 'first']);
    } finally {
      await feed.return?.();
      await feed.ended;
      await server.close();
    }
  });

  test.each(['expired', 'revoked'])('a token that is %s is asked for anew once at once, then after pauses', async (old) => {
    const server = await scripted((socket, id) => checkpoint(socket, id, 'in'));
    const tokens = [old, old, old, 'good'];
    const waits: Extract<FeedState, { kind: 'waiting' }>[] = [];
    const feed = createAccessFeed({
      url: server.url,
      token: async () => tokens.shift() ?? 'good',
      signal: stop.signal,
      backoff: QUICK,
      onState: (state) => void (state.kind === 'waiting' && waits.push(state)),
    });
    try {
      expect((await feed.next()).value).toMatchObject({ cursor: 'in' });
      expect(tokens).toEqual([]);
      expect(waits.map(({ retryInMs }) => retryInMs > 0)).toEqual([false, true, true]);
      expect(waits[0]?.reason).toMatch(/^440[13]/);
    } finally {
      await feed.return?.();
      await feed.ended;
      await server.close();
    }
  });

  test('pings that come back over a quiet feed say that it is in step', async () => {
    const server = await scripted((socket, id) => checkpoint(socket, id, 'quiet'));
    const moments: number[] = [];
    const feed = createAccessFeed({
      url: server.url,
      token: 'good',
      signal: stop.signal,
      pingMs: 20,
      onInStep: (at) => void moments.push(at),
    });
    try {
      await feed.next();
      const pending = feed.next();
      await waitFor('pongs', () => moments.length > 3);
      expect(moments).toEqual(moments.toSorted((a, b) => a - b));
      expect(moments.at(-1)).toBeLessThanOrEqual(performance.now());
      await feed.return?.();
      await pending;
    } finally {
      await feed.return?.();
      await feed.ended;
      await server.close();
    }
  });

  test('a token that cannot be had, and a server that is not there', async () => {
    let asked = 0;
    const states: string[] = [];
    const feed = createAccessFeed({
      url: 'http://127.0.0.1:9',
      token: () => {
        asked += 1;
        if (asked === 1) throw new Error('the issuer is away');
        return 'good';
      },
      signal: stop.signal,
      backoff: QUICK,
      onState: (state) => void (state.kind === 'waiting' && states.push(state.reason)),
    });
    const pending = feed.next();
    await waitFor('several tries', () => states.length > 3);
    expect(states[0]).toContain('the issuer is away');
    await feed.return?.();
    expect(await pending).toMatchObject({ done: true });
    await feed.ended;
  });
});
