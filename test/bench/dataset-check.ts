// Whether the made rows are what the product itself would have stored: for a sample of users its own computation from the
// tables gives the same access, reasons and beginnings; for all of them log, versions and intervals agree in number.
import { isDeepStrictEqual } from 'node:util';
import { openDb, type Tx } from '../../src/db/client.ts';
import { causeOfCatalog } from '../../src/entitlements/catalog.ts';
import { readDerivable } from '../../src/entitlements/recompute.ts';
import { OPEN_END } from '../../src/model/cursor.ts';
import { type Effective, NO_ACCESS } from '../../src/model/entitlement.ts';
import { ACTOR, CATALOG_AT, userId } from './dataset-rows.ts';

const SAMPLE = 500;

const CAUSE = causeOfCatalog(ACTOR, new Date(CATALOG_AT));

const COUNTS = `
  SELECT (SELECT position FROM change_log_head)::int AS head, (SELECT relayed_position FROM change_log_head)::int AS relayed,
    (SELECT count(*) FROM entitlement_change)::int AS changes, (SELECT min(position) FROM entitlement_change)::int AS first, (SELECT max(position) FROM entitlement_change)::int AS last,
    (SELECT count(*) FROM effective_entitlement WHERE to_position = ${OPEN_END})::int AS current,
    (SELECT count(*) FROM directory_user)::int AS users,
    (SELECT count(*) FROM membership WHERE active)::int AS memberships,
    (SELECT count(*) FROM membership_interval WHERE to_position = ${OPEN_END})::int AS intervals`;

const CHANGES = `
  SELECT e.user_id AS id, e.reasons::text AS reasons FROM effective_entitlement e JOIN entitlement_change c ON c.position = e.from_position
  WHERE e.user_id = ANY($1::text[]) AND c.user_id = e.user_id AND c.granted_roles = e.roles AND c.granted_permissions = e.permissions`;

/** Throws where they differ. Says what a user holds on average. */
export async function checkDataset(url: string, users: number): Promise<{ permissions: number; paths: number }> {
  const { db, close } = openDb({ url, poolSize: 2, statementTimeoutMs: 60_000, applicationName: 'benchmark check' });
  try {
    const [counts] = await db.$queryRawUnsafe<Record<string, number>[]>(COUNTS);
    const { intervals, memberships, ...rest } = counts ?? {};
    const { first, ...others } = rest;
    if (first !== 1 || intervals !== memberships || Object.values(others).some((count) => count !== users))
      throw new Error(`the data of the benchmark does not add up: ${JSON.stringify(counts)}`);

    const sample = Array.from({ length: SAMPLE }, (_, index) => userId(Math.floor((index * users) / SAMPLE)));
    const derived = await db.$transaction((tx: Tx) => readDerivable(tx, sample));
    const granted = await db.$queryRawUnsafe<{ id: string; reasons: string }[]>(CHANGES, sample);
    const reasonsOf = new Map(granted.map(({ id, reasons }) => [id, reasons]));
    const stored: Effective[] = [];
    for (const { id, effective, derive } of derived) {
      const expected = derive(NO_ACCESS, CAUSE);
      const { roles, permissions } = effective ?? NO_ACCESS;
      const isSame = isDeepStrictEqual(
        [roles, permissions, reasonsOf.get(id)],
        [expected.roles, expected.permissions, JSON.stringify(expected.reasons)],
      );
      if (!isSame) throw new Error(`the data of the benchmark is not what the service would have stored for ${id}`);
      stored.push(expected);
    }
    if (stored.length !== sample.length) throw new Error('users of the benchmark are missing');
    const mean = (of: (one: Effective) => number): number => stored.reduce((sum, one) => sum + of(one), 0) / stored.length;
    return { permissions: mean((one) => one.permissions.length), paths: mean((one) => one.reasons.paths.length) };
  } finally {
    await close();
  }
}
