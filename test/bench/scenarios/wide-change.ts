// B5: a mapping that touches everybody: how many changes a second, what that does to point queries meanwhile, and how long a
// revocation waits that arrives in the middle, of an organization that is being worked on. Ours: the real binary, one process on the
// servers' core that answers, applies, relays and carries out the edit all at once.
import { createClient } from 'graphql-ws';
import type pg from 'pg';
import WebSocket from 'ws';
import { FOLLOW_CHANGES } from '../../../src/client/documents.ts';
import { startFakeWorkos } from '../../../src/fake-workos/server.ts';
import { signWebhook } from '../../../src/fake-workos/sign-webhook.ts';
import { createLogger } from '../../../src/log.ts';
import { OPEN_END } from '../../../src/model/cursor.ts';
import { startRedis } from '../../support/redis.ts';
import { postGraphql } from '../../support/service-process.ts';
import { aGroup, aMembership, aUser } from '../../support/workos-objects.ts';
import { withClient } from '../bench-postgres.ts';
import { openDataset } from '../dataset.ts';
import { EVERYBODY, ORGANIZATIONS, organizationId } from '../dataset-rows.ts';
import { startLoad } from '../load.ts';
import { makeCallers, QUERIES } from '../point-questions.ts';
import { alternate, type BenchOptions, type Comparison, type Scenario } from '../scenario.ts';
import { ADMIN_KEY, startOurs } from '../stream-servers.ts';
import { openWideLimit } from '../wide-limit.ts';

const SECRET = 'whsec_bench';
const GOAL_CHANGES_PER_SECOND = 20_000;
const GOAL_WAIT_MS = 1_000;
const REVOCATIONS_PER_EDIT = 3;
/** In which revocations arrive. */
const EDITS_WITH_REVOCATIONS = 3;
const PATIENCE_MS = 30_000;

const APPLY = `mutation Wide($catalog: CatalogInput!, $maxRevocations: Int) {
  applyCatalog(catalog: $catalog, maxRevocations: $maxRevocations) { affectedUsers } }`;

/** Gives everybody a role, or takes it away again; resolves with how many that touched: whom a revocation reached before is not counted. */
async function edit(url: string, users: number, isMapped: boolean): Promise<number> {
  const groupMappings = Array.from({ length: ORGANIZATIONS }, (_, n) => ({
    organizationId: organizationId(n),
    groupName: EVERYBODY,
    roles: isMapped ? ['everyone'] : [],
  }));
  const catalog = { roles: [{ slug: 'everyone', permissions: ['canteen:enter', 'intranet:read'] }], groupMappings };
  const { data, errors } = await postGraphql<{ applyCatalog: { affectedUsers: number } }>(url, ADMIN_KEY, APPLY, {
    catalog,
    maxRevocations: users,
  });
  const touched = data?.applyCatalog.affectedUsers ?? 0;
  if (touched < users - REVOCATIONS_PER_EDIT || touched > users)
    throw new Error(`the edit did not touch everybody: ${JSON.stringify(data ?? errors)}`);
  return touched;
}

interface Membership {
  userId: string;
  directoryId: string;
  organizationId: string;
  groupId: string;
  groupName: string;
}

// Each is the only one that gives its role.
const VICTIMS = `
  SELECT DISTINCT ON (e.user_id) e.user_id AS "userId", e.directory_id AS "directoryId", e.organization_id AS "organizationId", g.id AS "groupId", g.name AS "groupName"
  FROM effective_entitlement e, json_array_elements(e.reasons -> 'paths') p JOIN directory_group g ON g.id = p ->> 'groupId'
  WHERE e.to_position = ${OPEN_END} AND e.user_id IN (SELECT id FROM directory_user WHERE organization_id = $1 ORDER BY id DESC LIMIT $2)
    AND (SELECT count(*) FROM json_array_elements(e.reasons -> 'paths') q WHERE q ->> 'role' = p ->> 'role') = 1 AND p ->> 'role' <> 'everyone'
  ORDER BY e.user_id, g.id`;

/** Who is touched last, in the organization that is touched first. */
const victimsOf = async (client: pg.Client, count: number): Promise<Membership[]> =>
  (await client.query<Membership>(VICTIMS, [organizationId(ORGANIZATIONS - 1), count])).rows;

interface Revoker {
  /** From the POST of the event to the change at the subscriber, in milliseconds. */
  revoke(victim: Membership): Promise<number>;
  close(): Promise<void>;
}

async function openRevoker(url: string): Promise<Revoker> {
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${ADMIN_KEY}` },
  });
  const arrived = new Map<string, (atMs: number) => void>();
  const items = client.iterate<{ entitlementChanges: { __typename: string; cause?: { eventId: string | null } } }>({
    query: FOLLOW_CHANGES,
    variables: { filter: { organizationId: organizationId(ORGANIZATIONS - 1) } },
  });
  const first = await items.next();
  if (first.done) throw new Error('the feed did not open');
  const reading = (async () => {
    for await (const { data } of items) {
      const eventId = data?.entitlementChanges.cause?.eventId;
      if (eventId) arrived.get(eventId)?.(performance.now());
    }
  })();
  let number = 0;
  return {
    async revoke({ userId, directoryId, organizationId: organization, groupId, groupName }) {
      number += 1;
      const id = `event_01KZ${String(number).padStart(22, '0')}`;
      const place = { directory_id: directoryId, organization_id: organization };
      const data = aMembership(aUser(userId, place), aGroup(groupId, { ...place, name: groupName }));
      const body = Buffer.from(
        JSON.stringify({ object: 'event', id, event: 'dsync.group.user_removed', data, created_at: new Date().toISOString() }),
      );
      const arrival = new Promise<number>((resolve, reject) => {
        arrived.set(id, resolve);
        setTimeout(() => reject(new Error(`the revocation ${id} did not arrive`)), PATIENCE_MS).unref();
      });
      const startedAtMs = performance.now();
      const { status } = await fetch(`${url}/webhooks/workos`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'workos-signature': signWebhook(body, SECRET, Date.now()) },
        body,
      });
      if (status !== 200) throw new Error(`the webhook was answered ${status}`);
      return (await arrival) - startedAtMs;
    },
    async close() {
      await client.dispose();
      await reading.catch(() => undefined);
    },
  };
}

async function* run({ quick, rounds, say }: BenchOptions): AsyncGenerator<Comparison> {
  const users = quick ? 10_000 : 100_000;
  const redis = await startRedis();
  const dataset = await openDataset({ users, say });
  const other = await openDataset({ users, say });
  const limit = openWideLimit(other.url);
  const workos = await startFakeWorkos({ log: createLogger('error'), source: { kind: 'scripted' }, unknownAfter: 'ignore' });
  const load = startLoad();
  const ours = await startOurs('start', {
    DATABASE_URL: dataset.url,
    REDIS_URL: redis.url,
    WORKOS_API_KEY: workos.apiKey,
    WORKOS_API_URL: workos.url,
    WORKOS_WEBHOOK_SECRET: SECRET,
    INITIAL_IMPORT: 'off',
    RECONCILE_INTERVAL_HOURS: '0',
    CHANGE_RETENTION_DAYS: '36500',
  });
  const revoker = await openRevoker(ours.url);
  try {
    const { url } = ours;
    let isMapped = false;
    const next = (): Promise<number> => {
      isMapped = !isMapped;
      return edit(url, users, isMapped);
    };
    say('changes a second');
    const rates = await alternate(rounds, {
      async ours() {
        const startedAtMs = performance.now();
        return (await next()) / ((performance.now() - startedAtMs) / 1_000);
      },
      limit: limit.round,
    });
    const edits = { measure: `a mapping for ${users.toLocaleString('en')} users`, unit: 'changes/s', ours: rates.ours };
    yield { ...edits, other: 'limit: set-based SQL', theirs: rates.limit };
    yield { ...edits, other: 'the goal', theirs: [GOAL_CHANGES_PER_SECOND], goal: { atLeast: 1 } };

    say('revocations in the middle');
    const victims = await withClient(dataset.url, (client) => victimsOf(client, 1 + EDITS_WITH_REVOCATIONS * REVOCATIONS_PER_EDIT));
    const idleWait = await revoker.revoke(victims.pop() as Membership);
    const waits: number[] = [];
    for (let round = 0; round < EDITS_WITH_REVOCATIONS; round += 1) {
      let isDone = false;
      const editing = next().finally(() => {
        isDone = true;
      });
      for (let turn = 0; turn < REVOCATIONS_PER_EDIT && !isDone; turn += 1) {
        const victim = victims.pop();
        if (victim) waits.push(await revoker.revoke(victim));
      }
      await editing;
    }
    const wait = { unit: 'ms to the subscriber', ours: waits };
    yield {
      ...wait,
      measure: 'a revocation in the middle, at most',
      ours: [Math.max(...waits)],
      other: 'the goal',
      theirs: [GOAL_WAIT_MS],
      goal: { atMost: 1 },
    };
    yield { ...wait, measure: 'a revocation in the middle', other: 'idle', theirs: [idleWait] };

    say('point queries meanwhile');
    await load.prepare('ours', { url, query: QUERIES.entitlements, authorizations: await makeCallers(url), users, kind: 'entitlements' });
    await load.run('ours', 2);
    const p99 = { idle: [] as number[], meanwhile: [] as number[] };
    const answers = { idle: [] as number[], meanwhile: [] as number[] };
    for (let round = 0; round < rounds; round += 1) {
      const idle = await load.run('ours', quick ? 1 : 3);
      p99.idle.push(idle.p99Ms);
      answers.idle.push(idle.answersPerSecond);
      const editing = next();
      const meanwhile = await load.run('ours', quick ? 1 : 3);
      p99.meanwhile.push(meanwhile.p99Ms);
      answers.meanwhile.push(meanwhile.answersPerSecond);
      await editing;
    }
    yield { measure: 'p99 of B1 meanwhile', unit: 'ms', ours: p99.meanwhile, other: 'idle', theirs: p99.idle, goal: { atMost: 3 } };
    yield { measure: 'answers of B1 meanwhile', unit: 'answers/s', ours: answers.meanwhile, other: 'idle', theirs: answers.idle };
  } finally {
    await revoker.close();
    await load.stop();
    await ours.stop();
    await workos.close();
    await limit.close();
    await other.close();
    await dataset.close();
    await redis.stop();
  }
}

export const wideChange: Scenario = { name: 'wide-change', about: 'a mapping edit that touches everybody', run };
