// A replay of what is right writes nothing, and one of what is wrong ends where the log says, whatever the history.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { applyCatalog } from '../../../src/entitlements/catalog.ts';
import { arrivals } from '../../support/arrivals.ts';
import { CATALOG } from '../../support/catalog-sample.ts';
import { deliver, emptyTables } from '../../support/core-database.ts';
import { stateOfDatabase, visible } from '../../support/directory-state.ts';
import { anyHistoryWithCatalog, plausibleHistory } from '../../support/history-generator.ts';
import { expectInvariants } from '../../support/invariants.ts';
import { accountRead, directoryRead, takeRead } from '../../support/kept-reads.ts';
import { replay, writingsOf } from '../../support/replays.ts';
import { seeded } from '../../support/seed.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';

const core = useCoreDatabase();

const LENGTH = 60;
const putCatalog = () => applyCatalog(core.db, { catalog: CATALOG, dryRun: false, prune: false, actor: 'test', tenant: null });

async function live(events: Parameters<typeof deliver>[1], batchSize: number): Promise<void> {
  const { db } = core;
  await emptyTables(db);
  await putCatalog();
  for (let from = 0; from < events.length; from += batchSize) await deliver(db, events.slice(from, from + batchSize));
}

test('a replay of everything, where nothing is wrong, writes nothing but its own row', async () => {
  await fc.assert(
    fc.asyncProperty(
      anyHistoryWithCatalog(LENGTH),
      arrivals(LENGTH),
      fc.integer({ min: 1, max: 25 }),
      fc.integer({ min: 1, max: 12 }),
      async ({ events }, arrive, batchSize, chunkSize) => {
        const { db } = core;
        await live(arrive(events), batchSize);
        const before = await writingsOf(db);
        const row = await replay(db, {}, { chunkSize });
        expect(row).toMatchObject({ status: 'SUCCEEDED', error: null, repaired: 0, failed: 0, affectedUsers: 0, preview: [] });
        expect(row.processed).toBe(row.total);
        expect(await writingsOf(db)).toEqual(before);
      },
    ),
    seeded(40),
  );
}, 180_000);

test('reads of the state API are part of the log: with them too there is nothing to repair', async () => {
  await fc.assert(
    fc.asyncProperty(
      plausibleHistory(LENGTH),
      arrivals(LENGTH),
      fc.array(fc.record({ after: fc.nat(LENGTH), at: fc.nat(1_000), directory: fc.nat(2), account: fc.option(fc.nat(20)) }), {
        minLength: 1,
        maxLength: 3,
      }),
      fc.integer({ min: 1, max: 12 }),
      async (history, arrive, reads, chunkSize) => {
        const { db } = core;
        await emptyTables(db);
        await putCatalog();
        // What a read says is newer than everything stored, and older than everything to come.
        const planned = reads.map(({ after, directory, account }) => {
          const n = after % (history.events.length + 1);
          return { n, read: account === null ? directoryRead(history, n, `directory_${directory}`) : accountRead(history, n, account) };
        });
        planned.sort((a, b) => a.n - b.n);
        let from = 0;
        for (const { n, read } of planned) {
          await deliver(db, arrive(history.events.slice(from, n)), 7);
          await takeRead(db, read);
          from = n;
        }
        await deliver(db, arrive(history.events.slice(from)), 7);
        const before = await writingsOf(db);
        const row = await replay(db, {}, { chunkSize });
        expect(row).toMatchObject({ status: 'SUCCEEDED', error: null, repaired: 0, failed: 0, affectedUsers: 0 });
        expect(await writingsOf(db)).toEqual(before);
      },
    ),
    seeded(40),
  );
}, 180_000);

test('an initial import in the midst of what came before and after it is not undone', async () => {
  await fc.assert(
    fc.asyncProperty(plausibleHistory(LENGTH), fc.nat(LENGTH), fc.nat(LENGTH), fc.boolean(), async (history, at, seen, backwards) => {
      const { db } = core;
      await emptyTables(db);
      await putCatalog();
      const n = at % (history.events.length + 1);
      // Of what happened before the read some was known before it, and some comes afterwards, in order or backwards.
      const known = seen % (n + 1);
      await deliver(db, history.events.slice(0, known), 7);
      for (const directory of [0, 1, 2]) await takeRead(db, directoryRead(history, n, `directory_${directory}`));
      const later = history.events.slice(known);
      await deliver(db, backwards ? later.toReversed() : later, 7);
      const before = await writingsOf(db);
      expect(await replay(db)).toMatchObject({ status: 'SUCCEEDED', error: null, repaired: 0, failed: 0, affectedUsers: 0 });
      expect(await writingsOf(db)).toEqual(before);
      const right = visible(await stateOfDatabase(db));

      await db.$executeRawUnsafe('DELETE FROM membership');
      await db.$executeRawUnsafe("UPDATE directory_user SET state = 'SUSPENDED', source_state = 'SUSPENDED'");
      await db.$executeRawUnsafe("UPDATE directory_group SET name = 'wrong'");
      expect(await replay(db)).toMatchObject({ status: 'SUCCEEDED', error: null, failed: 0 });
      expect(visible(await stateOfDatabase(db))).toEqual(right);
      await expectInvariants(db);
    }),
    seeded(40),
  );
}, 180_000);

// Each destroys something in the tables that follow from the log. `n` chooses the row.
const nth = (table: string, key: string) =>
  `(SELECT ${key} FROM ${table} ORDER BY ${key} OFFSET $1 % greatest(1, (SELECT count(*) FROM ${table})) LIMIT 1)`;
const DAMAGES: Record<string, string> = {
  state:
    `UPDATE directory_user SET state = CASE state WHEN 'ACTIVE' THEN 'SUSPENDED'::user_state ELSE 'ACTIVE' END WHERE id = ${nth('directory_user', 'id')}::bigint`.replace(
      '::bigint',
      '',
    ),
  sourceState: `UPDATE directory_user SET source_state = 'INACTIVE', state = 'INACTIVE', email = 'wrong@example.com' WHERE id = ${nth('directory_user', 'id')}`,
  registers: `UPDATE directory_user SET deleted_version = 'event_7ZZZ', barrier_version = 'event_7ZZZ', state = 'DELETED' WHERE id = ${nth('directory_user', 'id')}`,
  lostUser: `DELETE FROM directory_user WHERE id = ${nth('directory_user', 'id')}`,
  groupName: `UPDATE directory_group SET name = 'admins' WHERE id = ${nth('directory_group', 'id')}`,
  groupDeleted: `UPDATE directory_group SET deleted_version = 'event_7ZZZ', deleted = true WHERE id = ${nth('directory_group', 'id')}`,
  lostGroup: `DELETE FROM directory_group WHERE id = ${nth('directory_group', 'id')}`,
  lostMembership: `DELETE FROM membership WHERE user_id = ${nth('membership', 'user_id')}`,
  deadMembership: `UPDATE membership SET present = NOT present, version = 'event_7ZZZ' WHERE user_id = ${nth('membership', 'user_id')}`,
  phantom: `INSERT INTO membership SELECT u.id, g.id, g.directory_id, g.organization_id, true, 'event_7ZZZ', true, now(), NULL FROM directory_user u, directory_group g
            WHERE u.id = ${nth('directory_user', 'id')} AND g.id = ${nth('directory_group', 'id')} ON CONFLICT DO NOTHING`,
  directory: `UPDATE directory SET source_state = 'INACTIVE', state = 'INACTIVE' WHERE source_updated_at >= 'epoch' AND id = ${nth('directory', 'id')}`,
  organization: `UPDATE organization SET deleted = true, deleted_version = 'event_7ZZZ' WHERE source_version <> '' AND id = ${nth('organization', 'id')}`,
};

test('a replay of everything repairs whatever was destroyed, once; a dry run says the same and changes nothing', async () => {
  await fc.assert(
    fc.asyncProperty(
      anyHistoryWithCatalog(LENGTH),
      fc.array(fc.tuple(fc.constantFrom(...Object.keys(DAMAGES)), fc.nat(20)), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 12 }),
      async ({ events }, damages, chunkSize) => {
        const { db } = core;
        await live(events, 25);
        const right = await stateOfDatabase(db);
        for (const [name, n] of damages) await db.$executeRawUnsafe(DAMAGES[name] ?? '', n);

        const damaged = await writingsOf(db);
        const rehearsal = await replay(db, { dryRun: true }, { chunkSize });
        expect(rehearsal).toMatchObject({ status: 'SUCCEEDED', failed: 0 });
        expect(await writingsOf(db)).toEqual(damaged);

        const row = await replay(db, {}, { chunkSize });
        expect(row).toMatchObject({ status: 'SUCCEEDED', error: null, failed: 0 });
        expect(await stateOfDatabase(db)).toEqual(right);
        await expectInvariants(db);
        const { repaired, unchanged, affectedUsers, grantedPermissions, revokedPermissions, preview } = row;
        expect(rehearsal).toMatchObject({ repaired, unchanged, affectedUsers, grantedPermissions, revokedPermissions, preview });

        const repairedOnce = await writingsOf(db);
        expect(await replay(db, {}, { chunkSize })).toMatchObject({ repaired: 0, affectedUsers: 0 });
        expect(await writingsOf(db)).toEqual(repairedOnce);
      },
    ),
    seeded(40),
  );
}, 180_000);
