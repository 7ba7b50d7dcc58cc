// What apps ask: one statement per answer, from indexes, within the caller's organization, and honest about its age.
import { beforeAll, describe, expect, test } from 'vitest';
import { applyBatch } from '../../../src/apply/apply-batch.ts';
import type { Db } from '../../../src/db/client.ts';
import { countUsersWithPermission, usersWithPermission } from '../../../src/entitlements/holders.ts';
import { decide } from '../../../src/entitlements/read.ts';
import { readSnapshotPage } from '../../../src/entitlements/snapshot.ts';
import { OPEN_END } from '../../../src/model/cursor.ts';
import { applyDue, deliver, store } from '../../support/core-database.ts';
import { execute } from '../../support/postgres.ts';
import { readEffective } from '../../support/read-effective.ts';
import { found, headOf, NEXT } from '../../support/small-company.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { type WatchedStatement, watch } from '../../support/watched-db.ts';
import { aDirectory, aGroup, aMembership, anEvent, aUser, momentOf } from '../../support/workos-objects.ts';

const core = useCoreDatabase();
beforeAll(async () => {
  await found(core.db);
});

test('known, unknown and foreign ids', async () => {
  const { db } = core;
  const all = await readEffective(db, ['ann', 'nobody', 'ann', '__proto__'], null);
  expect([...all.keys()]).toEqual(['ann']);
  expect(all.get('ann')).toMatchObject({
    userId: 'ann',
    organizationId: 'org_1',
    userState: 'ACTIVE',
    effective: {
      roles: ['builder'],
      permissions: ['docs:read', 'docs:write'],
      reasons: { paths: [{ role: 'builder', source: 'GROUP', groupId: 'engineers', grantId: null, expiresAt: null, since: momentOf(7) }] },
    },
    freshness: { position: BigInt(await headOf(db)), lagSeconds: 0, directoryState: 'ACTIVE', driftSuspected: false },
  });
  expect(await readEffective(db, ['ann', 'bob'], 'org_2')).toEqual(new Map());
  expect((await readEffective(db, ['ann', 'bob'], 'org_1')).size).toBe(2);
  expect(await readEffective(db, [], null)).toEqual(new Map());
});

test('an answer is one statement, so that all of it is of one moment', async () => {
  const { db, statements } = watch(core.db);
  await readEffective(db, ['ann', 'bob', 'nobody'], 'org_1');
  await readSnapshotPage(db, { organizationId: 'org_1', asOf: 2n, afterUserId: null, limit: 10 });
  expect(statements).toHaveLength(2);
});

test('who has a permission: pages and count agree, within the organization', async () => {
  const { db } = core;
  const at = { organizationId: 'org_1', permission: 'docs:read' };
  expect(await usersWithPermission(db, { ...at, afterUserId: null, limit: 10 })).toEqual(['ann', 'bob']);
  expect(await usersWithPermission(db, { ...at, afterUserId: null, limit: 1 })).toEqual(['ann']);
  expect(await usersWithPermission(db, { ...at, afterUserId: 'ann', limit: 1 })).toEqual(['bob']);
  expect(await usersWithPermission(db, { ...at, afterUserId: 'bob', limit: 1 })).toEqual([]);
  expect(await countUsersWithPermission(db, at)).toBe(2);
  for (const foreign of [
    { ...at, organizationId: 'org_2' },
    { ...at, permission: 'docs' },
    { ...at, permission: '__proto__' },
  ]) {
    expect(await usersWithPermission(db, { ...foreign, afterUserId: null, limit: 10 })).toEqual([]);
    expect(await countUsersWithPermission(db, foreign)).toBe(0);
  }
});

test('while an event of the organization, or of the environment, is known and not applied, the answer says how old', async () => {
  const { db } = core;
  const lag = async (userId: string) => (await readEffective(db, [userId], null)).get(userId)?.freshness.lagSeconds ?? -1;
  expect(await lag('ann')).toBe(0);
  await store(db, [anEvent(NEXT, 'dsync.user.updated', aUser('cyd', { email: 'c@example.com', updated_at: momentOf(NEXT) }))]);
  expect(await lag('ann')).toBeGreaterThan(0);
  await applyDue(db);
  expect(await lag('ann')).toBe(0);
  await store(db, [anEvent(NEXT + 1, 'dsync.activated', aDirectory('elsewhere', { organization_id: 'org_2' }))]);
  expect(await lag('ann')).toBe(0);
  await store(db, [anEvent(NEXT + 2, 'permission.created', { slug: 'p', updated_at: momentOf(1) })]);
  expect(await lag('ann')).toBeGreaterThan(0);
  await applyDue(db);
  expect(await lag('ann')).toBe(0);
});

test('a decision names its reason, and a state before a path', async () => {
  const { db } = core;
  const check = async (userId: string, permission: string) => {
    const { allowed, reason, via } = decide((await readEffective(db, [userId], null)).get(userId), permission);
    return `${allowed} ${reason} ${via.map(({ role }) => role)}`;
  };
  expect(await check('bob', 'docs:read')).toBe('true GRANTED builder,steward');
  expect(await check('bob', 'constructor')).toBe('false NO_PATH ');
  expect(await check('nobody', 'docs:read')).toBe('false USER_UNKNOWN ');
  await deliver(db, [anEvent(NEXT + 3, 'dsync.user.updated', aUser('bob', { state: 'suspended', updated_at: momentOf(NEXT + 3) }))]);
  expect(await check('bob', 'docs:read')).toBe('false USER_NOT_ACTIVE ');
  await deliver(db, [
    anEvent(NEXT + 4, 'dsync.activated', aDirectory('directory_1', { state: 'inactive', updated_at: momentOf(NEXT + 4) })),
  ]);
  expect(await check('ann', 'docs:read')).toBe('false DIRECTORY_NOT_ACTIVE ');
  expect(await check('bob', 'docs:read')).toBe('false USER_NOT_ACTIVE ');
});

describe('the hot statements use their indexes on tables of some size', () => {
  const BIG = ['directory_user', 'membership', 'effective_entitlement', 'directory_event'];

  beforeAll(async () => {
    await execute(
      core.url,
      `INSERT INTO directory_user (id, directory_id, organization_id, display_name, source_state, state, directory_roles, created_at, updated_at, source_version)
         SELECT 'u' || i, 'directory_' || i % 50, 'org_' || i % 50, 'u' || i, 'ACTIVE', 'ACTIVE', '{}', now(), now(), '' FROM generate_series(1, 20000) AS g(i);
       INSERT INTO effective_entitlement (user_id, from_position, to_position, organization_id, directory_id, roles, permissions, reasons, from_at, from_cause)
         SELECT 'u' || i, 5 + v, CASE v WHEN 2 THEN ${OPEN_END} ELSE 6 + v END, 'org_' || i % 50, 'directory_' || i % 50, '{member}', ARRAY['p' || i % 500], '{"paths": [], "permissions": {}}', now(), '{}'
         FROM generate_series(1, 20000) AS g(i), generate_series(0, 2) AS h(v);
       INSERT INTO directory_event (id, type, partition, organization_id, raw, status, channel, occurred_at)
         SELECT 'event_' || lpad(i::text, 26, '0'), 'dsync.user.updated', 'org_1', 'org_1', '{}', (CASE WHEN i % 100 = 0 THEN 'PENDING' ELSE 'APPLIED' END)::event_status, 'WEBHOOK', now()
         FROM generate_series(1, 30000) AS g(i);
       INSERT INTO membership (user_id, group_id, directory_id, organization_id, present, version, active, since)
         SELECT 'u' || i, 'g' || i % 1000, 'directory_' || i % 50, 'org_' || i % 50, true, 'event_', false, now() FROM generate_series(1, 20000) AS g(i);
       ANALYZE`,
    );
  });

  const planOf = async (ask: (db: Db) => Promise<unknown>): Promise<WatchedStatement> => {
    const { db, statements } = watch(core.db);
    await ask(db);
    return statements[0] as WatchedStatement;
  };

  test('effective access of a hundred users', async () => {
    const ids = Array.from({ length: 100 }, (_, index) => `u${index * 150 + 1}`);
    const plan = await planOf((db) => readEffective(db, ids, null));
    expect(plan.sequentialScans.filter((table) => BIG.includes(table))).toEqual([]);
    expect(plan.indexes).not.toContain('directory_event_occurred_at_idx');
    expect(plan.indexes).toEqual(expect.arrayContaining(['effective_entitlement_pkey', 'directory_event_waiting_since']));
  });

  test('a page of a snapshot', async () => {
    const plan = await planOf((db) => readSnapshotPage(db, { organizationId: 'org_1', asOf: 6n, afterUserId: 'u15', limit: 50 }));
    expect(plan.sequentialScans.filter((table) => BIG.includes(table))).toEqual([]);
    expect(plan.indexes).toContain('effective_entitlement_organization_id_user_id_to_position_idx');
  });

  test('who has a permission', async () => {
    const plan = await planOf((db) => usersWithPermission(db, { organizationId: 'org_1', permission: 'p7', afterUserId: null, limit: 50 }));
    expect(plan.sequentialScans).toEqual([]);
    expect(plan.indexes).toContain('effective_entitlement_permissions_idx');
  });

  test('a whole batch of events, from the inbox to the log', async () => {
    await core.db.directoryEvent.updateMany({ where: { raw: '{}', status: 'PENDING' }, data: { status: 'APPLIED' } });
    const events = [
      anEvent(20, 'dsync.user.created', aUser('dan')),
      anEvent(21, 'dsync.group.user_added', aMembership(aUser('dan'), aGroup('engineers'))),
      anEvent(22, 'dsync.user.deleted', aUser('u51')),
      anEvent(23, 'dsync.group.deleted', aGroup('admins')),
    ];
    await store(core.db, events);
    const { db, statements } = watch(core.db);
    expect(await applyBatch(db, 'org_1', { requestImports: true })).toMatchObject({ settled: 4, quarantined: 0 });
    const scans = statements.flatMap(({ sql, sequentialScans }) =>
      sequentialScans.filter((table) => BIG.includes(table)).map((table) => `${table}: ${sql}`),
    );
    expect(scans).toEqual([]);
    expect(statements.length).toBeLessThan(30);
  });
});
