// A snapshot of one position is the same whenever it is read, reasons included, and its pages fit together.
import { beforeAll, expect, test } from 'vitest';
import { readSnapshotPage } from '../../../src/entitlements/snapshot.ts';
import { deliver } from '../../support/core-database.ts';
import { expectInvariants } from '../../support/invariants.ts';
import { found, headOf, NEXT } from '../../support/small-company.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { aGroup, aMembership, anEvent, aUser } from '../../support/workos-objects.ts';

const core = useCoreDatabase();
beforeAll(async () => {
  await found(core.db);
});

const page = (asOf: number, afterUserId: string | null = null, limit = 10) =>
  readSnapshotPage(core.db, { organizationId: 'org_1', asOf: BigInt(asOf), afterUserId, limit });
const contents = async (asOf: number) => (await page(asOf)).map(({ userId, effective }) => ({ userId, effective }));

test('a step that alters reasons only is seen by reads at once, and by no snapshot of a position that is past', async () => {
  const { db } = core;
  const asOf = await headOf(db);
  const before = await contents(asOf);
  const other = aGroup('more-engineers', { name: 'engineers' });
  // The same role by a second way: nothing to tell subscribers.
  await deliver(db, [anEvent(NEXT, 'dsync.group.user_added', aMembership(aUser('ann'), other))]);
  expect(await headOf(db)).toBe(asOf);
  expect(await contents(asOf)).toEqual(before);
  await deliver(db, [anEvent(NEXT + 1, 'dsync.group.user_added', aMembership(aUser('cyd'), other))]);
  expect(await contents(asOf)).toEqual(before);
  const ann = (await contents(asOf + 1)).find(({ userId }) => userId === 'ann');
  expect(ann?.effective.reasons.paths.map(({ groupId }) => groupId)).toEqual(['engineers', 'more-engineers']);
  await expectInvariants(db);
});

test('pages that are read while access changes fit together', async () => {
  const { db } = core;
  const asOf = await headOf(db);
  const whole = await contents(asOf);
  const [first] = await page(asOf, null, 1);
  await deliver(db, [
    anEvent(NEXT + 2, 'dsync.user.deleted', aUser('ann')),
    anEvent(NEXT + 3, 'dsync.user.deleted', aUser('cyd')),
    anEvent(NEXT + 4, 'dsync.user.created', aUser('dan', { roles: [{ slug: 'builder' }] })),
  ]);
  const rest = await page(asOf, 'ann', 10);
  expect([first, ...rest].map((answer) => ({ userId: answer?.userId, effective: answer?.effective }))).toEqual(whole);
  expect(rest.map(({ freshness }) => freshness.position)).toEqual([BigInt(asOf), BigInt(asOf)]);
  expect((await page(await headOf(db))).map(({ userId }) => userId)).toEqual(['bob', 'dan']);
  expect(await page(0)).toEqual([]);
});
