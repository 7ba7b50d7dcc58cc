// Whoever applies a catalog that touches many may die in the middle: the real worker finds what is left and does it.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ApplyCatalogOptions } from '../../src/entitlements/catalog.ts';
import { type FakeWorkos, startFakeWorkos } from '../../src/fake-workos/server.ts';
import { createLogger } from '../../src/log.ts';
import { type CoreDatabase, deliver, openCoreDatabase } from '../support/core-database.ts';
import { expectInvariants } from '../support/invariants.ts';
import { type OwnRedis, startRedis } from '../support/redis.ts';
import { startService } from '../support/service-process.ts';
import { COMPANY, COMPANY_CATALOG, permissionsNow } from '../support/small-company.ts';
import { waitFor } from '../support/wait-for.ts';

let core: CoreDatabase;
let redis: OwnRedis;
let fake: FakeWorkos;
beforeAll(async () => {
  core = await openCoreDatabase();
  redis = await startRedis();
  fake = await startFakeWorkos({ log: createLogger('silent'), source: { kind: 'scripted' }, unknownAfter: 'ignore' });
}, 60_000);
afterAll(async () => {
  await fake?.close();
  await redis?.stop();
  await core?.close();
});

test('what a killed process has left of a wide change is done by the worker', async () => {
  const { db, url } = core;
  await deliver(db, COMPANY);
  const options: ApplyCatalogOptions = {
    catalog: COMPANY_CATALOG,
    dryRun: false,
    prune: false,
    actor: 'ops',
    tenant: null,
    chunkSize: 1,
  };
  const argument = JSON.stringify({ url, failpoints: 'wide-chunk=kill@1', options });
  const edit = fork(fileURLToPath(new URL('../fixtures/edit-catalog.ts', import.meta.url)), [argument]);
  expect(await once(edit, 'exit')).toEqual([null, 'SIGKILL']);
  expect(Object.keys(await permissionsNow(db))).toEqual(['ann']);

  const worker = await startService('work', {
    DATABASE_URL: url,
    REDIS_URL: redis.url,
    WORKOS_API_KEY: fake.apiKey,
    WORKOS_API_URL: fake.url,
    INITIAL_IMPORT: 'off',
  });
  try {
    await waitFor('the rest', async () => (await db.wideChange.count({ where: { finishedAt: null } })) === 0);
    expect(Object.keys(await permissionsNow(db))).toEqual(['ann', 'bob']);
    await expectInvariants(db);
  } finally {
    await worker.end();
  }
}, 120_000);
