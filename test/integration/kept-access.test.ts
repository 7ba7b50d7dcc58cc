// Access that was read is kept, and asked about whenever it is needed: no answer over HTTP shows what is not stored any more, or
// what has run out, or what belongs to others, however warm everything is.
import { expect, test, vi } from 'vitest';
import { grantRole, revokeGrant } from '../../src/entitlements/grants.ts';
import { OPEN_END } from '../../src/model/cursor.ts';
import { useCompanyApi } from '../support/suite-api.ts';

const QUERY = `query ($userId: ID!) { effectiveEntitlements(userId: $userId) { userId roles { role via { source expiresAt } }
  permissions { permission via { role source since } } freshness { revision lagSeconds driftSuspected directoryState } } }`;

interface Answer {
  effectiveEntitlements: { userId: string; roles: { role: string }[]; permissions: { permission: string }[] } | null;
}

const api = useCompanyApi();

async function ask(userId: string, key = 'admin') {
  const { data, errors } = await api.query<Answer, { userId: string }>(QUERY, { userId }, key);
  expect(errors).toBeUndefined();
  return data?.effectiveEntitlements;
}
const permissionsOf = async (userId: string, key?: string) =>
  ((await ask(userId, key))?.permissions ?? []).map(({ permission }) => permission);

/** Until the document is compiled and everything is kept. */
async function warm(userId: string): Promise<void> {
  for (let n = 0; n < 4; n += 1) await ask(userId);
}

const give = (role: string, expiresAt: Date | null = null) =>
  grantRole(api.db, { userId: 'user_cyd', role, reason: 'test', expiresAt, actor: 'test', tenant: null });

const now = async (): Promise<number> => {
  const [row] = await api.db.$queryRaw<{ now: Date }[]>`SELECT clock_timestamp() AS now`;
  return row?.now.getTime() ?? 0;
};

test('what is revoked between two answers is not in the second, again and again', async () => {
  await warm('user_cyd');
  const without = await permissionsOf('user_cyd');
  for (let round = 0; round < 40; round += 1) {
    const { id } = await give('engineer');
    expect(await permissionsOf('user_cyd')).toContain('deploy:run');
    expect(await permissionsOf('user_cyd')).toContain('deploy:run');
    await revokeGrant(api.db, { id, actor: 'test', tenant: null });
    expect(await permissionsOf('user_cyd')).toEqual(without);
    expect(await permissionsOf('user_cyd')).toEqual(without);
  }
});

test('what is written in place, or taken away whole, is answered at once', async () => {
  await warm('user_ada');
  const before = await permissionsOf('user_ada');
  await api.db.$executeRaw`UPDATE effective_entitlement SET permissions = permissions || '{secret}' WHERE user_id = 'user_ada'`;
  expect(await permissionsOf('user_ada')).toEqual([...before, 'secret']);
  await api.db.$executeRaw`UPDATE effective_entitlement SET permissions = array_remove(permissions, 'secret') WHERE user_id = 'user_ada'`;
  expect(await permissionsOf('user_ada')).toEqual(before);
  await api.db.$executeRaw`UPDATE effective_entitlement SET to_position = 1000000 WHERE user_id = 'user_ada' AND to_position > 1000000`;
  expect(await permissionsOf('user_ada')).toEqual([]);
  await api.db.$executeRaw`UPDATE effective_entitlement SET to_position = ${OPEN_END} WHERE user_id = 'user_ada' AND to_position = 1000000`;
  expect(await permissionsOf('user_ada')).toEqual(before);
});

test('a caller of another organization gets nothing of what is kept', async () => {
  await warm('user_gus');
  expect((await permissionsOf('user_gus', 'admin')).length).toBeGreaterThan(0);
  expect(await ask('user_gus', 'acme')).toBeNull();
  await warm('user_ada');
  const [own, foreign, all] = await Promise.all([ask('user_ada', 'acme'), ask('user_gus', 'acme'), ask('user_gus', 'admin')]);
  expect([own?.userId, foreign, all?.userId]).toEqual(['user_ada', null, 'user_gus']);
});

test('an account that moves takes what is kept of it along', async () => {
  await warm('user_gus');
  await api.db.$executeRaw`UPDATE directory_user SET organization_id = 'org_acme', directory_id = 'directory_acme' WHERE id = 'user_gus'`;
  expect((await ask('user_gus', 'acme'))?.userId).toBe('user_gus');
  await api.db
    .$executeRaw`UPDATE directory_user SET organization_id = 'org_globex', directory_id = 'directory_globex' WHERE id = 'user_gus'`;
  expect(await ask('user_gus', 'acme')).toBeNull();
});

test('a grant that runs out is gone from that moment on, though nothing is written', async () => {
  const without = await permissionsOf('user_cyd');
  const end = (await now()) + 1_500;
  const { id } = await give('engineer', new Date(end));
  await warm('user_cyd');
  expect((await ask('user_cyd'))?.roles.map(({ role }) => role)).toContain('engineer');
  await vi.waitFor(
    async () => {
      const askedAt = await now();
      const permissions = await permissionsOf('user_cyd');
      if (askedAt >= end) expect(permissions).toEqual(without);
      expect(askedAt).toBeGreaterThan(end);
    },
    { timeout: 10_000, interval: 20 },
  );
  expect((await ask('user_cyd'))?.roles.map(({ role }) => role)).not.toContain('engineer');
  expect((await api.db.grant.findUniqueOrThrow({ where: { id } })).revokedAt).toBeNull();
});
