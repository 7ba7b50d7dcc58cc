// A machine whose clock is ten minutes fast: what is stored, and compared with what other machines store, is told by the clock of
// the database.
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { databaseNow } from '../../../src/db/clock.ts';
import { inTransaction } from '../../../src/db/transaction.ts';
import { grantRole, revokeGrant } from '../../../src/entitlements/grants.ts';
import { stepReport } from '../../../src/ops/drift-row.ts';
import { createReconciliations } from '../../../src/ops/reconcile.ts';

import { aRequest, operator, replaysOf } from '../../support/replays.ts';
import { found, putCatalog } from '../../support/small-company.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';

const FAST_MS = 600_000;
const core = useCoreDatabase();
beforeAll(async () => {
  await found(core.db);
});
beforeEach(() => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + FAST_MS }));
afterEach(() => vi.useRealTimers());

const isNow = async (time: Date | null | undefined): Promise<boolean> =>
  Math.abs((await databaseNow(core.db)).getTime() - (time?.getTime() ?? 0)) < FAST_MS / 2;

test('the control: this clock is wrong', async () => {
  expect(await isNow(new Date())).toBe(false);
});

test('a reconciliation is due now, and again after every step', async () => {
  const { db } = core;
  const asked = { directoryId: 'directory_1', repair: false, maxRevocations: null, confirmToken: null };
  const report = await createReconciliations({ db }).start(asked, { name: 'ops', organizationId: null });
  expect(await isNow(report.nextStepAt)).toBe(true);
  await inTransaction(db, (tx) => stepReport(tx, report, {}));
  expect(await isNow((await db.driftReport.findUniqueOrThrow({ where: { id: report.id } })).nextStepAt)).toBe(true);
});

test('a replay takes what has arrived by now', async () => {
  const { db } = core;
  expect(await isNow((await replaysOf(db).start(aRequest(), operator)).createdAt)).toBe(true);
});

test('a grant may end in five minutes, and is revoked now; so is a catalog changed', async () => {
  const { db } = core;
  const expiresAt = new Date((await databaseNow(db)).getTime() + FAST_MS / 2);
  const grant = await grantRole(db, { userId: 'cyd', role: 'steward', reason: 'test', expiresAt, actor: 'test', tenant: null });
  const revoked = await revokeGrant(db, { id: grant.id, actor: 'test', tenant: null });
  expect(await isNow(revoked.revokedAt)).toBe(true);
  await putCatalog(db, { roles: [{ slug: 'builder', permissions: ['docs:build'] }], groupMappings: [] });
  const changes = await db.entitlementChange.findMany({ where: { causeKind: { in: ['GRANT_CHANGE', 'CATALOG_CHANGE'] } } });
  expect(new Set(changes.map(({ causeKind }) => causeKind)).size).toBe(2);
  for (const { occurredAt, causeKind, reason } of changes) expect(await isNow(occurredAt), `${causeKind} ${reason}`).toBe(true);
});
