// B3: from the POST of a webhook to the change at a subscriber over WebSocket. Ours: the whole service in one process, which
// verifies, stores, applies, computes, records, relays and delivers. The limit: the least that such a delivery can be made of.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { FOLLOW_CHANGES } from '../../../src/client/documents.ts';
import { signWebhook } from '../../../src/fake-workos/sign-webhook.ts';
import { versionAt } from '../../../src/model/version.ts';
import { startRedis } from '../../support/redis.ts';
import { withClient } from '../bench-postgres.ts';
import { openDataset } from '../dataset.ts';
import { alternate, type BenchOptions, type Comparison, median, quantile, type Scenario } from '../scenario.ts';
import { type StreamServer, startOurs, startPeer } from '../stream-servers.ts';

const SECRET = 'whsec_bench';
const EARLY = '2026-01-01T00:00:00.000Z';
const AUTHORIZATION = 'Bearer bench';
const LOAD = fileURLToPath(new URL('../peers/propagation-load.js', import.meta.url));
const PATIENCE_MS = 90_000;

interface Pace {
  name: string;
  perSecond: number;
  events: number;
}
const PACES: readonly Pace[] = [
  { name: '1 event/s', perSecond: 1, events: 8 },
  { name: '200 events/s', perSecond: 200, events: 800 },
];
/** Of each, before anything counts: at one event a second a process would still be interpreted when the rounds are over. */
const WARM_UP: Pace = { name: 'warm-up', perSecond: 200, events: 1_600 };
const QUICK_WARM_UP: Pace = { name: 'warm-up', perSecond: 100, events: 100 };
const QUICK: readonly Pace[] = [
  { name: '4 events/s', perSecond: 4, events: 8 },
  { name: '100 events/s', perSecond: 100, events: 100 },
];

interface Addition {
  userId: string;
  groupId: string;
  groupName: string;
  organizationId: string;
  directoryId: string;
}

interface Delivery {
  id: string;
  body: string;
  signature: string;
}

// People and groups of theirs that would give them a role that they have not.
const ADDITIONS = `
  SELECT DISTINCT ON (e.user_id) e.user_id AS "userId", g.id AS "groupId", g.name AS "groupName", e.organization_id AS "organizationId", e.directory_id AS "directoryId"
  FROM (SELECT * FROM effective_entitlement ORDER BY user_id LIMIT $1) e
  JOIN group_mapping m ON m.organization_id = e.organization_id AND NOT m.roles && e.roles
  JOIN directory_group g ON g.organization_id = m.organization_id AND (g.id = m.group_id OR g.name = m.group_name)
  ORDER BY e.user_id, g.id`;

function deliveryOf({ userId, groupId, groupName, organizationId, directoryId }: Addition, number: number): Delivery {
  const now = new Date();
  const id = versionAt(now).slice(0, -6) + String(number).padStart(6, '0');
  const place = { directory_id: directoryId, organization_id: organizationId };
  const times = { created_at: EARLY, updated_at: EARLY };
  const user = {
    object: 'directory_user',
    id: userId,
    ...place,
    idp_id: `idp-${userId}`,
    email: `${userId}@bench.example`,
    first_name: 'Person',
    last_name: 'Number',
    state: 'active',
    custom_attributes: { department: 'Department 1', costCenter: 1 },
    ...times,
  };
  // Renamed, it would be another group to mappings by name.
  const group = { object: 'directory_group', id: groupId, ...place, idp_id: `idp-${groupId}`, name: groupName, ...times };
  const event = { object: 'event', id, event: 'dsync.group.user_added', data: { directory_id: directoryId, user, group } };
  const body = JSON.stringify({ ...event, created_at: now.toISOString() });
  return { id, body, signature: signWebhook(Buffer.from(body), SECRET, now.getTime()) };
}

/** What the limit says of each event. */
const CHANGE = JSON.stringify({
  __typename: 'EntitlementChange',
  cursor: 'bG9nOjAxMjM0NTY3ODlhYjoxMDAwMDE',
  organizationId: `org_${'0'.repeat(26)}`,
  directoryId: `directory_${'0'.repeat(26)}`,
  userId: `directory_user_${'0'.repeat(26)}`,
  grantedPermissions: ['device:read', 'report:approve', 'ticket:update'],
  revokedPermissions: [],
  grantedRoles: ['role-07'],
  revokedRoles: [],
  cause: { kind: 'DIRECTORY_EVENT', eventId: 'EVENT_ID', eventType: 'dsync.group.user_added', replayId: null, actor: null, reason: null },
  occurredAt: EARLY,
  recordedAt: EARLY,
});

/** The Events API, which has nothing that did not come by webhook. */
async function startQuietApi(): Promise<{ url: string; close(): void }> {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"object":"list","data":[],"list_metadata":{"after":null}}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function startLoad(): { ask<T>(question: object): Promise<T>; stop(): void } {
  const child: ChildProcess = fork(LOAD, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  return {
    async ask<T>(question: object) {
      const reply = once(child, 'message', { signal: AbortSignal.timeout(PATIENCE_MS) });
      child.send(question);
      const [answer] = (await reply) as [T & { error?: string }];
      if (answer.error) throw new Error(answer.error);
      return answer;
    },
    stop: () => child.disconnect(),
  };
}

async function* run({ quick, rounds, say }: BenchOptions): AsyncGenerator<Comparison> {
  const redis = await startRedis();
  const api = await startQuietApi();
  const dataset = await openDataset({ users: quick ? 10_000 : 100_000, say });
  const stops: (() => unknown)[] = [];
  try {
    const paces = quick ? QUICK : PACES;
    const warmUp = quick ? QUICK_WARM_UP : WARM_UP;
    const wanted = paces.reduce((sum, { events }) => sum + events * (rounds + 1), warmUp.events);
    const additions = await withClient(dataset.url, async (client) => {
      const now = new Date();
      await client.query('UPDATE sync_cursor SET event_id = $1, event_created_at = $2, caught_up_at = $2', [versionAt(now), now]);
      return (await client.query<Addition>(ADDITIONS, [wanted])).rows;
    });
    if (additions.length < wanted) throw new Error(`only ${additions.length} of ${wanted} people can be given something`);
    const connections = { DATABASE_URL: dataset.url, REDIS_URL: redis.url };
    const start = async (opening: Promise<StreamServer & { authorization: string }>) => {
      const server = await opening;
      stops.push(server.stop);
      const load = startLoad();
      stops.push(load.stop);
      await load.ask({ open: { url: server.url, authorization: server.authorization, query: FOLLOW_CHANGES } });
      return { load, url: server.url };
    };
    const contenders = {
      ours: await start(
        startOurs('start', {
          ...connections,
          WORKOS_API_URL: api.url,
          WORKOS_WEBHOOK_SECRET: SECRET,
          INITIAL_IMPORT: 'off',
          RECONCILE_INTERVAL_HOURS: '0',
        }),
      ),
      limit: await start(
        startPeer('propagation-limit.js', { ...connections, CHANGE }).then((server) => ({ ...server, authorization: AUTHORIZATION })),
      ),
    };
    const anybody = additions[0] as Addition;
    let number = 0;
    const deliver = async (who: keyof typeof contenders, { perSecond, events }: Pace): Promise<number[]> => {
      const { load, url } = contenders[who];
      const deliveries = Array.from({ length: events }, () => {
        number += 1;
        // The limit asks for nobody in particular.
        return deliveryOf(who === 'ours' ? (additions.pop() as Addition) : anybody, number);
      });
      return (await load.ask<{ latencies: number[] }>({ send: { url, perSecond, deliveries } })).latencies;
    };
    say(warmUp.name);
    for (const who of ['ours', 'limit'] as const) await deliver(who, warmUp);
    for (const pace of paces) {
      const { name } = pace;
      say(name);
      const slowest: Record<keyof typeof contenders, number[]> = { ours: [], limit: [] };
      const contend = (who: keyof typeof contenders) => async (): Promise<number> => {
        const latencies = await deliver(who, pace);
        slowest[who].push(quantile(latencies, 0.99));
        return median(latencies);
      };
      const middle = await alternate(rounds, { ours: contend('ours'), limit: contend('limit') });
      const against = (measure: string, ours: number[], theirs: number[], atMost: number): Comparison => ({
        measure: `${measure}, ${name}`,
        unit: 'ms',
        ours,
        other: 'limit: commit, XADD, XREAD, send',
        theirs,
        goal: { atMost },
      });
      yield against('p50 from webhook to subscriber', middle.ours, middle.limit, 2);
      yield against('p99 from webhook to subscriber', slowest.ours.slice(1), slowest.limit.slice(1), 3);
    }
  } finally {
    for (const stop of stops.reverse()) await stop();
    api.close();
    await dataset.close();
    await redis.stop();
  }
}

export const propagation: Scenario = {
  name: 'propagation',
  about: 'from the POST of a webhook to the change at a subscriber',
  run,
};
