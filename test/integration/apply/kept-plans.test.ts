// Statements of apply are planned once per connection. A plan that was made while the tables were small must still be a good one when
// they have grown, long before anybody looks at them anew (ANALYZE).
import { expect, test } from 'vitest';
import { deliver } from '../../support/core-database.ts';
import { putCatalog } from '../../support/small-company.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { aDirectory, aGroup, aMembership, anEvent, aUser } from '../../support/workos-objects.ts';

const core = useCoreDatabase({ poolSize: 1 });

const SCANS = `
  SELECT relname AS "table", seq_scan AS scans FROM pg_stat_user_tables
  WHERE relname IN ('directory_user', 'directory_group', 'membership', 'effective_entitlement', 'membership_interval') ORDER BY relname`;

async function scans(): Promise<unknown> {
  await core.db.$executeRawUnsafe('SELECT pg_stat_force_next_flush()');
  return core.db.$queryRawUnsafe(SCANS);
}

test('rows are found by key with plans that were made while there were none', async () => {
  await putCatalog(core.db);
  await deliver(core.db, [anEvent(1, 'dsync.activated', aDirectory())]);
  const join = (n: number) => anEvent(n, 'dsync.group.user_added', aMembership(aUser(`user_${n}`), aGroup('engineers')));
  // So often until Postgres keeps a plan.
  for (let n = 2; n < 10; n += 1) await deliver(core.db, [join(n)]);
  const [kept] = await core.db.$queryRawUnsafe<{ plans: number }[]>(
    `SELECT count(*)::int AS plans FROM pg_prepared_statements WHERE generic_plans > 0`,
  );
  expect(kept?.plans).toBeGreaterThanOrEqual(3);
  const before = await scans();
  for (let n = 10; n < 15; n += 1) expect(await deliver(core.db, [join(n)])).toMatchObject({ settled: 1, changes: 1 });
  expect(await scans()).toEqual(before);
});
