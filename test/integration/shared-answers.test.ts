// One change, many subscribers over WebSocket: who asks the same gets the same text, answered once; who may see other things,
// asks for others or asks for what depends on more than the change is answered alone.
import { buildSchema, type ExecutionResult, type GraphQLSchema, parse } from 'graphql';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { schema } from '../../schema/index.ts';
import type { Take } from '../../src/lib/parkable.ts';
import { planAnswers } from '../../src/server/answer-plan.ts';
import { directAnswers, useSharedAnswers } from '../../src/server/shared-answers.ts';
import { type Api, startApi } from '../support/api.ts';
import { aChange, commit } from '../support/changes.ts';
import { waitFor } from '../support/wait-for.ts';

const FOLLOW = `subscription ($filter: EntitlementChangeFilter) {
  entitlementChanges(filter: $filter) { ... on EntitlementChange { cursor userId organizationId grantedPermissions } ... on FeedCheckpoint { caughtUp } }
}`;

const plan = (text: string) => planAnswers(schema, parse(text), undefined);

test('what decides on an answer: nothing that only chooses items, and every other variable', () => {
  expect(plan(FOLLOW)).toEqual({ variables: [] });
  expect(
    plan(`subscription ($a: Cursor, $b: Boolean!, $c: Boolean!) {
      entitlementChanges(after: $a) { ... on EntitlementChange { cursor @include(if: $c) ...Rest } } }
      fragment Rest on EntitlementChange { cause { kind @skip(if: $b) } }`),
  ).toEqual({ variables: ['b', 'c'] });
});

test('what depends on who asks, and when, is not shared', () => {
  expect(plan('subscription { entitlementChanges { ... on EntitlementChange { user { email } } } }')).toBeNull();
  expect(plan('subscription { replayProgress(id: "x") { status } }')).toBeNull();
  expect(plan('query { caller { name } }')).toBeNull();
});

// ------------------------------------------------------------------ the plugin by itself

const SMALL: GraphQLSchema = buildSchema(`type Query { x: Int } type Item { n: Int } type Subscription { items(from: Int): Item }`);
for (const field of [
  SMALL.getSubscriptionType()?.getFields().items,
  (SMALL.getType('Item') as { getFields?(): Record<string, object> }).getFields?.().n,
])
  Object.assign(field as object, { extensions: { ofTheItem: true } });

function subscriber(
  plugin: ReturnType<typeof useSharedAnswers>,
  document: ReturnType<typeof parse>,
  items: readonly object[],
  caller: object,
  variableValues = {},
) {
  let subscribeFn: ((args: unknown) => Promise<AsyncIterable<ExecutionResult>>) | undefined;
  const source = async function* () {
    yield* items;
  };
  const args = { schema: SMALL, document, variableValues, contextValue: { caller }, rootValue: { items: source } };
  plugin.onSubscribe?.({ args, setSubscribeFn: (fn: typeof subscribeFn) => (subscribeFn = fn) } as never);
  return async () => {
    const results: ExecutionResult[] = [];
    for await (const result of (await subscribeFn?.(args)) ?? []) results.push(result);
    expect(directAnswers(args.contextValue)).toBeDefined();
    return results;
  };
}

/** Told how often it was looked at. */
function item(n: number): { item: object; looks: () => number } {
  const look = vi.fn(() => n);
  // As graphql's default resolver finds it: the item is the root value, its field under the root's name.
  return { item: { items: { n: look } }, looks: () => look.mock.calls.length };
}

const ANYBODY = { organizationId: null, scopes: ['A', 'B'] };
const DOCUMENT = parse('subscription ($from: Int, $with: Boolean = true) { items(from: $from) { n @include(if: $with) } }');

test('who asks the same is answered once, also while the first is being answered', async () => {
  const plugin = useSharedAnswers();
  const { item: one, looks } = item(1);
  const results = await Promise.all(
    [{ from: 1 }, { from: 2 }, {}].map((variables) => subscriber(plugin, DOCUMENT, [one], ANYBODY, variables)()),
  );
  expect(results.map(([result]) => result?.data)).toEqual(Array(3).fill({ items: { n: 1 } }));
  expect(new Set(results.flat()).size).toBe(1);
  expect(looks()).toBe(1);
});

test('who waits for an item has its answer at once, the first of them too', async () => {
  const plugin = useSharedAnswers();
  const { item: one, looks } = item(1);
  const takers: Take<object>[] = [];
  const waiting = {
    [Symbol.asyncIterator]: () => waiting,
    next: () => new Promise<never>(() => {}),
    park: (take: Take<object>) => takers.push(take) > 0,
  };
  const seen: unknown[] = [];
  for (let n = 0; n < 3; n += 1) {
    let subscribeFn: ((args: unknown) => Promise<unknown>) | undefined;
    const args = {
      schema: SMALL,
      document: DOCUMENT,
      variableValues: {},
      contextValue: { caller: ANYBODY },
      rootValue: { items: () => waiting },
    };
    plugin.onSubscribe?.({ args, setSubscribeFn: (fn: typeof subscribeFn) => (subscribeFn = fn) } as never);
    await subscribeFn?.(args);
    directAnswers(args.contextValue)?.park?.((answer) => seen.push(answer?.data) > 0);
  }
  expect(takers.map((take) => take(one))).toEqual([true, true, true]);
  expect(seen).toEqual([1, 2, 3].map(() => ({ items: { n: 1 } })));
  expect(looks()).toBe(1);
});

test('never across tenants, scopes, variables that decide, or documents', async () => {
  const plugin = useSharedAnswers();
  const { item: one, looks } = item(1);
  const ask = (caller: object, variables = {}, document = DOCUMENT) => subscriber(plugin, document, [one], caller, variables)();
  await ask(ANYBODY);
  await ask({ ...ANYBODY, scopes: ['B', 'A'] });
  expect(looks()).toBe(1);
  await ask({ ...ANYBODY, organizationId: 'org_1' });
  await ask({ ...ANYBODY, scopes: ['A'] });
  await ask(ANYBODY, { with: true });
  await ask(ANYBODY, {}, parse('subscription { items { n } }'));
  expect(looks()).toBe(5);
  expect((await ask(ANYBODY, { with: false }))[0]?.data).toEqual({ items: {} });
});

test('what is held has a bound: what came long before is answered again', async () => {
  const plugin = useSharedAnswers({ maxTextLength: 10_000 });
  const first = item(0);
  const many = Array.from({ length: 100 }, (_, n) => item(n + 1));
  await subscriber(plugin, DOCUMENT, [first.item], ANYBODY)();
  await subscriber(
    plugin,
    DOCUMENT,
    many.map((one) => one.item),
    ANYBODY,
  )();
  await subscriber(plugin, DOCUMENT, [first.item, (many.at(-1) as { item: object }).item], ANYBODY)();
  expect([first.looks(), many.at(-1)?.looks()]).toEqual([2, 1]);
});

test('a faulty answer is not shared', async () => {
  const plugin = useSharedAnswers();
  let looks = 0;
  const faulty = {
    items: {
      n: () => {
        looks += 1;
        throw new Error(`fault ${looks}`);
      },
    },
  };
  const texts = [];
  for (let time = 0; time < 2; time += 1) texts.push((await subscriber(plugin, DOCUMENT, [faulty], ANYBODY)())[0]?.errors?.[0]?.message);
  expect(texts).toEqual(['fault 1', 'fault 2']);
});

// ------------------------------------------------------------------ through the server

let api: Api;
beforeAll(async () => {
  api = await startApi();
}, 120_000);
afterAll(() => api.close());

function follow(variables: object, authorization = 'Bearer admin') {
  const users: string[] = [];
  const checkpoints: boolean[] = [];
  const client = createClient({
    url: `${api.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization },
    retryAttempts: 0,
  });
  client.subscribe(
    { query: FOLLOW, variables: variables as Record<string, unknown> },
    {
      next({ data }) {
        const { userId, caughtUp } = (data as { entitlementChanges: { userId?: string; caughtUp?: boolean } }).entitlementChanges;
        if (userId) users.push(userId);
        else checkpoints.push(caughtUp === true);
      },
      error: () => {},
      complete: () => {},
    },
  );
  return { users, checkpoints, close: () => client.terminate() };
}

test('a group, its neighbours and one with another filter get exactly theirs, in order, and are told that they caught up', async () => {
  const all = [
    ...Array.from({ length: 20 }, () => follow({})),
    follow({ filter: { userIds: ['b'] } }),
    follow({ filter: { userIds: ['nobody'] } }),
  ];
  await waitFor('all to stand', () => all.every(({ checkpoints }) => checkpoints.length === 1));
  for (const user of ['a', 'b', 'c']) {
    await commit(api.db, aChange(user));
    api.node.nudge.nudge();
  }
  await commit(api.db, ...Array.from({ length: 300 }, (_, n) => aChange(`d${n}`)));
  api.node.nudge.nudge();
  const expected = ['a', 'b', 'c', ...Array.from({ length: 300 }, (_, n) => `d${n}`)];
  await waitFor('the group to have all', () => all.slice(0, 20).every(({ users }) => users.length === expected.length));
  for (const { users } of all.slice(0, 20)) expect(users).toEqual(expected);
  await waitFor('everybody to be told', () => all.slice(0, 21).every(({ checkpoints }) => checkpoints.length >= 2 && checkpoints.at(-1)));
  expect(all.slice(20).map(({ users }) => users)).toEqual([['b'], []]);
  for (const { close } of all) close();
  await waitFor('nobody to follow', () => api.node.feed.stats().subscribers === 0);
});
