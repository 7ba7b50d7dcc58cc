// I1, I2 and I3 through the real way: inbox, batches, tables.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { applyObservations } from '../../../src/apply/apply-facts.ts';
import { readHead } from '../../../src/changes/head.ts';
import type { Db } from '../../../src/db/client.ts';
import { applyCatalog } from '../../../src/entitlements/catalog.ts';
import { readSnapshotPage } from '../../../src/entitlements/snapshot.ts';
import { arrivals } from '../../support/arrivals.ts';
import { CATALOG } from '../../support/catalog-sample.ts';
import { applyDue, deliver, emptyTables, store } from '../../support/core-database.ts';
import { foldAll, observe, stateOfDatabase, stateOfSet, visible } from '../../support/directory-state.ts';
import { anyHistory, anyHistoryWithCatalog, plausibleHistory } from '../../support/history-generator.ts';
import { expectInvariants } from '../../support/invariants.ts';
import { seeded } from '../../support/seed.ts';
import { readAccount, readDirectory } from '../../support/state-reads.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';

const core = useCoreDatabase();

const LENGTH = 60;
const putCatalog = () => applyCatalog(core.db, { catalog: CATALOG, dryRun: false, prune: false, actor: 'test', tenant: null });

/** Roles, permissions and reasons of everybody as of a position. */
async function readSnapshot(db: Db, asOf: bigint): Promise<unknown> {
  const pages = ['org_1', 'org_2', 'directory_1'].map((organizationId) =>
    readSnapshotPage(db, { organizationId, asOf, afterUserId: null, limit: 100 }),
  );
  return (await Promise.all(pages)).flat().map(({ userId, organizationId, effective }) => ({ userId, organizationId, effective }));
}

/** Cuts a list into pieces of the given sizes, over and over. */
function cut<T>(items: readonly T[], sizes: readonly number[]): T[][] {
  const pieces: T[][] = [];
  for (let from = 0, index = 0; from < items.length; index += 1) {
    const size = sizes[index % sizes.length] ?? 1;
    pieces.push(items.slice(from, from + size));
    from += size;
  }
  return pieces;
}

test('any order, repetition, batch size and moment of the catalog ends in the tables that the sorted history gives', async () => {
  await fc.assert(
    fc.asyncProperty(
      anyHistory(LENGTH),
      arrivals(LENGTH),
      fc.array(fc.integer({ min: 1, max: 25 }), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 30 }),
      fc.nat(20),
      async ({ events }, arrive, sizes, batchSize, catalogAt) => {
        const { db } = core;
        await emptyTables(db);
        const pieces = cut(arrive(events), sizes);
        const seenAt = new Map<bigint, unknown>();
        for (const [index, piece] of pieces.entries()) {
          if (index === catalogAt % (pieces.length + 1)) await putCatalog();
          await deliver(db, piece, batchSize);
          const { position } = await readHead(db);
          if (!seenAt.has(position)) seenAt.set(position, await readSnapshot(db, position));
        }
        if (catalogAt % (pieces.length + 1) === pieces.length) await putCatalog();
        expect(await stateOfDatabase(db)).toEqual(stateOfSet(foldAll(observe(events), CATALOG)));
        await expectInvariants(db);
        for (const [position, seen] of seenAt)
          expect(await readSnapshot(db, position), `the snapshot as of ${position}, once more`).toEqual(seen);
        expect(await db.directoryEvent.count({ where: { status: 'PENDING' } })).toBe(0);
        expect(await db.directoryEvent.count()).toBe(events.length);
      },
    ),
    seeded(20),
  );
});

test('roles and permissions that WorkOS defines end alike in any order, and so does the access that follows', async () => {
  await fc.assert(
    fc.asyncProperty(
      anyHistoryWithCatalog(LENGTH),
      arrivals(LENGTH),
      fc.integer({ min: 1, max: 20 }),
      async ({ events }, arrive, batchSize) => {
        const { db } = core;
        const defined = async () => ({
          state: await stateOfDatabase(db),
          roles: await db.role.findMany({ orderBy: [{ organizationId: 'asc' }, { slug: 'asc' }] }),
          permissions: await db.permission.findMany({ orderBy: { slug: 'asc' } }),
        });
        await emptyTables(db);
        await putCatalog();
        await store(db, events);
        await applyDue(db);
        const expected = await defined();
        await emptyTables(db);
        await putCatalog();
        for (const piece of cut(arrive(events), [batchSize])) await deliver(db, piece, batchSize);
        const actual = await defined();
        const withoutClock = (one: typeof actual) => ({ ...one, roles: one.roles.filter(({ origin }) => origin === 'WORKOS') });
        expect(withoutClock(actual)).toEqual(withoutClock(expected));
        await expectInvariants(db, { snapshotsAt: [1] });
      },
    ),
    seeded(20),
  );
});

test('full reads and reads of one account come in between, page by page', async () => {
  await fc.assert(
    fc.asyncProperty(
      plausibleHistory(LENGTH),
      arrivals(LENGTH),
      fc.nat(LENGTH),
      fc.nat(2),
      fc.nat(20),
      fc.array(fc.nat(1_000), { minLength: 12, maxLength: 12 }),
      async (history, arrive, readAfter, directory, pick, places) => {
        const { db } = core;
        await emptyTables(db);
        await putCatalog();
        const { events } = history;
        const readAt = readAfter % (events.length + 1);
        const sorted = observe(events);
        const before = sorted.filter((one) => one.version <= (events[readAt - 1]?.id ?? ''));
        // A read of an account begins when its directory is read, so both are of one version.
        const reads = [...readDirectory(history, readAt, `directory_${directory}`), ...readAccount(history, readAt, pick)];
        const gone = reads.some(({ facts }) => facts.some((fact) => fact.kind === 'userGone'));
        const expected = stateOfSet(foldAll([...before, ...reads, ...sorted.slice(before.length)], CATALOG));

        const arrived = arrive(events);
        const spots = reads.map((_, index) => (gone ? arrived.length : (places[index] ?? 0) % (arrived.length + 1))).sort((a, b) => a - b);
        let from = 0;
        for (const [index, read] of reads.entries()) {
          await deliver(db, arrived.slice(from, spots[index]), 7);
          from = spots[index] ?? from;
          // The facts of a user or group say where their directory is; a completed read does not.
          const [stored] = await db.directory.findMany({ where: { id: `directory_${directory}` } });
          await applyObservations(db, stored?.organizationId ?? `directory_${directory}`, [read]);
        }
        await deliver(db, arrived.slice(from), 7);
        expect(visible(await stateOfDatabase(db))).toEqual(visible(expected));
        await expectInvariants(db, { snapshotsAt: [0.5] });
      },
    ),
    seeded(25),
  );
});
