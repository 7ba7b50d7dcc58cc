// What roles and mappings give is kept from one transaction for the next, and asked for by its revision: whoever writes a catalog,
// also by hand, the next event counts with what it has become. And where it is the same, it is not sent again.
import { beforeEach, expect, test } from 'vitest';
import { loadWorkingSet } from '../../../src/apply/load-working-set.ts';
import { parseEvent } from '../../../src/apply/parse-event.ts';
import type { Tx } from '../../../src/db/client.ts';
import { rolledBack } from '../../../src/db/rolled-back.ts';
import { inTransaction } from '../../../src/db/transaction.ts';
import type { Observation } from '../../../src/model/fact.ts';
import { deliver } from '../../support/core-database.ts';
import { NEXT, permissionsNow } from '../../support/small-company.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { aGroup, aMembership, anEvent, aUser } from '../../support/workos-objects.ts';

const core = useCoreDatabase({ each: 'small company' });

const hire = (n: number) => anEvent(NEXT + n, 'dsync.group.user_added', aMembership(aUser(`new_${n}`), aGroup('engineers')));
const execute = (sql: string): Promise<number> => core.db.$executeRawUnsafe(sql);

/** What somebody who joins the engineers now may do. */
async function permissionsOfNew(n: number): Promise<string[] | undefined> {
  await deliver(core.db, [hire(n)]);
  return (await permissionsNow(core.db))[`new_${n}`];
}

// So that it is kept.
beforeEach(async () => expect(await permissionsOfNew(0)).toEqual(['docs:read', 'docs:write']));

const NEW_ROLE = `INSERT INTO role (organization_id, slug, name, permissions, origin, source_updated_at) VALUES ('org_1', 'builder', 'Own', '{own}', 'CATALOG', now())`;

test.each([
  ['a role is added', NEW_ROLE, ['own']],
  ['a role is altered', "UPDATE role SET permissions = '{more}' WHERE slug = 'builder'", ['more']],
  ['a role is deleted', "DELETE FROM role WHERE slug = 'builder'", undefined],
  [
    'a mapping is added',
    "INSERT INTO group_mapping (id, organization_id, group_id, roles) VALUES ('m', 'org_1', 'engineers', '{steward}')",
    ['docs:admin', 'docs:read', 'docs:write'],
  ],
  ['a mapping is altered', "UPDATE group_mapping SET roles = '{steward}' WHERE group_name = 'engineers'", ['docs:admin', 'docs:read']],
  ['a mapping is deleted', "DELETE FROM group_mapping WHERE group_name = 'engineers'", undefined],
  ['all mappings are deleted', 'TRUNCATE group_mapping', undefined],
])('%s by hand: it counts from the next event on', async (_, sql, permissions) => {
  await execute(sql);
  expect(await permissionsOfNew(1)).toEqual(permissions);
});

test('a permission that WorkOS deletes counts no longer in roles of its', async () => {
  await execute("UPDATE role SET origin = 'WORKOS' WHERE slug = 'builder'");
  await execute("INSERT INTO permission (slug, name, source_updated_at, source_version) VALUES ('docs:write', 'Write', now(), '1')");
  expect(await permissionsOfNew(1)).toEqual(['docs:read', 'docs:write']);
  await execute("UPDATE permission SET deleted = true WHERE slug = 'docs:write'");
  expect(await permissionsOfNew(2)).toEqual(['docs:read']);
});

const observed = (n: number): Observation[] => {
  const parsed = parseEvent(hire(n));
  return parsed.kind === 'observation' ? [parsed.observation] : [];
};

test('what was read of a catalog that was rolled back is not kept for the stored one', async () => {
  await rolledBack(core.db, async (tx) => {
    await tx.$executeRawUnsafe("UPDATE role SET permissions = '{never}' WHERE slug = 'builder'");
    const set = await loadWorkingSet(tx, observed(1));
    expect(set.catalogOf('org_1').permissionsOf('builder')).toEqual(['never']);
  });
  expect(await permissionsOfNew(2)).toEqual(['docs:read', 'docs:write']);
});

test('is not sent again while it is the same', async () => {
  const sent = (n: number): Promise<unknown[]> =>
    inTransaction(core.db, async (tx) => {
      const answers: { roles: unknown[]; mappings: unknown[] }[] = [];
      const listening = {
        async $queryRawUnsafe(sql: string, ...params: unknown[]) {
          const rows = await tx.$queryRawUnsafe<(typeof answers)[number][]>(sql, ...params);
          answers.push(...rows);
          return rows;
        },
      } as unknown as Tx;
      await loadWorkingSet(listening, observed(n));
      return answers.map(({ roles, mappings }) => [roles.length, mappings.length]);
    });
  expect(await sent(1)).toEqual([[0, 0]]);
  await execute("UPDATE role SET name = 'Another' WHERE slug = 'builder'");
  expect(await sent(2)).toEqual([[2, 2]]);
  expect(await sent(3)).toEqual([[0, 0]]);
});
