// What was kept of a version of access is told by its revision from what is stored now (src/entitlements/lookup.ts): whoever
// writes roles, permissions or reasons makes a new one, whether it thinks of it or not.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { OPEN_END } from '../../../src/model/cursor.ts';
import { type CoreDatabase, openCoreDatabase } from '../../support/core-database.ts';
import { found } from '../../support/small-company.ts';

let core: CoreDatabase;
beforeAll(async () => {
  core = await openCoreDatabase();
  await found(core.db);
});
afterAll(() => core?.close());

const revisions = async (): Promise<number[]> => {
  const rows = await core.db.effectiveEntitlement.findMany({ where: { toPosition: OPEN_END }, orderBy: { userId: 'asc' } });
  return rows.map(({ revision }) => revision);
};

test('every version has one of its own', async () => {
  const all = await revisions();
  expect(all.length).toBeGreaterThan(1);
  expect(new Set(all).size).toBe(all.length);
});

test.each([
  ["roles = '{builder}'", true],
  ["permissions = permissions || '{secret}'", true],
  ["reasons = '{}'", true],
  ['roles = roles', true],
  ['to_at = now()', false],
])('written in place, %s: a new one is %s', async (assignment, isNew) => {
  const before = await revisions();
  await core.db.$executeRawUnsafe(`UPDATE effective_entitlement SET ${assignment}`);
  for (const [index, revision] of (await revisions()).entries()) expect(revision !== before[index]).toBe(isNew);
});

test('a writer that carries the old one over has a new one all the same', async () => {
  const before = await revisions();
  await core.db.$executeRawUnsafe("UPDATE effective_entitlement SET permissions = '{secret}', revision = revision");
  expect((await revisions()).filter((revision) => before.includes(revision))).toEqual([]);
});
