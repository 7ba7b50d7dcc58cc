// Several organizations with few events each in one transaction: exactly what one by one would give, and whatever cannot go along
// stays behind alone.
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { applyFew, FEW } from '../../../src/apply/apply-few.ts';
import { pendingPartitions } from '../../../src/apply/pending.ts';
import { armFailpoints } from '../../../src/lib/failpoint.ts';
import { applyDue, deliver, emptyTables, store } from '../../support/core-database.ts';
import { stateOfDatabase } from '../../support/directory-state.ts';
import { holdPartition } from '../../support/hold-partition.ts';
import { expectInvariants } from '../../support/invariants.ts';
import { putCatalog } from '../../support/small-company.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { aDirectory, aGroup, aMembership, anEvent, aRole, aUser, momentOf, type SourceEvent } from '../../support/workos-objects.ts';

const core = useCoreDatabase();
const ORGANIZATIONS = [1, 2, 3, 4];
const NAMES = ORGANIZATIONS.map((n) => `org_${n}`);
const own = (n: number) => ({ directory_id: `directory_${n}`, organization_id: `org_${n}` });

async function begin(): Promise<void> {
  await emptyTables(core.db);
  await putCatalog(core.db);
  await deliver(
    core.db,
    ORGANIZATIONS.map((n) => anEvent(n, 'dsync.activated', aDirectory(`directory_${n}`, own(n)))),
  );
}
beforeEach(begin);
afterEach(() => armFailpoints(null));

const options = { requestImports: false };
const BUILDER = { roles: [{ slug: 'builder' }] };
const hire = (n: number, organization: number, over = {}) =>
  anEvent(n, 'dsync.user.created', aUser(`user_${n}`, { ...own(organization), ...BUILDER, ...over }));
const one = () => ORGANIZATIONS.map((n) => hire(10 + n, n));

/** Joiners, movers and leavers of all of them, in turns. */
function week(): SourceEvent[] {
  let number = 10;
  const next = (type: string, data: unknown) => {
    number += 1;
    return anEvent(number, type, data);
  };
  const inTurns = (happens: (n: number) => SourceEvent) => ORGANIZATIONS.map(happens);
  const user = (n: number, name: string, over = {}) => aUser(`${name}_${n}`, { ...own(n), ...over });
  const group = (n: number) => aGroup(`group_${n}`, { ...own(n), name: 'engineers' });
  return [
    ...inTurns((n) => next('dsync.user.created', user(n, 'ann', BUILDER))),
    ...inTurns((n) => next('dsync.group.user_added', aMembership(user(n, 'bob'), group(n)))),
    ...inTurns((n) => next('dsync.user.created', user(n, 'cyd', BUILDER))),
    ...inTurns((n) => next('dsync.user.updated', user(n, 'ann', { roles: [{ slug: 'steward' }], updated_at: momentOf(number) }))),
    ...inTurns((n) => next('dsync.group.user_removed', aMembership(user(n, 'bob'), group(n)))),
    ...inTurns((n) => next('dsync.user.deleted', user(n, 'cyd', BUILDER))),
    ...inTurns((n) => next('dsync.group.deleted', group(n))),
  ];
}

/** What the log tells of each organization, in its order. */
async function logs() {
  const changes = await core.db.entitlementChange.findMany({ orderBy: { position: 'asc' } });
  const told = changes.map(({ position: _, recordedAt: __, ...change }) => change);
  return Object.fromEntries(Map.groupBy(told, ({ organizationId }) => String(organizationId)));
}

const positions = async () => (await core.db.entitlementChange.findMany({ orderBy: { position: 'asc' } })).map(({ position }) => position);

test('the state, the log of each organization and the positions are those of one by one', async () => {
  await store(core.db, week());
  await applyDue(core.db);
  const [state, log] = [await stateOfDatabase(core.db), await logs()];
  expect(Object.keys(log)).toEqual(NAMES);

  await begin();
  await store(core.db, week());
  const { settled, changes, left, quarantined } = await applyFew(core.db, NAMES, options);
  expect({ settled, quarantined, left }).toEqual({ settled: week().length, quarantined: 0, left: [] });
  expect(await stateOfDatabase(core.db)).toEqual(state);
  expect(await logs()).toEqual(log);
  expect(changes.map(({ position }) => position)).toEqual(await positions());
  expect(await positions()).toEqual(changes.map((_, index) => BigInt(index + 1)));
  await expectInvariants(core.db, { snapshotsAt: [0.5, 1] });
});

test('one that somebody holds is left, and the others do not wait for it', async () => {
  await store(core.db, one());
  const held = await holdPartition(core.url, 'org_2');
  const result = await applyFew(core.db, NAMES, options);
  await held.release();
  expect(result).toMatchObject({ settled: 3, left: ['org_2'] });
  expect(await pendingPartitions(core.db)).toEqual(['org_2']);
  await expectInvariants(core.db);
});

test('one whose events reach beyond it is left whole, with nothing written for it', async () => {
  const moving = anEvent(20, 'dsync.activated', aDirectory('directory_2', { organization_id: 'org_3', updated_at: momentOf(20) }));
  const unknown = anEvent(21, 'dsync.user.created', aUser('user_21', { directory_id: 'directory_new', organization_id: 'org_4' }));
  await store(core.db, [...one(), unknown, moving]);
  // The move is told under the organization to which it leads.
  expect(await applyFew(core.db, NAMES, options)).toMatchObject({ settled: 2, left: ['org_3', 'org_4'] });
  expect((await core.db.directoryUser.findMany({ orderBy: { id: 'asc' } })).map(({ id }) => id)).toEqual(['user_11', 'user_12']);
  await applyDue(core.db);
  expect(await core.db.directoryUser.count()).toBe(5);
  await expectInvariants(core.db);
});

test('what cannot be read is quarantined, and what the database refuses leaves all of them as they were', async () => {
  await store(core.db, [...one(), hire(20, 2, { email: 7 })]);
  expect(await applyFew(core.db, NAMES, options)).toMatchObject({ settled: 5, quarantined: 1, left: [] });

  const incompressible = Array.from({ length: 200 }, (_, n) => createHash('sha256').update(String(n)).digest('base64')).join('');
  await store(core.db, [hire(30, 1), hire(31, 2, { email: incompressible }), hire(32, 3)]);
  const result = await applyFew(core.db, NAMES, options);
  expect(result).toMatchObject({ settled: 0, quarantined: 0, changes: [], left: NAMES });
  expect(String(result.failure)).toMatch(/index row/);
  expect(await core.db.directoryEvent.count({ where: { status: 'PENDING', attempts: 0 } })).toBe(3);
});

test('the catalog and an outage are nothing for several: they are left', async () => {
  const role = aRole('nurse', [], { organization_id: 'org_2' });
  await store(core.db, [
    ...one(),
    anEvent(20, 'organization_role.created', role),
    hire(21, 2),
    anEvent(22, 'role.created', aRole('new', [])),
  ]);
  const due = await pendingPartitions(core.db);
  expect(due).toEqual(['environment', ...NAMES]);
  armFailpoints('before-commit=throw@1');
  expect(await applyFew(core.db, due, options)).toMatchObject({ settled: 0, left: due });
  expect(await applyFew(core.db, due, options)).toMatchObject({ settled: 4, left: ['environment', 'org_2'] });
  await applyDue(core.db);
  expect(await core.db.directoryEvent.count({ where: { status: 'APPLIED' } })).toBe(11);
  await expectInvariants(core.db);
});

test('of each only the first few, in order; those with more are left', async () => {
  const backlog = Array.from({ length: FEW + 5 }, (_, index) => hire(100 + index, 1));
  await store(core.db, [...backlog, hire(50, 2)]);
  expect(await applyFew(core.db, NAMES, options)).toMatchObject({ settled: FEW + 1, left: ['org_1'] });
  const waiting = await core.db.directoryEvent.findMany({ where: { status: 'PENDING' }, orderBy: { id: 'asc' } });
  expect(waiting.map(({ id }) => id)).toEqual(backlog.slice(FEW).map(({ id }) => id));
});

test('bounded in bytes over all of them: the first come first, the rest is left', async () => {
  const large = { custom_attributes: { text: 'x'.repeat(10_000) } };
  await store(core.db, [hire(11, 3, large), hire(12, 1, large), hire(13, 2, large), hire(14, 3), hire(15, 4)]);
  const result = await applyFew(core.db, NAMES, { ...options, batchBytes: 15_000 });
  expect(result).toMatchObject({ settled: 2, left: ['org_2', 'org_3', 'org_4'] });
  const applied = await core.db.directoryUser.findMany({ orderBy: { id: 'asc' } });
  expect(applied.map(({ id }) => id)).toEqual(['user_11', 'user_12']);
});
