// Many workers at once: every event counts once, whoever gets hold of it, and nobody blocks anybody for good.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { applyBatch } from '../../../src/apply/apply-batch.ts';
import { pendingPartitions } from '../../../src/apply/pending.ts';
import { openDb } from '../../../src/db/client.ts';
import { grantRole, revokeGrant } from '../../../src/entitlements/grants.ts';
import { createRandom } from '../../../src/lib/random.ts';
import { applyDue, type CoreDatabase, emptyTables, openCoreDatabase, store } from '../../support/core-database.ts';
import { stateOfDatabase } from '../../support/directory-state.ts';
import { expectInvariants } from '../../support/invariants.ts';
import { SEED } from '../../support/seed.ts';
import { COMPANY, COMPANY_CATALOG, found, NEXT, putCatalog } from '../../support/small-company.ts';
import { aDirectory, aGroup, aMembership, anEvent, aUser, momentOf, type SourceEvent } from '../../support/workos-objects.ts';

let core: CoreDatabase;
let others: ReturnType<typeof openDb>[] = [];
beforeAll(async () => {
  core = await openCoreDatabase();
  others = [1, 2, 3].map((n) => openDb({ url: core.url, poolSize: 2, statementTimeoutMs: 20_000, applicationName: `worker ${n}` }));
});
afterAll(async () => {
  for (const other of others) await other.close();
  await core?.close();
});
beforeEach(async () => {
  await emptyTables(core.db);
});

/** People of several organizations who join and leave groups, with directories that move between two of them. */
function busyWeek(organizations: number, length: number): SourceEvent[] {
  const random = createRandom(SEED);
  const events: SourceEvent[] = [];
  const organizationOf = Array.from({ length: organizations }, (_, index) => `org_${index + 1}`);
  for (let n = 1; n <= length; n += 1) {
    const index = random.below(organizations);
    const own = { directory_id: `directory_${index}`, organization_id: organizationOf[index] };
    const user = aUser(`user_${index}_${random.below(6)}`, own);
    const group = aGroup(`group_${index}_${random.below(2)}`, { ...own, name: random.pick(['engineers', 'admins']) });
    const draw = random.next();
    if (n <= organizations) {
      events.push(
        anEvent(
          n,
          'dsync.activated',
          aDirectory(`directory_${n - 1}`, { organization_id: organizationOf[n - 1], updated_at: momentOf(n) }),
        ),
      );
    } else if (draw < 0.05) {
      organizationOf[index] = `org_${1 + random.below(2)}`;
      events.push(
        anEvent(n, 'dsync.activated', aDirectory(own.directory_id, { organization_id: organizationOf[index], updated_at: momentOf(n) })),
      );
    } else if (draw < 0.15) events.push(anEvent(n, 'dsync.user.deleted', user));
    else if (draw < 0.25) events.push(anEvent(n, 'dsync.user.created', user));
    else if (draw < 0.8) events.push(anEvent(n, 'dsync.group.user_added', aMembership(user, group)));
    else events.push(anEvent(n, 'dsync.group.user_removed', aMembership(user, group)));
  }
  return events;
}

/** Takes batches, of random partitions and sizes, until there is nothing left. */
async function work(db: CoreDatabase['db'], worker: number): Promise<number> {
  const random = createRandom(SEED + worker);
  let settled = 0;
  for (let partitions = await pendingPartitions(db); partitions.length > 0; partitions = await pendingPartitions(db)) {
    const result = await applyBatch(db, random.pick(partitions), { requestImports: false, batchSize: 1 + random.below(20) });
    settled += result.settled;
  }
  return settled;
}

test('several workers on the same partitions: no event twice, no deadlock, the state of one worker', async () => {
  process.stdout.write(`seed ${SEED}\n`);
  const { db } = core;
  const events = busyWeek(4, 300);
  await putCatalog(db);
  await store(db, events);
  await applyDue(db);
  const expected = await stateOfDatabase(db);

  await emptyTables(db);
  await putCatalog(db);
  await store(db, events);
  const settled = await Promise.all([db, ...others.map((other) => other.db)].map(work));
  expect(settled.reduce((sum, count) => sum + count, 0)).toBe(events.length);
  expect(await stateOfDatabase(db)).toEqual(expected);
  expect(await db.directoryEvent.count({ where: { status: { notIn: ['APPLIED', 'STALE'] } } })).toBe(0);
  expect(await db.directoryEvent.count({ where: { attempts: { gt: 0 } } })).toBe(0);
  await expectInvariants(db);
});

test('the catalog and grants change while events are applied: all of it counts in the end', async () => {
  const { db } = core;
  await found(db);
  await store(db, busyWeek(3, 200));
  const variants = [1, 2, 3, 4].map((n) => ({
    ...COMPANY_CATALOG,
    roles: COMPANY_CATALOG.roles.map((role) => ({ ...role, permissions: [...role.permissions, `round:${n}`] })),
  }));
  const changeCatalog = async (): Promise<void> => {
    for (const catalog of variants) await putCatalog(others[0]?.db ?? db, catalog);
  };
  const changeGrants = async (): Promise<void> => {
    for (let n = 0; n < 4; n += 1) {
      const grant = await grantRole(others[1]?.db ?? db, {
        userId: 'cyd',
        role: 'builder',
        reason: 'on call',
        expiresAt: null,
        actor: 'ops',
        tenant: null,
      });
      if (n < 3) await revokeGrant(others[1]?.db ?? db, { id: grant.id, actor: 'ops', tenant: null });
    }
  };
  await Promise.all([work(db, 1), work(others[2]?.db ?? db, 2), changeCatalog(), changeGrants()]);
  await expectInvariants(db);
  const builder = await db.role.findFirstOrThrow({ where: { slug: 'builder' } });
  expect(builder.permissions).toContain('round:4');
});

test('two partitions that bring the same unknown directory into being do not overwrite each other', async () => {
  const { db } = core;
  // The same directory under one organization and, in other events, under none.
  const users = Array.from({ length: 30 }, (_, index) =>
    anEvent(
      NEXT + index,
      'dsync.user.created',
      aUser(`user_${index}`, { organization_id: index % 2 ? 'org_1' : null, roles: [{ slug: 'builder' }] }),
    ),
  );
  const events = [...users, ...COMPANY.slice(1)];
  await store(db, events);
  await Promise.all([
    applyBatch(db, 'org_1', { requestImports: false }),
    applyBatch(others[0]?.db ?? db, 'directory_1', { requestImports: false }),
  ]);
  await applyDue(db);
  expect(await db.directoryUser.count()).toBe(33);
  expect(await db.directoryUser.count({ where: { organizationId: 'org_1' } })).toBe(33);
  await expectInvariants(db);
});
