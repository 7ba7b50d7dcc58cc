// A leader that froze with a page in its hands, between its read and its write, in a real process: when it thaws, another one has
// long written that page.
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type OpenDb, openDb } from '../../src/db/client.ts';
import { type FakeWorkos, startFakeWorkos } from '../../src/fake-workos/server.ts';
import { createLogger } from '../../src/log.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { type OwnRedis, startRedis } from '../support/redis.ts';
import { type Service, startService } from '../support/service-process.ts';
import { waitFor } from '../support/wait-for.ts';
import { aDirectory, aUser } from '../support/workos-objects.ts';

const PEOPLE = 250;
let redis: OwnRedis;
let own: { database: TestDatabase; fake: FakeWorkos; open: OpenDb; services: Service[] };

beforeAll(async () => {
  redis = await startRedis();
  const ownDatabase = await createTestDatabase();
  const ownFake = await startFakeWorkos({ log: createLogger('silent'), source: { kind: 'scripted' } });
  own = {
    database: ownDatabase,
    fake: ownFake,
    open: openDb({ url: ownDatabase.url, poolSize: 2, statementTimeoutMs: 20_000, applicationName: 'test' }),
    services: [],
  };
  ownFake.publish({ event: 'dsync.activated', data: aDirectory('directory_1') }, { viaApi: false });
  for (let n = 0; n < PEOPLE; n += 1) ownFake.publish({ event: 'dsync.user.created', data: aUser(`user_${n}`) }, { viaApi: false });
});
afterEach(async () => {
  for (const service of own.services.splice(0)) await service.end('SIGKILL');
});
afterAll(async () => {
  await own.open.close();
  await own.fake.close();
  await own.database.drop();
  await redis.stop();
});

/** How many people the import of 250 counted in the end, and whether the thawed one was stopped. */
async function importWithFreeze(script?: string): Promise<{ counted: () => Promise<number>; thawed: Service }> {
  const { db } = own.open;
  await db.$executeRawUnsafe('TRUNCATE directory_import, lease, state_read, directory, directory_user, directory_event');
  await db.$executeRawUnsafe('UPDATE sync_cursor SET event_id = NULL, caught_up_at = NULL');
  const env = {
    DATABASE_URL: own.database.url,
    REDIS_URL: redis.url,
    WORKOS_API_KEY: own.fake.apiKey,
    WORKOS_API_URL: own.fake.url,
  };
  const counted = async (): Promise<number> => (await db.directoryImport.findFirst())?.usersRead ?? 0;
  // It freezes with the second page of people read and not written.
  const thawed = await startService('work', { ...env, FAILPOINTS: 'import-fetched=stop@2' }, script);
  own.services.push(thawed);
  await waitFor('the first page', async () => (await counted()) === 100, { timeoutMs: 60_000, missing: thawed.output });
  own.services.push(await startService('work', env, script));
  await waitFor('the other to finish the import', async () => (await db.directoryImport.findFirst())?.phase === 'FINISHED', {
    timeoutMs: 60_000,
    missing: thawed.output,
  });
  expect(await counted()).toBe(PEOPLE);
  thawed.process.kill('SIGCONT');
  return { counted, thawed };
}

test('a leader that froze with a page in its hands can write it no more', { timeout: 300_000 }, async () => {
  const { counted, thawed } = await importWithFreeze();
  await waitFor('it to notice', () => thawed.output().includes('the lease of a job is lost'), {
    timeoutMs: 60_000,
    missing: thawed.output,
  });
  expect(await thawed.end('SIGTERM'), thawed.output()).toBe(0);
  expect(await counted()).toBe(PEOPLE);
  expect(await own.open.db.directoryUser.count()).toBe(PEOPLE);
});

test('control: without the check in its transaction it counts people twice', { timeout: 300_000 }, async () => {
  const { counted, thawed } = await importWithFreeze(fileURLToPath(new URL('../support/unfenced-service.ts', import.meta.url)));
  await waitFor('the page to be written all the same', async () => (await counted()) > PEOPLE, {
    timeoutMs: 60_000,
    missing: thawed.output,
  });
});
