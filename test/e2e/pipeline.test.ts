// The whole process, from a webhook (or a page of the Events API) to subscribers on real sockets, over real Postgres and Redis.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type FakeWorkos, startFakeWorkos } from '../../src/fake-workos/server.ts';
import { freePort } from '../../src/lib/free-port.ts';
import { createLogger } from '../../src/log.ts';
import { followBySse, followByWebSocket } from '../support/change-follower.ts';
import { createTestDatabase, execute, type TestDatabase } from '../support/postgres.ts';
import { type TestRedis, useRedis } from '../support/redis.ts';
import { type Service, startService } from '../support/service-process.ts';
import { waitFor } from '../support/wait-for.ts';
import { aDirectory, aGroup, aMembership, aUser, type Json } from '../support/workos-objects.ts';

const SECRET = 'whsec_pipeline';
const CATALOG = {
  roles: [{ slug: 'engineer', permissions: ['code:write', 'ci:run'] }],
  groupMappings: [{ organizationId: 'org_1', groupName: 'engineering', roles: ['engineer'] }],
};
const APPLY = 'mutation ($catalog: CatalogInput!) { applyCatalog(catalog: $catalog) { applied } }';
const CHECK = 'query ($id: ID!) { checkAccess(userId: $id, permission: "code:write") { allowed reason freshness { lagSeconds } } }';

interface Check {
  checkAccess: { allowed: boolean; reason: string; freshness: { lagSeconds: number } };
}

let database: TestDatabase;
let redis: TestRedis;
let fake: FakeWorkos;
let service: Service;
let settings: Record<string, string>;

beforeAll(async () => {
  database = await createTestDatabase();
  redis = await useRedis();
  const port = await freePort();
  fake = await startFakeWorkos({
    log: createLogger('silent'),
    source: { kind: 'scripted' },
    webhook: { url: `http://127.0.0.1:${port}/webhooks/workos`, secret: SECRET, retryDelaysMs: [100, 200, 400, 800, 1_600, 3_200] },
  });
  settings = {
    PORT: String(port),
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    WORKOS_API_KEY: fake.apiKey,
    WORKOS_API_URL: fake.url,
    WORKOS_WEBHOOK_SECRET: SECRET,
    INITIAL_IMPORT: 'off',
  };
  service = await startService('start', settings);
  await service.query(APPLY, { catalog: CATALOG });
});

afterAll(async () => {
  await service.end();
  await fake.close();
  await redis.stop();
  await database.drop();
});

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const organization = { directory: aDirectory(), group: aGroup('group_1', { name: 'engineering' }) };
const publish = (event: string, data: unknown, options = {}): string => fake.publish({ object: 'event', event, data }, options);

async function contiguous(): Promise<void> {
  const { rows } = await execute(
    database.url,
    'SELECT count(*)::int AS count, coalesce(max(position), 0)::int AS last FROM entitlement_change',
  );
  expect(rows[0]?.count).toBe(rows[0]?.last);
}

function join(id: string, options = {}): Json {
  const user = aUser(id);
  publish('dsync.user.created', user, options);
  publish('dsync.group.user_added', aMembership(user, organization.group), options);
  return user;
}

describe('from WorkOS to a subscriber', () => {
  it('a joiner gains, a leaver loses, and both transports are told each once, in order, with the cause', async () => {
    const followers = [followByWebSocket(service.url, service.key), followBySse(service.url, service.key)];
    closers.push(...followers.map((follower) => follower.close));
    for (const follower of followers) await waitFor('the first checkpoint', () => follower.items.length > 0);

    publish('dsync.activated', organization.directory);
    publish('dsync.group.created', organization.group);
    const user = join('user_1');
    const granted = await Promise.all(
      followers.map((follower) =>
        waitFor('the grant', () => follower.changes().find((change) => change.grantedPermissions?.length === 2), {
          missing: service.output,
        }),
      ),
    );
    expect(granted.map((change) => change.grantedPermissions)).toEqual([
      ['ci:run', 'code:write'],
      ['ci:run', 'code:write'],
    ]);
    expect((await service.query<Check>(CHECK, { id: 'user_1' })).checkAccess).toMatchObject({ allowed: true, reason: 'GRANTED' });

    const leaving = publish('dsync.user.updated', { ...user, state: 'inactive', updated_at: new Date().toISOString() });
    for (const follower of followers) {
      const revoked = await waitFor('the revocation', () => follower.changes().find((change) => change.revokedPermissions?.length === 2), {
        missing: service.output,
      });
      expect(revoked.cause).toEqual({ kind: 'DIRECTORY_EVENT', eventId: leaving });
      expect(
        follower
          .changes()
          .map(({ userId, grantedPermissions, revokedPermissions }) => ({ userId, grantedPermissions, revokedPermissions })),
      ).toEqual([
        { userId: 'user_1', grantedPermissions: ['ci:run', 'code:write'], revokedPermissions: [] },
        { userId: 'user_1', grantedPermissions: [], revokedPermissions: ['ci:run', 'code:write'] },
      ]);
    }
    expect((await service.query<Check>(CHECK, { id: 'user_1' })).checkAccess).toMatchObject({ allowed: false, reason: 'USER_NOT_ACTIVE' });
    await contiguous();
  });

  it('an event is applied whichever of the two channels brings it', async () => {
    join('by_webhook', { viaApi: false });
    join('by_api', { viaWebhook: false });
    for (const id of ['by_webhook', 'by_api']) {
      await waitFor(`access of ${id}`, async () => (await service.query<Check>(CHECK, { id })).checkAccess.allowed, {
        missing: service.output,
      });
    }
    await contiguous();
  });

  it('a killed process loses nothing: the next one goes on, and a subscriber resumes at its cursor exactly once', async () => {
    const before = followByWebSocket(service.url, service.key);
    closers.push(before.close);
    await waitFor('the first checkpoint', () => before.items.length > 0);
    join('before_kill');
    await waitFor('the change before', () => before.changes().some((change) => change.userId === 'before_kill'), {
      missing: service.output,
    });
    await service.end('SIGKILL');
    const cursor = before.items.at(-1)?.cursor ?? '';

    for (let n = 0; n < 20; n += 1) join(`while_away_${n}`);
    service = await startService('start', settings);
    const after = followByWebSocket(service.url, service.key, cursor);
    closers.push(after.close);
    await waitFor('the changes after', () => after.changes().length >= 20, { timeoutMs: 30_000, missing: () => after.changes().length });
    expect(
      after
        .changes()
        .map((change) => change.userId)
        .sort(),
    ).toEqual(Array.from({ length: 20 }, (_, n) => `while_away_${n}`).sort());
    await contiguous();
  });

  it('SIGTERM ends it with code 0', async () => {
    expect(await service.end('SIGTERM')).toBe(0);
    service = await startService('start', settings);
  });
});
