// Look-ups of single users, many in a statement: each sees what it would see alone.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isOutage } from '../../../src/db/outage.ts';
import { openPrepared, type Prepared } from '../../../src/db/prepared.ts';
import { createEffectiveLookup, LOOKUP } from '../../../src/entitlements/lookup.ts';
import type { EffectiveAnswer } from '../../../src/entitlements/read.ts';
import { OPEN_END } from '../../../src/model/cursor.ts';
import { type CoreDatabase, deliver, openCoreDatabase, store } from '../../support/core-database.ts';
import { execute } from '../../support/postgres.ts';
import { readEffective } from '../../support/read-effective.ts';
import { found, NEXT } from '../../support/small-company.ts';
import { aDirectory, anEvent, aUser, momentOf } from '../../support/workos-objects.ts';

let core: CoreDatabase;
let prepared: Prepared;
/** Users of each statement that was sent. */
const sent: string[] = [];

beforeAll(async () => {
  core = await openCoreDatabase();
  await found(core.db);
  await deliver(core.db, [
    anEvent(NEXT, 'dsync.activated', aDirectory('directory_2', { organization_id: 'org_2' })),
    anEvent(NEXT + 1, 'dsync.user.created', aUser('zoe', { directory_id: 'directory_2', organization_id: 'org_2' })),
  ]);
  prepared = openPrepared({ url: core.url, size: 1, statementTimeoutMs: 500, applicationName: 'test' });
});
afterAll(async () => {
  await prepared?.close();
  await core?.close();
});

const KEPT = { maxBytes: 1024 * 1024 };

const lookup = () =>
  createEffectiveLookup(
    {
      ...prepared,
      run: (statement, values) =>
        prepared.run(statement, () => {
          const given = values();
          sent.push(given[0] as string);
          return given;
        }),
    },
    KEPT,
  );

test('callers of different organizations in one statement see nothing of each other', async () => {
  sent.length = 0;
  const { find } = lookup();
  const asked = ['ann', 'bob', 'cyd', 'zoe', 'nobody', '__proto__', 'ann', 'a,"b\\c}', 'NULL', ''].flatMap((id) => [
    [id, 'org_1'] as const,
    [id, 'org_2'] as const,
    [id, null] as const,
    [id, '"\\'] as const,
  ]);
  const answers = await Promise.all(asked.map(([id, tenant]) => find(id, tenant)));
  expect(sent).toHaveLength(1);
  for (const [index, [id, tenant]] of asked.entries()) {
    const alone = (await readEffective(core.db, [id], tenant)).get(id);
    expect({ id, tenant, answer: answers[index] && { ...answers[index], readAt: null, texts: null } }).toEqual({
      id,
      tenant,
      answer: alone && { ...alone, readAt: null, texts: null },
    });
  }
  expect(answers.filter(Boolean)).toHaveLength(10);
});

test('many at once are of one statement, and kept like those who are asked about alone', async () => {
  const { find, findAll } = lookup();
  const ids = [...Array.from({ length: 90 }, (_, n) => `nobody-${n}`), 'zoe', 'bob', 'ann', '__proto__'];
  for (const tenant of ['org_1', 'org_2', null]) {
    sent.length = 0;
    const answers = await findAll(ids, tenant);
    expect(sent).toHaveLength(1);
    const stored = await readEffective(core.db, ids, tenant);
    expect([...answers].map(([id, answer]) => [id, lasting(answer)]).sort()).toEqual(
      [...stored].map(([id, answer]) => [id, lasting(answer)]).sort(),
    );
  }
  const alone = await find('ann', null);
  expect((await findAll(['ann'], null)).get('ann')?.effective).toBe(alone?.effective);
  sent.length = 0;
  expect(await findAll([], null)).toEqual(new Map());
  expect(sent).toEqual([]);
});

test('even if the statement gave it a row of another organization, an asker would not get it', async () => {
  const careless = createEffectiveLookup(
    {
      ...prepared,
      run: (statement, values) =>
        prepared.run(statement, () => {
          const [userIds, , revisions] = values();
          return [userIds, '{NULL,NULL}', revisions];
        }),
    },
    KEPT,
  );
  expect((await Promise.all([careless.find('ann', 'org_2'), careless.find('ann', 'org_1')])).map((answer) => answer?.userId)).toEqual([
    undefined,
    'ann',
  ]);
});

test('an id that Postgres refuses fails whoever asked for it, and nobody else', async () => {
  const { find } = lookup();
  const [good, bad] = await Promise.allSettled([find('ann', null), find('a\0b', null)]);
  expect(good).toMatchObject({ status: 'fulfilled', value: { userId: 'ann' } });
  expect(bad).toMatchObject({ status: 'rejected', reason: { code: '22021' } });
});

test('each organization has its own lag, and that of the environment', async () => {
  const { find } = lookup();
  const lags = async () => (await Promise.all([find('ann', null), find('zoe', null)])).map((answer) => answer?.freshness.lagSeconds ?? -1);
  expect(await lags()).toEqual([0, 0]);
  await store(core.db, [anEvent(NEXT + 2, 'dsync.user.updated', aUser('cyd', { updated_at: momentOf(NEXT + 2) }))]);
  const [anns, zoes] = await lags();
  expect(anns).toBeGreaterThan(0);
  expect(zoes).toBe(0);
  expect(anns).toBeCloseTo((await readEffective(core.db, ['ann'], null)).get('ann')?.freshness.lagSeconds ?? 0, -1);
  await store(core.db, [anEvent(NEXT + 3, 'permission.created', { slug: 'p', updated_at: momentOf(1) })]);
  for (const lag of await lags()) expect(lag).toBeGreaterThan(0);
});

/** Without what alters from one moment to the next, and without what only look-ups have. */
const lasting = (answer: EffectiveAnswer | undefined) =>
  answer && { ...answer, readAt: null, texts: null, freshness: { ...answer.freshness, lagSeconds: null } };

test.each([
  ['the state of the user', `UPDATE directory_user SET state = 'INACTIVE'`, `UPDATE directory_user SET state = 'ACTIVE'`],
  ['the state of its directory', `UPDATE directory SET state = 'INACTIVE'`, `UPDATE directory SET state = 'ACTIVE'`],
  ['a suspicion', 'UPDATE directory_user SET drift_suspected = true', 'UPDATE directory_user SET drift_suspected = false'],
  [
    'that the account is to be read again',
    `INSERT INTO refresh_task (user_id, directory_id, reason) VALUES ('ann', 'directory_1', 'test')`,
    'DELETE FROM refresh_task',
  ],
  [
    'the end of access',
    `UPDATE effective_entitlement SET to_position = 1000000 WHERE user_id = 'ann' AND to_position = ${OPEN_END}`,
    `UPDATE effective_entitlement SET to_position = ${OPEN_END} WHERE user_id = 'ann' AND to_position = 1000000`,
  ],
])('what is kept does not hide %s', async (_what, sql, undo) => {
  const { find } = lookup();
  const before = lasting(await find('ann', null));
  expect(before?.effective.roles).not.toEqual([]);
  expect(lasting(await find('ann', null))).toEqual(before);
  await execute(core.url, sql);
  const after = lasting(await find('ann', null));
  expect(after).toEqual(lasting((await readEffective(core.db, ['ann'], null)).get('ann')));
  expect(after).not.toEqual(before);
  await execute(core.url, undo);
  expect(lasting(await find('ann', null))).toEqual(before);
});

test('what has expired by the clock of the database is not in force, whatever the clock of this machine says', async () => {
  const path = { role: 'builder', source: 'GRANT', groupId: null, grantId: 'g', since: momentOf(1), causeEventId: null };
  const put = (expiresAt: string) =>
    execute(
      core.url,
      `UPDATE effective_entitlement SET reasons = '${JSON.stringify({ paths: [{ ...path, expiresAt }], permissions: { 'docs:read': [0] } })}', permissions = '{docs:read}', roles = '{builder}'
       WHERE user_id = 'ann' AND to_position = ${OPEN_END}`,
    );
  const { find } = lookup();
  await put(new Date(Date.now() - 1_000).toISOString());
  expect((await find('ann', null))?.effective).toMatchObject({ roles: [], permissions: [] });
  await put(new Date(Date.now() + 60_000).toISOString());
  expect((await find('ann', null))?.effective).toMatchObject({ roles: ['builder'], permissions: ['docs:read'] });
});

test('on tables of some size it reads a row per asker by index, whatever the number of askers', async () => {
  await execute(
    core.url,
    `INSERT INTO directory_user (id, directory_id, organization_id, display_name, source_state, state, directory_roles, created_at, updated_at, source_version)
       SELECT 'u' || i, 'directory_1', 'org_1', 'u' || i, 'ACTIVE', 'ACTIVE', '{}', now(), now(), '' FROM generate_series(1, 20000) AS g(i);
     INSERT INTO effective_entitlement (user_id, from_position, organization_id, directory_id, roles, permissions, reasons, from_at, from_cause)
       SELECT 'u' || i, 5, 'org_1', 'directory_1', '{member}', '{p}', '{"paths": [], "permissions": {}}', now(), '{}' FROM generate_series(1, 20000) AS g(i);
     INSERT INTO directory_event (id, type, partition, organization_id, raw, status, channel, occurred_at)
       SELECT 'event_' || lpad(i::text, 26, '0'), 'dsync.user.updated', 'org_1', 'org_1', '{}', (CASE WHEN i % 100 = 0 THEN 'PENDING' ELSE 'APPLIED' END)::event_status, 'WEBHOOK', now()
       FROM generate_series(1, 30000) AS g(i);
     ANALYZE`,
  );
  const plan = await prepared.run({ name: '', text: `EXPLAIN (FORMAT JSON, GENERIC_PLAN) ${LOOKUP.text}` }, () => []);
  const scans = [...(plan ?? '').matchAll(/"Node Type": "Seq Scan"[\s\S]*?"Relation Name": "(\w+)"/g)].map(([, table]) => table);
  const big = ['directory_user', 'effective_entitlement', 'directory_event'];
  expect(scans.filter((table) => big.includes(table ?? ''))).toEqual([]);
  expect(plan).toContain('effective_entitlement_pkey');
  expect(plan).toContain('directory_event_waiting_since');
});

test('a statement that takes too long, a lost connection and a database that is away are outages, and pass', async () => {
  const { find } = lookup();
  await core.db.$transaction(async (tx) => {
    await tx.$executeRawUnsafe('LOCK TABLE directory IN ACCESS EXCLUSIVE MODE');
    expect(isOutage(await find('ann', null).catch((error: unknown) => error))).toBe(true);
  });
  expect((await find('ann', null))?.userId).toBe('ann');
  const failed = core.db.$transaction(async (tx) => {
    await tx.$executeRawUnsafe('LOCK TABLE directory IN ACCESS EXCLUSIVE MODE');
    const cut = find('ann', null).catch((error: unknown) => error);
    await new Promise((resolve) => setImmediate(resolve));
    await execute(
      core.url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test' AND datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return cut;
  });
  expect(isOutage(await failed)).toBe(true);
  expect((await find('ann', null))?.userId).toBe('ann');
  const away = openPrepared({ url: 'postgres://nobody@127.0.0.1:1/none', size: 1, statementTimeoutMs: 500, applicationName: 'test' });
  expect(
    isOutage(
      await createEffectiveLookup(away, KEPT)
        .find('ann', null)
        .catch((error: unknown) => error),
    ),
  ).toBe(true);
  await away.close();
});
