// A catalog that touches more than one transaction takes: the same access and the same answer as in one, whoever does the rest,
// whatever comes in between, and nobody waits for all of it.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import type { Db } from '../../../src/db/client.ts';
import { type ApplyCatalogOptions, applyCatalog } from '../../../src/entitlements/catalog.ts';
import type { CatalogInput } from '../../../src/entitlements/catalog-plan.ts';
import { dueWideChanges, finishWideChanges } from '../../../src/entitlements/wide-change.ts';
import { armFailpoints } from '../../../src/lib/failpoint.ts';
import { deliver, emptyTables } from '../../support/core-database.ts';
import { stateOfDatabase } from '../../support/directory-state.ts';
import { expectInvariants } from '../../support/invariants.ts';
import { readEffective } from '../../support/read-effective.ts';
import { seeded } from '../../support/seed.ts';
import { changesSince, headOf, permissionsNow } from '../../support/small-company.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { waitFor } from '../../support/wait-for.ts';
import { aDirectory, aGroup, aMembership, anEvent, aUser, type SourceEvent } from '../../support/workos-objects.ts';

const core = useCoreDatabase({ poolSize: 8, each: 'empty' });
afterEach(() => armFailpoints(null));

const USERS = 12;
const GROUPS = 3;
const place = (n: number) => ({ directory_id: `directory_${1 + (n % 2)}`, organization_id: `org_${1 + (n % 2)}` });
const person = (n: number, over: object = {}) => aUser(`user-${String(n).padStart(2, '0')}`, { ...place(n), ...over });
const team = (n: number, organization: number) => aGroup(`team-${n}-${1 + organization}`, { ...place(organization), name: `team-${n}` });

/** Two organizations; everybody is in team 0, and every third in team 1 or 2 too. */
function company(): SourceEvent[] {
  let n = 0;
  const event = (type: string, data: unknown) => anEvent(++n, type, data);
  return [
    ...[1, 2].map((one) => event('dsync.activated', aDirectory(`directory_${one}`, { organization_id: `org_${one}` }))),
    ...[0, 1].flatMap((organization) =>
      Array.from({ length: GROUPS }, (_, index) => event('dsync.group.created', team(index, organization))),
    ),
    ...Array.from({ length: USERS }, (_, index) =>
      event('dsync.user.created', person(index, { roles: index % 4 === 0 ? [{ slug: 'own' }] : [] })),
    ),
    ...Array.from({ length: USERS }, (_, index) => event('dsync.group.user_added', aMembership(person(index), team(0, index % 2)))),
    ...Array.from({ length: USERS }, (_, index) =>
      event('dsync.group.user_added', aMembership(person(index), team(1 + (index % 2), index % 2))),
    ),
  ];
}
const NEXT = 100;

const mapped = (groupName: string, roles: string[], organizations = [1, 2]) =>
  organizations.map((one) => ({ organizationId: `org_${one}`, groupName, roles }));
const BOTH: CatalogInput = {
  roles: [
    { slug: 'reader', permissions: ['read'] },
    { slug: 'writer', permissions: ['read', 'write'] },
  ],
  groupMappings: [...mapped('team-0', ['reader']), ...mapped('team-1', ['writer'], [2])],
};
const options = (catalog: CatalogInput, over: Partial<ApplyCatalogOptions> = {}): ApplyCatalogOptions => ({
  catalog,
  dryRun: false,
  prune: false,
  maxRevocations: 1_000,
  actor: 'ops',
  tenant: null,
  chunkSize: 2,
  ...over,
});
const unfinished = (db: Db) => db.wideChange.count({ where: { finishedAt: null } });

/** As a worker does, once whoever began is no longer at it. */
async function finishAll(db: Db, chunkSize = 2): Promise<void> {
  await db.wideChange.updateMany({ data: { ownedUntil: new Date(0) } });
  await finishWideChanges(db, await dueWideChanges(db), { chunkSize });
}

test('chunk by chunk or at once: the same plan, the same access, one cause', async () => {
  const { db } = core;
  await deliver(db, company());
  const dry = await applyCatalog(db, options(BOTH, { dryRun: true }));
  const plan = await applyCatalog(db, options(BOTH));
  expect(plan).toEqual({ ...dry, applied: true });
  expect(plan).toMatchObject({ affectedUsers: USERS, rolesCreated: ['reader', 'writer'], mappingsAdded: 3 });
  expect(plan.preview).toHaveLength(USERS);
  expect(await unfinished(db)).toBe(0);
  expect(await db.wideChange.count()).toBe(2);
  expect(await db.entitlementChange.groupBy({ by: ['actor', 'occurredAt'], where: { causeKind: 'CATALOG_CHANGE' } })).toHaveLength(1);
  await expectInvariants(db);
  const inChunks = await stateOfDatabase(db);

  await emptyTables(db);
  await deliver(db, company());
  expect(await applyCatalog(db, options(BOTH, { chunkSize: 1_000 }))).toEqual(plan);
  expect(await db.wideChange.count()).toBe(0);
  expect(await stateOfDatabase(db)).toEqual(inChunks);
});

test('what changes reasons only is no change of access, and is stored all the same', async () => {
  const { db } = core;
  await deliver(db, company());
  await applyCatalog(db, options(BOTH));
  const before = await headOf(db);
  const twice: CatalogInput = {
    roles: [],
    groupMappings: [{ organizationId: 'org_2', groupName: 'team-2', roles: ['reader'] }, ...mapped('team-1', ['reader'], [1])],
  };
  expect(
    await applyCatalog(db, options({ ...twice, groupMappings: [...twice.groupMappings, ...mapped('team-2', ['reader'], [1])] })),
  ).toMatchObject({ affectedUsers: 0 });
  expect(await headOf(db)).toBe(before);
  await expectInvariants(db);
  // Twice in a row: a version that nobody has seen is replaced, not closed.
  await applyCatalog(db, options({ roles: [], groupMappings: mapped('team-1', ['writer'], [1]) }));
  await applyCatalog(db, options({ roles: [{ slug: 'reader', permissions: ['look'] }], groupMappings: [] }));
  await expectInvariants(db);
});

test('too many revocations are refused before anything is written, also where they are counted chunk by chunk', async () => {
  const { db } = core;
  await deliver(db, company());
  await applyCatalog(db, options(BOTH));
  const before = [await stateOfDatabase(db), await headOf(db), await db.role.findMany(), await db.groupMapping.findMany()];
  const nothing = { roles: [], groupMappings: [] };
  await expect(applyCatalog(db, options(nothing, { prune: true, maxRevocations: USERS - 1 }))).rejects.toMatchObject({
    code: 'CONFIRMATION_REQUIRED',
    details: { revocations: USERS, maxRevocations: USERS - 1 },
  });
  expect([await stateOfDatabase(db), await headOf(db), await db.role.findMany(), await db.groupMapping.findMany()]).toEqual(before);
  await applyCatalog(db, options({ roles: [{ slug: 'writer', permissions: ['write'] }], groupMappings: [] }, { maxRevocations: 0 }));
  await applyCatalog(db, options(nothing, { prune: true, maxRevocations: USERS }));
  expect(await permissionsNow(db)).toEqual({});
  await expectInvariants(db);
});

test('killed in the middle, it says so in every answer of that organization until another process has done the rest', async () => {
  const { db, url } = core;
  await deliver(db, company());
  for (const failpoints of ['wide-chunk=kill@2', 'wide-chunk-computed=kill@3']) {
    await applyCatalog(db, options({ roles: [], groupMappings: [] }, { prune: true }));
    const argument = JSON.stringify({ url, failpoints, options: options(BOTH) });
    const child = fork(fileURLToPath(new URL('../../fixtures/edit-catalog.ts', import.meta.url)), [argument]);
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
    expect(await unfinished(db)).toBe(2);
    const answers = await readEffective(db, ['user-00', 'user-11'], null);
    for (const { freshness } of answers.values()) expect(freshness.lagSeconds).toBeGreaterThan(0);
    // Until its time is over nobody takes it from its process.
    expect(await dueWideChanges(db)).toEqual([]);
    await finishAll(db);
    expect(await unfinished(db)).toBe(0);
    for (const { freshness } of (await readEffective(db, ['user-00'], null)).values()) expect(freshness.lagSeconds).toBe(0);
    await expectInvariants(db);
  }
});

test('a revocation that arrives in the middle is recorded before the rest', async () => {
  const { db } = core;
  await deliver(db, company());
  await applyCatalog(db, options(BOTH));
  const before = await headOf(db);
  armFailpoints('wide-chunk=sleep:30');
  const edit = applyCatalog(
    db,
    options({ roles: [{ slug: 'reader', permissions: ['read', 'look'] }], groupMappings: [] }, { chunkSize: 1 }),
  );
  await waitFor('the first chunk', async () => (await headOf(db)) > before);
  await deliver(db, [anEvent(NEXT, 'dsync.group.user_removed', aMembership(person(11), team(0, 1)))]);
  await edit;
  const changes = await changesSince(db, before);
  const revocation = changes.findIndex((change) => change.startsWith('user-11 dsync.group.user_removed'));
  expect(revocation).toBeGreaterThan(-1);
  expect(revocation).toBeLessThan(changes.length - 1);
  await expectInvariants(db);
});

test('two at once, and one that is undone while it runs', async () => {
  const { db } = core;
  await deliver(db, company());
  armFailpoints('wide-chunk=sleep:5');
  const more: CatalogInput = { roles: [{ slug: 'third', permissions: ['third'] }], groupMappings: mapped('team-2', ['third'], [1]) };
  await Promise.all([applyCatalog(db, options(BOTH)), applyCatalog(db, options(more)), applyCatalog(db, options(BOTH, { dryRun: true }))]);
  await expectInvariants(db);
  const begun = applyCatalog(db, options({ roles: [{ slug: 'reader', permissions: ['everything'] }], groupMappings: [] }));
  await waitFor('the edit', async () => (await unfinished(db)) > 0);
  await applyCatalog(db, options({ roles: [{ slug: 'reader', permissions: ['read'] }], groupMappings: [] }));
  await begun;
  expect((await permissionsNow(db))['user-00']).toContain('read');
  expect(JSON.stringify(await permissionsNow(db))).not.toContain('everything');
  await expectInvariants(db);
});

test('no more users are looked at in one transaction than a chunk has', async () => {
  const { db } = core;
  await deliver(db, company());
  const pages: number[] = [];
  const before = await headOf(db);
  await applyCatalog(db, options(BOTH, { chunkSize: 3, onChanges: () => void pages.push(1) }));
  expect(pages.length).toBeGreaterThanOrEqual(USERS / 3);
  expect(await headOf(db)).toBe(before + USERS);
});

test('it keeps to the pace of the relay, for the sake of a revocation that comes after; one that stands still is not waited for', async () => {
  const { db } = core;
  await deliver(db, company());
  const before = await headOf(db);
  const relayed = (position: number) => db.changeLogHead.update({ where: { id: 1 }, data: { relayedPosition: position } });
  await relayed(-10_000);
  let isDone = false;
  const edit = applyCatalog(db, options(BOTH)).finally(() => {
    isDone = true;
  });
  // It moves, and is far behind for longer than it may stand still.
  for (let turn = 0; turn < 15; turn += 1) {
    await pause(100);
    await relayed(-9_000 + turn);
  }
  expect(isDone).toBe(false);
  expect(await headOf(db)).toBeLessThanOrEqual(before + 4);
  await relayed(await headOf(db));
  await edit;

  await relayed(-10_000);
  await applyCatalog(db, options({ roles: [{ slug: 'reader', permissions: ['look'] }], groupMappings: [] }));
  await expectInvariants(db);
});

type Step =
  | { kind: 'edit'; permissions: number; mapped: number[]; prune: boolean }
  | { kind: 'event'; user: number; group: number; added: boolean }
  | { kind: 'user'; user: number; active: boolean }
  | { kind: 'chunks'; count: number };

const STEPS: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('edit' as const),
    permissions: fc.nat(7),
    mapped: fc.subarray([0, 1, 2]),
    prune: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('event' as const), user: fc.nat(USERS - 1), group: fc.nat(GROUPS - 1), added: fc.boolean() }),
  fc.record({ kind: fc.constant('user' as const), user: fc.nat(USERS - 1), active: fc.boolean() }),
  fc.record({ kind: fc.constant('chunks' as const), count: fc.integer({ min: 1, max: 4 }) }),
);

test('whatever edits and events come between the chunks: in the end everybody has what the tables give', async () => {
  const { db } = core;
  await fc.assert(
    fc.asyncProperty(fc.array(STEPS, { minLength: 3, maxLength: 12 }), fc.integer({ min: 1, max: 5 }), async (steps, chunkSize) => {
      await emptyTables(db);
      await deliver(db, company());
      let moment = NEXT;
      for (const step of steps) {
        if (step.kind === 'edit') {
          // Stays where it is after the first chunk of each organization.
          armFailpoints('wide-chunk=throw');
          const permissions = ['read', 'write', 'look'].filter((_, index) => (step.permissions >> index) & 1);
          const catalog = {
            roles: [
              { slug: 'reader', permissions },
              { slug: 'own', permissions: ['own'] },
            ],
            groupMappings: step.mapped.flatMap((group) => mapped(`team-${group}`, ['reader'])),
          };
          await applyCatalog(db, options(catalog, { chunkSize, prune: step.prune })).catch((error: unknown) =>
            expect(String(error)).toContain('failpoint'),
          );
        } else if (step.kind === 'chunks') {
          armFailpoints(`wide-chunk=throw@${step.count}`);
          await finishAll(db, chunkSize).catch((error: unknown) => expect(String(error)).toContain('failpoint'));
        } else if (step.kind === 'event') {
          const type = step.added ? 'dsync.group.user_added' : 'dsync.group.user_removed';
          await deliver(db, [anEvent(++moment, type, aMembership(person(step.user), team(step.group, step.user % 2)))]);
        } else {
          const over = {
            state: step.active ? 'active' : 'inactive',
            updated_at: new Date(Date.UTC(2027, 0, 1, 0, 0, moment)).toISOString(),
          };
          await deliver(db, [anEvent(++moment, 'dsync.user.updated', person(step.user, over))]);
        }
      }
      armFailpoints(null);
      await finishAll(db, chunkSize);
      await expectInvariants(db);
    }),
    seeded(12),
  );
});
