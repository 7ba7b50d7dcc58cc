// `npm run bench [-- --quick] [--only NAME]`: the real processes under load, each figure beside a bare one from the same run, so
// that a slow or noisy machine shows in both and the ratio says something. Prints a Markdown table.
//
//   ingest       events from WorkOS' first answer to caught up, beside only fetching the same pages
//   point-query  effectiveEntitlements over 16 kept-alive connections, beside node:http answering the same bytes
//   propagation  webhook to change item at a WebSocket subscriber, beside the webhook's own round trip
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import { availableParallelism, cpus } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type FakeWorkos, type HistoryEvent, startFakeWorkos } from '../../src/fake-workos/server.ts';
import { createLogger } from '../../src/log.ts';
import { versionAt } from '../../src/model/version.ts';
import { followByWebSocket } from '../support/change-follower.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { useRedis } from '../support/redis.ts';
import { freePort, type Service, startService } from '../support/service-process.ts';
import { waitFor } from '../support/wait-for.ts';
import { aDirectory, aGroup, aMembership, aUser } from '../support/workos-objects.ts';

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } } });
const ROUNDS = values.quick ? 2 : 5;
const USERS = values.quick ? 300 : 3_000;
const GROUPS = 20;
const MEMBERSHIPS_PER_USER = 3;
const REQUESTS = values.quick ? 500 : 5_000;
const DELIVERIES = values.quick ? 50 : 300;
const CONNECTIONS = 16;
const SECRET = 'whsec_bench';
const START = Date.parse('2026-01-01T00:00:00Z');

type Row = { name: string; what: string; ours: number[]; bare: number[]; unit: string };

let sequence = 0;
/** A directory event; ids and times rise. */
function event(type: string, data: unknown): HistoryEvent {
  sequence += 1;
  const id = `${versionAt(new Date(START + sequence)).slice(0, -7)}${String(sequence).padStart(7, '0')}`;
  return { object: 'event', id, event: type, data, created_at: new Date(START + sequence).toISOString() } as HistoryEvent;
}

/** An initial sync: a directory, groups, users, and each user in some of the groups. */
function initialSync(users: number): HistoryEvent[] {
  const groups = Array.from({ length: GROUPS }, (_, n) => aGroup(`directory_group_${n}`, { name: `team-${n}` }));
  const people = Array.from({ length: users }, (_, n) => aUser(`directory_user_${n}`));
  return [
    event('dsync.activated', aDirectory()),
    ...groups.map((group) => event('dsync.group.created', group)),
    ...people.flatMap((user, n) => [
      event('dsync.user.created', user),
      ...Array.from({ length: MEMBERSHIPS_PER_USER }, (_, k) =>
        event('dsync.group.user_added', aMembership(user, groups[(n + k * 7) % GROUPS] ?? {})),
      ),
    ]),
  ];
}

const CATALOG = {
  roles: Array.from({ length: GROUPS }, (_, n) => ({
    slug: `role-${n}`,
    permissions: Array.from({ length: 7 }, (_unused, k) => `thing-${n}:verb-${k}`),
  })),
  groupMappings: Array.from({ length: GROUPS }, (_, n) => ({ organizationId: 'org_1', groupName: `team-${n}`, roles: [`role-${n}`] })),
};

const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const from = performance.now();
  await work();
  return (performance.now() - from) / 1_000;
};

const quantile = (list: readonly number[], q: number): number =>
  [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * q))] ?? Number.NaN;

interface Stage {
  service: Service;
  fake: FakeWorkos;
  close(): Promise<void>;
}

async function stage(events: HistoryEvent[]): Promise<Stage> {
  const database = await createTestDatabase();
  const redis = await useRedis();
  const fake = await startFakeWorkos({ log: createLogger('silent'), source: { kind: 'history', events } });
  const port = await freePort();
  const service = await startService('start', {
    PORT: String(port),
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    WORKOS_API_KEY: fake.apiKey,
    WORKOS_API_URL: fake.url,
    WORKOS_WEBHOOK_SECRET: SECRET,
    INITIAL_IMPORT: 'off',
    LOG_LEVEL: 'warn',
  });
  await service.query('mutation ($catalog: CatalogInput!) { applyCatalog(catalog: $catalog) { applied } }', { catalog: CATALOG });
  return {
    service,
    fake,
    async close() {
      await service.end();
      await fake.close();
      await redis.stop();
      await database.drop();
    },
  };
}

interface Health {
  syncHealth: { cursor: { eventId: string | null }; events: { pending: number } };
}

async function caughtUp(service: Service, lastId: string | undefined): Promise<void> {
  await waitFor(
    'the service to catch up',
    async () => {
      const { cursor, events } = (await service.query<Health>('{ syncHealth { cursor { eventId } events { pending } } }')).syncHealth;
      return cursor.eventId === lastId && events.pending === 0;
    },
    { timeoutMs: 300_000, everyMs: 50 },
  );
}

async function fetchAll({ url, apiKey }: FakeWorkos): Promise<void> {
  const types = 'dsync.activated,dsync.user.created,dsync.group.created,dsync.group.user_added';
  for (let after: string | null | undefined; after !== null; ) {
    const response = await fetch(`${url}/events?limit=100&events=${types}${after ? `&after=${after}` : ''}`, {
      headers: { authorization: `Bearer ${apiKey}` },
    });
    after = ((await response.json()) as { list_metadata: { after: string | null } }).list_metadata.after;
  }
}

async function ingest(): Promise<Row> {
  const ours: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const events = initialSync(USERS);
    const { service, fake, close } = await stage(events);
    ours.push(events.length / (await seconds(() => caughtUp(service, events.at(-1)?.id))));
    bare.push(events.length / (await seconds(() => fetchAll(fake))));
    await close();
  }
  return {
    name: 'ingest',
    what: `${USERS * (1 + MEMBERSHIPS_PER_USER)} events to caught up; bare: fetching the pages`,
    ours,
    bare,
    unit: 'events/s',
  };
}

/** Requests a second over kept-alive connections. */
async function rate(port: number, bodyOf: (n: number) => string, key: string, total: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  let sent = 0;
  const post = (body: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${key}`, 'content-length': Buffer.byteLength(body) };
      const call = request({ agent, port, host: '127.0.0.1', path: '/graphql', method: 'POST', headers }, (response) => {
        if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`));
        response.on('end', resolve).resume();
      });
      call.on('error', reject).end(body);
    });
  const connection = async (): Promise<void> => {
    while (sent < total) {
      sent += 1;
      await post(bodyOf(sent));
    }
  };
  const elapsed = await seconds(() => Promise.all(Array.from({ length: CONNECTIONS }, connection)));
  agent.destroy();
  return total / elapsed;
}

async function pointQuery(): Promise<Row> {
  const events = initialSync(USERS);
  const { service, close } = await stage(events);
  await caughtUp(service, events.at(-1)?.id);
  const query =
    'query E($id: ID!) { effectiveEntitlements(userId: $id) { permissions { permission via { role source } } freshness { revision lagSeconds } } }';
  const bodyOf = (n: number): string => JSON.stringify({ query, variables: { id: `directory_user_${(n * 7_919) % USERS}` } });
  const answer = JSON.stringify(await service.query(query, { id: 'directory_user_1' }));
  const server = createServer((req, res) =>
    req.on('end', () => res.setHeader('content-type', 'application/json').end(answer)).resume(),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const barePort = address !== null && typeof address === 'object' ? address.port : 0;
  const port = Number(new URL(service.url).port);
  const ours: number[] = [];
  const bare: number[] = [];
  await rate(port, bodyOf, service.key, REQUESTS / 5); // warm
  for (let round = 0; round < ROUNDS; round += 1) {
    ours.push(await rate(port, bodyOf, service.key, REQUESTS));
    bare.push(await rate(barePort, bodyOf, service.key, REQUESTS));
  }
  server.close();
  await close();
  return {
    name: 'point-query',
    what: `effectiveEntitlements, ${MEMBERSHIPS_PER_USER * 7} permissions, ${CONNECTIONS} connections; bare: node:http, same bytes`,
    ours,
    bare,
    unit: 'requests/s',
  };
}

async function propagation(): Promise<Row> {
  const { service, close } = await stage(initialSync(10));
  const follower = followByWebSocket(service.url, service.key);
  await waitFor('the first checkpoint', () => follower.items.length > 0);
  const ours: number[] = [];
  const bare: number[] = [];
  for (let n = 0; n < DELIVERIES; n += 1) {
    const id = `directory_user_late_${n}`;
    const user = aUser(id);
    const body = JSON.stringify(event('dsync.group.user_added', aMembership(user, aGroup('directory_group_0', { name: 'team-0' }))));
    const at = Date.now();
    const signature = `t=${at}, v1=${createHmac('sha256', SECRET).update(`${at}.${body}`).digest('hex')}`;
    const from = performance.now();
    const response = await fetch(`${service.url}/webhooks/workos`, {
      method: 'POST',
      headers: { 'workos-signature': signature, 'content-type': 'application/json' },
      body,
    });
    if (response.status !== 200) throw new Error(`the webhook answered ${response.status}`);
    bare.push(performance.now() - from);
    await waitFor('the change', () => follower.changes().some((change) => change.userId === id), { everyMs: 1, timeoutMs: 30_000 });
    ours.push(performance.now() - from);
    await delay(5);
  }
  await follower.close();
  await close();
  return {
    name: 'propagation',
    what: 'webhook POST to change item at a WebSocket subscriber; bare: the POST itself',
    ours,
    bare,
    unit: 'ms',
  };
}

const format = (value: number): string => (value >= 100 ? Math.round(value).toString() : value.toFixed(1));
const spread = (list: readonly number[]): string =>
  `${format(quantile(list, 0.5))} (${format(quantile(list, 0))}–${format(quantile(list, 1))}, p99 ${format(quantile(list, 0.99))})`;

const scenarios: Record<string, () => Promise<Row>> = { ingest, 'point-query': pointQuery, propagation };
if (values.only && !scenarios[values.only]) {
  process.stderr.write(`--only: there is no ${values.only}; choose one of ${Object.keys(scenarios).join(', ')}\n`);
  process.exit(2);
}
const rows: Row[] = [];
for (const [name, run] of Object.entries(scenarios)) if (!values.only || values.only === name) rows.push(await run());
process.stdout.write(
  [
    `${cpus()[0]?.model ?? 'unknown processor'}, ${availableParallelism()} cores, Node ${process.version}; load runs on the same cores`,
    '',
    '| scenario | what | unit | ours: median (min–max, p99) | bare | ratio of medians |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows.map(
      ({ name, what, unit, ours, bare }) =>
        `| ${name} | ${what} | ${unit} | ${spread(ours)} | ${spread(bare)} | ${(quantile(ours, 0.5) / quantile(bare, 0.5)).toFixed(2)} |`,
    ),
    '',
  ].join('\n'),
);
