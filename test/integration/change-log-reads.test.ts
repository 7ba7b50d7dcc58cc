import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readHead } from '../../src/changes/head.ts';
import { changeMatcher } from '../../src/changes/match.ts';
import { readAfter, readPage } from '../../src/changes/read-after.ts';
import { type OpenDb, openDb } from '../../src/db/client.ts';
import { aChange, commit, positions, range } from '../support/changes.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

let database: TestDatabase;
let opened: OpenDb;
const TOTAL = 300;

const pick = <T>(values: readonly T[], index: number): T => values[index % values.length] as T;

beforeAll(async () => {
  database = await createTestDatabase();
  opened = openDb({ url: database.url, poolSize: 4, statementTimeoutMs: 10_000, applicationName: 'test' });
  const changes = range(1, TOTAL).map((index) =>
    aChange(`user_${pick([1, 2, 3, 4, 5, 6, 7], index)}`, {
      organizationId: `org_${pick([1, 2, 3], index)}`,
      directoryId: `directory_${pick([1, 2], index)}`,
      grantedPermissions: [`p${pick([1, 2, 3, 4, 5], index)}`],
      revokedPermissions: index % 4 === 0 ? ['p9'] : [],
      grantedRoles: index % 3 === 0 ? ['r1', 'r2'] : [],
      revokedRoles: index % 50 === 0 ? ['rare'] : [],
    }),
  );
  await commit(opened.db, ...changes.slice(0, 100));
  await commit(opened.db, ...changes.slice(100));
}, 60_000);

afterAll(async () => {
  await opened.close();
  await database.drop();
});

const listOf = (...values: string[]) => fc.option(fc.subarray(values), { nil: null, freq: 2 });
const filters = fc.record({
  organizationId: fc.option(fc.constantFrom('org_1', 'org_2', 'org_none'), { nil: null, freq: 3 }),
  directoryId: fc.option(fc.constantFrom('directory_1', 'directory_none'), { nil: null, freq: 3 }),
  userIds: listOf('user_1', 'user_2', 'user_none'),
  permissions: listOf('p1', 'p2', 'p9'),
  roles: listOf('r1', 'rare'),
});

test('pages say in SQL what the matcher says in memory, and add up to the log without gap or repeat', { timeout: 60_000 }, async () => {
  const all = await readAfter(opened.db, { after: 0n, limit: 1_000 });
  expect(positions(all)).toEqual(range(1, TOTAL));
  await fc.assert(
    fc.asyncProperty(
      filters,
      fc.constantFrom(null, 'org_1', 'org_3'),
      fc.nat({ max: TOTAL }),
      fc.integer({ min: 1, max: 90 }),
      async (filter, tenant, from, limit) => {
        const expected = all.slice(from).filter(changeMatcher(filter, tenant));
        const seen = [];
        for (let after = BigInt(from); ; ) {
          const page = await readPage(opened.db, { after, limit, filter, tenant });
          expect(page.changes.length).toBeLessThanOrEqual(limit);
          seen.push(...page.changes);
          if (page.scannedTo >= page.end) break;
          expect(page.scannedTo).toBeGreaterThan(after);
          after = page.scannedTo;
        }
        expect(seen).toEqual(expected);
        expect(await readAfter(opened.db, { after: BigInt(from), limit, filter, tenant })).toEqual(expected.slice(0, limit));
      },
    ),
    { seed: 7, numRuns: 80 },
  );
});

test('a page ends at upTo, or at the head for a position that is not there yet', async () => {
  const page = await readPage(opened.db, { after: 10n, upTo: 12n, limit: 100 });
  expect([positions(page.changes), page.scannedTo, page.end]).toEqual([[11, 12], 12n, 12n]);
  expect(await readPage(opened.db, { after: 1_000n, limit: 100 })).toEqual({ changes: [], scannedTo: 1_000n, end: 300n, keptAfter: 0n });
});

test('a page spans a bounded stretch of the log, and reading goes on behind it', async () => {
  const { db } = opened;
  await db
    .$transaction(async (tx) => {
      await tx.$executeRawUnsafe('UPDATE entitlement_change SET position = position + 250000 WHERE position > 200');
      await tx.$executeRawUnsafe('UPDATE change_log_head SET position = 250300');
      const rare = { filter: { roles: ['rare'] } };
      expect(await readPage(tx, { after: 200n, limit: 10, ...rare })).toMatchObject({ changes: [], scannedTo: 100_200n, end: 250_300n });
      expect(positions(await readAfter(tx, { after: 200n, limit: 10, ...rare }))).toEqual([250_250, 250_300]);
      throw new Error('undo');
    })
    .catch((error: unknown) => expect(String(error)).toMatch(/undo/));
});

test('a position at the end of all numbers is no error', async () => {
  expect(await readAfter(opened.db, { after: 2n ** 63n - 2n, limit: 10 })).toEqual([]);
});

test('the number of changes per page is bounded, whatever is asked for', async () => {
  expect(await readAfter(opened.db, { after: 0n, limit: 0 })).toHaveLength(1);
  expect(await readAfter(opened.db, { after: 0n, limit: 100_000 })).toHaveLength(TOTAL);
});

test('reading far behind uses an index and not the whole table', async () => {
  const plan = await opened.db.$transaction(async (tx) => {
    await tx.$executeRawUnsafe('SET LOCAL enable_seqscan = off');
    return tx.$queryRawUnsafe<{ 'QUERY PLAN': string }[]>(
      `EXPLAIN SELECT * FROM entitlement_change WHERE position > 5 AND position <= (SELECT position FROM change_log_head WHERE id = 1) ORDER BY position LIMIT 10`,
    );
  });
  expect(plan.map((row) => row['QUERY PLAN']).join('\n')).toMatch(/Index Scan using entitlement_change_pkey/);
});

test('the head says what is still kept, also when everything was pruned', async () => {
  const { db } = opened;
  expect(await readHead(db)).toMatchObject({ position: 300n, relayedPosition: 0n, keptAfter: 0n });
  await db
    .$transaction(async (tx) => {
      await tx.$executeRawUnsafe('DELETE FROM entitlement_change WHERE position <= 40');
      expect(await readHead(tx)).toMatchObject({ keptAfter: 40n });
      expect((await readPage(tx, { after: 0n, limit: 1 })).keptAfter).toBe(40n);
      await tx.$executeRawUnsafe('DELETE FROM entitlement_change');
      expect(await readHead(tx)).toMatchObject({ position: 300n, keptAfter: 300n });
      throw new Error('undo');
    })
    .catch((error: unknown) => expect(String(error)).toMatch(/undo/));
});
