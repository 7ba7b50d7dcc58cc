// A whole service process with planted personal data and secrets: none of them is in its logs (at the finest level), its
// metrics or its traces; and the traces join an event to its deliveries.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakeWorkos, startFakeWorkos } from '../../src/fake-workos/server.ts';
import { signWebhook } from '../../src/fake-workos/sign-webhook.ts';
import { freePort } from '../../src/lib/free-port.ts';
import { createLogger } from '../../src/log.ts';
import { followBySse, followByWebSocket } from '../support/change-follower.ts';
import { createTestDatabase, execute, type TestDatabase } from '../support/postgres.ts';
import { type TestRedis, useRedis } from '../support/redis.ts';
import { postGraphql, type Service, startService } from '../support/service-process.ts';
import { type ReceivedSpan, startTraceReceiver, type TraceReceiver } from '../support/trace-receiver.ts';
import { waitFor } from '../support/wait-for.ts';
import { aDirectory, aGroup, aMembership, aUser } from '../support/workos-objects.ts';

const mark = randomBytes(4).toString('hex');
/** Each is found by its text alone. */
const PLANTED = {
  firstName: `Zebulon${mark}`,
  lastName: `Quillfeather${mark}`,
  email: `zq${mark}@quillfeather.example`,
  attribute: `salary-${mark}`,
  poison: `Poison-${mark}`,
  groupName: `Secret Project ${mark}`,
  adminKey: `admin-${mark}-0123456789`,
  workosKey: `sk_test_${mark}`,
  webhookSecret: `whsec_${mark}`,
  databasePassword: `dbpass${mark}`,
  wrongKey: `wrong-${mark}-key`,
};
const secrets: string[] = Object.values(PLANTED);

let database: TestDatabase;
let redis: TestRedis;
let fake: FakeWorkos;
let receiver: TraceReceiver;
let service: Service;
let metricsUrl: string;
const role = `planted_${mark}`;

beforeAll(async () => {
  database = await createTestDatabase();
  await execute(database.url, `CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD '${PLANTED.databasePassword}'`);
  redis = await useRedis();
  receiver = await startTraceReceiver();
  fake = await startFakeWorkos({ log: createLogger('silent'), source: { kind: 'scripted' }, apiKey: PLANTED.workosKey });
  const url = new URL(database.url);
  url.username = role;
  url.password = PLANTED.databasePassword;
  const metricsPort = await freePort();
  metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
  service = await startService('start', {
    DATABASE_URL: url.href,
    REDIS_URL: redis.url,
    ADMIN_API_KEY: PLANTED.adminKey,
    WORKOS_API_KEY: fake.apiKey,
    WORKOS_API_URL: fake.url,
    WORKOS_WEBHOOK_SECRET: PLANTED.webhookSecret,
    METRICS_PORT: String(metricsPort),
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    LOG_LEVEL: 'trace',
    INITIAL_IMPORT: 'off',
  });
});

afterAll(async () => {
  await service?.end();
  await fake?.close();
  await receiver?.close();
  await redis?.stop();
  await execute(database.url, `DROP OWNED BY ${role}; DROP ROLE ${role}`);
  await database?.drop();
});

const publish = (event: string, data: unknown, options = {}): string => fake.publish({ object: 'event', event, data }, options);
const TRACE = { traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex') };

async function deliver(id: string, event: string, data: unknown, { secret = PLANTED.webhookSecret, headers = {} } = {}): Promise<number> {
  const body = Buffer.from(JSON.stringify({ object: 'event', id, event, data, created_at: new Date().toISOString() }));
  const signed = { 'content-type': 'application/json', 'workos-signature': signWebhook(body, secret, Date.now()), ...headers };
  return (await fetch(`${service.url}/webhooks/workos`, { method: 'POST', headers: signed, body })).status;
}

const named = (spans: readonly ReceivedSpan[], name: string): ReceivedSpan[] => spans.filter((span) => span.name === name);

test('nothing of people and no secret leaves by logs, metrics or traces; an event and its deliveries are one trace', async () => {
  const { key } = service;
  const catalog = {
    roles: [{ slug: 'engineer', permissions: ['code:write'] }],
    groupMappings: [{ organizationId: 'org_1', groupName: PLANTED.groupName, roles: ['engineer'] }],
  };
  await service.query('mutation ($catalog: CatalogInput!) { applyCatalog(catalog: $catalog) { applied } }', { catalog });
  const followers = [followByWebSocket(service.url, key), followBySse(service.url, key)];
  for (const follower of followers) await waitFor('the first checkpoint', () => follower.items.length > 0, { missing: service.output });

  // People come by both channels, a poisonous one and a forged one among them.
  const user = aUser('user_1', {
    email: PLANTED.email,
    first_name: PLANTED.firstName,
    last_name: PLANTED.lastName,
    custom_attributes: { pay: PLANTED.attribute },
  });
  const group = aGroup('group_1', { name: PLANTED.groupName });
  publish('dsync.activated', aDirectory());
  publish('dsync.group.created', group);
  const created = publish('dsync.user.created', user);
  const poison = publish(
    'dsync.user.created',
    aUser('user_2', { first_name: PLANTED.poison, state: [PLANTED.poison], email: PLANTED.email }),
  );
  const added = publish('dsync.group.user_added', aMembership(user, group), { viaApi: false });
  // The grant shall be of this event, and not of the directory's beginning.
  const people = 'query ($email: String) { users(email: $email) { nodes { id } } }';
  await waitFor(
    'the people',
    async () => (await service.query<{ users: { nodes: object[] } }>(people, { email: PLANTED.email })).users.nodes.length === 1,
    { missing: service.output },
  );
  const traceparent = `00-${TRACE.traceId}-${TRACE.spanId}-01`;
  expect(await deliver(added, 'dsync.group.user_added', aMembership(user, group), { headers: { traceparent } })).toBe(200);
  expect(await deliver(added, 'dsync.user.created', user, { secret: PLANTED.wrongKey })).toBe(401);
  for (const follower of followers) await waitFor('the grant', () => follower.changes().length > 0, { missing: service.output });

  // Callers ask for people, rightly and wrongly.
  const found = await service.query<{ users: { nodes: { email: string; customAttributes: unknown }[] } }>(
    'query ($email: String) { users(email: $email) { nodes { email customAttributes } } }',
    { email: PLANTED.email },
  );
  expect(found.users.nodes).toEqual([{ email: PLANTED.email, customAttributes: { pay: PLANTED.attribute } }]);
  const stored = 'query ($id: ID!) { directoryEvent(id: $id) { status payload error } }';
  await waitFor(
    'the quarantine',
    async () =>
      (await service.query<{ directoryEvent: { status: string } }>(stored, { id: poison })).directoryEvent.status === 'QUARANTINED',
  );
  await postGraphql(service.url, key, `{ users(email: "${PLANTED.email}") { nodes { nothing } } }`);
  await postGraphql(service.url, key, `{ users(email: "${PLANTED.email}"`);
  await postGraphql(service.url, key, 'query ($first: Int) { users(first: $first) { totalCount } }', { first: PLANTED.email });
  await postGraphql(service.url, key, 'mutation ($id: ID!, $r: String!) { skipEvent(eventId: $id, reason: $r) { id } }', {
    id: `${poison}\0${PLANTED.email}`,
    r: PLANTED.lastName,
  });
  await postGraphql(service.url, PLANTED.wrongKey, '{ caller { name } }');
  const { createApiKey } = await service.query<{ createApiKey: { secret: string } }>(
    'mutation { createApiKey(name: "app", scopes: [SYNC_READ]) { secret } }',
  );
  secrets.push(createApiKey.secret);
  await postGraphql(service.url, createApiKey.secret, '{ syncHealth { status } }');

  const metrics = await (await fetch(metricsUrl)).text();
  expect((await fetch(`${service.url}/metrics`, { headers: { authorization: `Bearer ${key}` } })).status).toBe(404);
  expect(metrics).toMatch(/^events_applied_total\{type="dsync.user.created"\} [1-9]/m);
  expect(metrics).toMatch(/^events_quarantined 1$/m);
  expect(metrics).toMatch(/^feed_subscribers\{transport="websocket"\} 1$/m);
  expect(metrics).toMatch(/^feed_subscribers\{transport="sse"\} 1$/m);
  expect(metrics).toMatch(/^leader_epoch\{job="apply"\} 1$/m);
  expect(metrics).toMatch(/^dependency_up\{dependency="redis"\} 1$/m);
  expect(metrics).toMatch(/^sync_event_lag_seconds\{quantile="0.99"\} [0-9.]+$/m);

  await Promise.all(followers.map((follower) => follower.close()));
  await service.end();
  const spans = receiver.spans();
  const { rows } = await execute(database.url, `SELECT id, trace_id FROM directory_event WHERE id IN ('${added}', '${created}')`);
  const traceOf = new Map(rows.map((row: { id: string; trace_id: string }) => [row.id, row.trace_id]));
  expect(traceOf.get(added)).toBe(TRACE.traceId);

  for (const eventId of [added, created]) {
    const mine = spans.filter(({ traceId }) => traceId === traceOf.get(eventId));
    const [first, ...more] = named(mine, 'ingest');
    expect(more).toEqual([]);
    expect(first?.parentSpanId ?? '').toBe(eventId === added ? TRACE.spanId : '');
    for (const span of mine) if (span !== first) expect(span.parentSpanId).toBe(first?.spanId);
    expect(named(mine, 'apply')).toHaveLength(1);
    expect(named(spans, 'apply batch').some(({ links = [] }) => links.some(({ traceId }) => traceId === traceOf.get(eventId)))).toBe(true);
    if (eventId !== added) continue;
    expect(named(mine, 'relay')).toHaveLength(1);
    expect(
      named(mine, 'deliver')
        .map(({ attributes }) => attributes.find(({ key: name }) => name === 'transport')?.value.stringValue)
        .sort(),
    ).toEqual(['SSE', 'WebSocket']);
  }
  const batches = new Set(named(spans, 'apply batch').map(({ spanId }) => spanId));
  const below = new Set(spans.filter(({ parentSpanId }) => parentSpanId && batches.has(parentSpanId)).map(({ name }) => name));
  expect([...below]).toEqual(expect.arrayContaining(['postgres: load_working_set', 'postgres: append_and_versions', 'postgres: COMMIT']));
  expect(spans.filter(({ name, parentSpanId }) => name.startsWith('postgres:') && !parentSpanId)).toEqual([]);
  expect(spans.filter(({ name, parentSpanId }) => name.startsWith('prisma:') && !parentSpanId)).toEqual([]);

  const told = { logs: service.output(), metrics, traces: receiver.bodies() };
  expect(told.logs.split('\n').length).toBeGreaterThan(10);
  expect(told.logs).toContain('a webhook delivery was refused');
  for (const [where, text] of Object.entries(told))
    for (const secret of secrets)
      if (text.includes(secret))
        throw new Error(`${where} hold ${secret}: …${text.slice(Math.max(0, text.indexOf(secret) - 200), text.indexOf(secret) + 100)}…`);
});
