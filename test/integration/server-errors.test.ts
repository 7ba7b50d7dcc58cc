// Every refusal has a code of the contract, whatever the transport; what went wrong inside stays inside.
import { beforeAll, describe, expect, test } from 'vitest';
import { openDb } from '../../src/db/client.ts';
import { openPrepared } from '../../src/db/prepared.ts';
import { createEffectiveLookup } from '../../src/entitlements/lookup.ts';
import { encodeCursor } from '../../src/model/cursor.ts';
import {
  ApplyCatalogDocument,
  CancelReplayDocument,
  ChangesAfterDocument,
  CheckAccessesDocument,
  GrantRoleDocument,
  RetryEventsDocument,
  RevokeGrantDocument,
  SkipEventDocument,
  SnapshotPageDocument,
  UserEntitlementsDocument,
  UsersDocument,
} from '../gql/documents.ts';
import { type Result, startApi } from '../support/api.ts';
import { insertCompany } from '../support/company-rows.ts';
import { useCompanyApi } from '../support/suite-api.ts';

const api = useCompanyApi();
let logId = '';
let head = 0n;

beforeAll(async () => {
  const row = await api.db.changeLogHead.findUniqueOrThrow({ where: { id: 1 } });
  logId = row.logId;
  head = row.position;
}, 120_000);

/** The same operation on every transport. */
const TRANSPORTS: Record<string, (query: string, variables?: Record<string, unknown>) => Promise<Result>> = {
  http: (query, variables) => api.query(query, variables),
  async sse(query, variables) {
    for await (const result of api.sse(query, variables)) return result;
    throw new Error('no result');
  },
  websocket: (query, variables = {}) =>
    new Promise((resolve) => {
      const done = (errors: unknown) => resolve({ status: 200, errors: errors as Result['errors'] & {} });
      const next = (result: unknown) => resolve({ status: 200, ...(result as object) });
      api.socket().subscribe({ query, variables }, { next, error: done, complete: () => {} });
    }),
};

describe.each(Object.keys(TRANSPORTS))('over %s', (transport) => {
  const ask = (query: string, variables?: Record<string, unknown>) =>
    (TRANSPORTS[transport] as NonNullable<(typeof TRANSPORTS)[string]>)(query, variables);
  const users = 'query ($first: Int, $after: String) { users(first: $first, after: $after) { nodes { id } } }';

  test.each([
    ['syntax', '{ users(', {}, 'GRAPHQL_PARSE_FAILED'],
    ['an unknown field', '{ nope }', {}, 'GRAPHQL_VALIDATION_FAILED'],
    ['a literal of the wrong type', '{ users(first: "many") { totalCount } }', {}, 'GRAPHQL_VALIDATION_FAILED'],
    ['a variable of the wrong type', users, { first: 'many' }, 'BAD_USER_INPUT'],
    ['a variable that is missing', 'query ($id: ID!) { user(id: $id) { id } }', {}, 'BAD_USER_INPUT'],
    [
      'a date without zone',
      'query ($from: DateTime) { directoryEvents(from: $from) { totalCount } }',
      { from: '2026-01-01' },
      'BAD_USER_INPUT',
    ],
    ['first: 100000', users, { first: 100_000 }, 'BAD_USER_INPUT'],
    ['first: 0', users, { first: 0 }, 'BAD_USER_INPUT'],
    ['first: -1', users, { first: -1 }, 'BAD_USER_INPUT'],
    ['garbage as a cursor', users, { after: 'garbage' }, 'CURSOR_INVALID'],
    ['an empty cursor', users, { after: '' }, 'CURSOR_INVALID'],
    ['text that cannot be stored', 'query ($id: ID!) { user(id: $id) { id } }', { id: 'a\u0000b' }, 'BAD_USER_INPUT'],
    [
      'text that cannot be stored, in SQL of ours',
      'query ($id: ID!) { effectiveEntitlements(userId: $id) { userId } }',
      { id: '\u0000' },
      'BAD_USER_INPUT',
    ],
    ['a cursor of the log that is none', 'query ($c: Cursor) { entitlementChanges(after: $c) { cursor } }', { c: 'x' }, 'CURSOR_INVALID'],
    ['a cursor that is no text', 'query ($c: Cursor) { entitlementChanges(after: $c) { cursor } }', { c: 7 }, 'CURSOR_INVALID'],
    ['a revocation of nothing', 'mutation { revokeGrant(id: "no") { id } }', {}, 'NOT_FOUND'],
    ['two operations and no name', 'query A { caller { name } } query B { caller { name } }', {}, 'BAD_USER_INPUT'],
  ])('%s: %4$s', async (_what, query, variables, code) => {
    const { errors, data } = await ask(query, variables);
    expect(errors?.map((error) => error.extensions.code)).toEqual([code]);
    expect(errors?.[0]?.extensions).not.toHaveProperty('http');
    expect(Object.values(data ?? {}).filter((value) => value !== null)).toEqual([]);
  });
});

test('a cursor of another list, of the log, or of another log is refused everywhere', async () => {
  const list = await api.query(UsersDocument, { first: 1 });
  const ofUsers = list.data?.users.pageInfo.endCursor ?? '';
  const ofLog = encodeCursor(logId, 1n);
  const ofAnotherLog = encodeCursor('another', 1n);
  const groups = 'query ($after: String) { groups(after: $after) { totalCount } }';
  expect(await api.codes(groups, { after: ofUsers })).toEqual(['CURSOR_INVALID']);
  expect(await api.codes(groups, { after: ofLog })).toEqual(['CURSOR_INVALID']);
  expect(await api.codes(ChangesAfterDocument, { after: ofUsers })).toEqual(['CURSOR_INVALID']);
  expect(await api.codes(ChangesAfterDocument, { after: ofAnotherLog })).toEqual(['CURSOR_INVALID']);
  expect(await api.codes(ChangesAfterDocument, { after: encodeCursor(logId, head + 1n) })).toEqual(['CURSOR_INVALID']);
  expect(await api.codes(UserEntitlementsDocument, { userId: 'user_ada', atLeast: ofAnotherLog })).toEqual(['CURSOR_INVALID']);
});

test('a snapshot goes on only in its own organization', async () => {
  const { data } = await api.query(SnapshotPageDocument, { organizationId: 'org_acme', first: 1 });
  const after = data?.entitlementSnapshot.pageInfo.endCursor;
  expect(await api.codes(SnapshotPageDocument, { organizationId: 'org_globex', after })).toEqual(['CURSOR_INVALID']);
  expect(await api.codes(SnapshotPageDocument, { organizationId: 'org_acme', after: encodeCursor(logId, 1n) })).toEqual(['CURSOR_INVALID']);
});

test('a cursor before the oldest change kept is CURSOR_EXPIRED', async () => {
  const own = await startApi();
  try {
    await insertCompany(own.db);
    const { logId: id } = await own.db.changeLogHead.findUniqueOrThrow({ where: { id: 1 } });
    await own.db.entitlementChange.deleteMany({ where: { position: { lte: 2n } } });
    expect(await own.codes(ChangesAfterDocument, { after: encodeCursor(id, 1n) })).toEqual(['CURSOR_EXPIRED']);
    expect(await own.codes(ChangesAfterDocument, { after: encodeCursor(id, 2n) })).toEqual([]);
    expect((await own.query(ChangesAfterDocument, {})).data?.entitlementChanges).toHaveLength(Number(head) - 2);
    for await (const { errors } of own.sse('subscription ($c: Cursor) { entitlementChanges(after: $c) { __typename } }', {
      c: encodeCursor(id, 1n),
    })) {
      expect(errors?.[0]?.extensions.code).toBe('CURSOR_EXPIRED');
    }
  } finally {
    await own.close();
  }
});

test('atLeast waits for the position, and is STALE when it does not come', async () => {
  const next = (await api.db.changeLogHead.findUniqueOrThrow({ where: { id: 1 } })).position + 1n;
  const early = api.query(UserEntitlementsDocument, { userId: 'user_cyd', atLeast: encodeCursor(logId, next) });
  await api.query(GrantRoleDocument, { userId: 'user_cyd', role: 'engineer', reason: 'incident' });
  expect((await early).data?.effectiveEntitlements?.permissions.map(({ permission }) => permission)).toEqual(['deploy:run', 'docs:read']);
  const startedAt = performance.now();
  expect(await api.codes(UserEntitlementsDocument, { userId: 'user_cyd', atLeast: encodeCursor(logId, next + 100n) })).toEqual(['STALE']);
  expect(performance.now() - startedAt).toBeGreaterThan(1_900);
});

test('maxLagSeconds is STALE while an event waits longer, for unknown users too', async () => {
  const waiting = { type: 'x', partition: 'org_acme', raw: '{}', channel: 'WEBHOOK' as const, occurredAt: new Date(Date.now() - 60_000) };
  await api.db.directoryEvent.create({ data: { id: 'event_waiting', ...waiting } });
  const { errors } = await api.query(UserEntitlementsDocument, { userId: 'user_ada', maxLagSeconds: 30 });
  expect(errors?.[0]?.extensions).toMatchObject({ code: 'STALE', lagSeconds: expect.any(Number) });
  const checks = [{ userId: 'user_who', permission: 'x' }];
  expect(await api.codes(CheckAccessesDocument, { checks, maxLagSeconds: 30 })).toEqual(['STALE']);
  expect(await api.codes(CheckAccessesDocument, { checks, maxLagSeconds: 120 })).toEqual([]);
  // Another organization is not behind.
  expect(await api.codes(UserEntitlementsDocument, { userId: 'user_gus', maxLagSeconds: 0 })).toEqual([]);
  expect(await api.codes(UserEntitlementsDocument, { userId: 'user_ada', maxLagSeconds: -1 })).toEqual(['BAD_USER_INPUT']);
  await api.db.directoryEvent.delete({ where: { id: 'event_waiting' } });
});

test('bounds on lists of arguments', async () => {
  const check = { userId: 'user_ada', permission: 'x' };
  expect(await api.codes(CheckAccessesDocument, { checks: Array(100).fill(check) })).toEqual([]);
  expect(await api.codes(CheckAccessesDocument, { checks: Array(101).fill(check) })).toEqual(['BAD_USER_INPUT']);
  expect(await api.codes(RetryEventsDocument, { eventIds: Array(501).fill('event_1') })).toEqual(['BAD_USER_INPUT']);
});

test('a reason must say something, an expiry lie ahead', async () => {
  expect(await api.codes(SkipEventDocument, { eventId: 'event_1', reason: ' ' })).toEqual(['BAD_USER_INPUT']);
  expect(await api.codes(GrantRoleDocument, { userId: 'user_ada', role: 'reader', reason: '' })).toEqual(['BAD_USER_INPUT']);
  const expiresAt = '2020-01-01T00:00:00Z';
  expect(await api.codes(GrantRoleDocument, { userId: 'user_ada', role: 'reader', reason: 'x', expiresAt })).toEqual(['BAD_USER_INPUT']);
});

test('unknown things are NOT_FOUND, in mutations and when a replay is followed', async () => {
  expect(await api.codes(GrantRoleDocument, { userId: 'user_who', role: 'reader', reason: 'x' })).toEqual(['NOT_FOUND']);
  expect(await api.codes(RevokeGrantDocument, { id: 'no' })).toEqual(['NOT_FOUND']);
  expect(await api.codes(CancelReplayDocument, { id: 'no' })).toEqual(['NOT_FOUND']);
  for await (const { errors } of api.sse('subscription { replayProgress(id: "no") { id } }', {})) {
    expect(errors?.[0]?.extensions.code).toBe('NOT_FOUND');
  }
});

test('a catalog says all its faults at once', async () => {
  const catalog = {
    roles: [{ slug: '', permissions: [] }],
    groupMappings: [
      { organizationId: 'org_acme', groupName: 'platform', roles: ['no-such-role'] },
      { organizationId: 'org_acme', groupName: 'platform', roles: [] },
    ],
  };
  const { errors } = await api.query(ApplyCatalogDocument, { catalog });
  expect(errors?.[0]?.extensions).toMatchObject({
    code: 'BAD_USER_INPUT',
    faults: [expect.stringContaining('slug'), expect.stringContaining('no-such-role'), expect.stringContaining('twice')],
  });
});

test('a role that WorkOS defines is a CONFLICT', async () => {
  const role = {
    organizationId: '',
    slug: 'owner',
    name: 'Owner',
    permissions: [],
    origin: 'WORKOS' as const,
    sourceUpdatedAt: new Date(),
  };
  await api.db.role.create({ data: role });
  const catalog = { roles: [{ slug: 'owner', permissions: ['x'] }], groupMappings: [] };
  expect(await api.codes(ApplyCatalogDocument, { catalog })).toEqual(['CONFLICT']);
});

describe('a fault of ours', () => {
  test('is INTERNAL, and its cause is in the log only', async () => {
    const broken = await startApi({
      services: {
        health: {
          read: () => Promise.reject(new Error('the secret inside')),
          watch: () => {
            throw new Error('the secret inside');
          },
        },
      },
    });
    try {
      const { errors } = await broken.query('{ syncHealth { status } }');
      expect(errors).toEqual([
        {
          message: expect.not.stringContaining('secret'),
          path: ['syncHealth'],
          locations: expect.anything(),
          extensions: { code: 'INTERNAL' },
        },
      ]);
      for await (const result of broken.sse('subscription { syncHealth { status } }', {})) {
        expect(result.errors?.[0]).toMatchObject({ message: expect.not.stringContaining('secret'), extensions: { code: 'INTERNAL' } });
      }
      expect(broken.logged.filter((line) => line.includes('the secret inside'))).toHaveLength(2);
    } finally {
      await broken.close();
    }
  });

  test('a database that is gone is UNAVAILABLE', async () => {
    const nowhere = { url: 'postgres://nobody@127.0.0.1:1/none', statementTimeoutMs: 1_000, applicationName: 'test' };
    const { db, close } = openDb({ ...nowhere, poolSize: 1 });
    const prepared = openPrepared({ ...nowhere, size: 1 });
    const lonely = await startApi({ db, lookup: createEffectiveLookup(prepared, { maxBytes: 1024 * 1024 }) });
    try {
      expect(await lonely.codes(UsersDocument, {})).toEqual(['UNAVAILABLE']);
      expect(await lonely.codes(UserEntitlementsDocument, { userId: 'user_ada' })).toEqual(['UNAVAILABLE']);
      expect(lonely.logged.join()).toContain('127.0.0.1:1');
    } finally {
      await lonely.close();
      await prepared.close();
      await close();
    }
  });
});
