// The consumer's mirror against the real server: equal to the truth, never half loaded, never silently old.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import {
  type AccessMirror,
  type AccessMirrorOptions,
  createAccessMirror,
  type MirrorChange,
  type MirrorState,
} from '../../../src/client/client.ts';
import { applyCatalog } from '../../../src/entitlements/catalog.ts';
import { grantRole, revokeGrant } from '../../../src/entitlements/grants.ts';
import { type Api, startApi } from '../../support/api.ts';
import { aChange, commit } from '../../support/changes.ts';
import { insertCompany, insertMembers } from '../../support/company-rows.ts';
import { type CuttingProxy, startCuttingProxy } from '../../support/cutting-proxy.ts';
import { readEffective } from '../../support/read-effective.ts';
import { waitFor } from '../../support/wait-for.ts';

let api: Api;
let proxy: CuttingProxy;
const mirrors: AccessMirror[] = [];

beforeAll(async () => {
  api = await startApi();
  proxy = await startCuttingProxy(Number(new URL(api.url).port));
  await insertCompany(api.db);
  await insertMembers(api.db, 1_100);
  await readersMayList();
}, 120_000);

afterEach(async () => {
  await Promise.all(mirrors.splice(0).map((mirror) => mirror.close()));
});

afterAll(async () => {
  await proxy.stop();
  await api.close();
});

/** So that a thousand more may do something. */
async function readersMayList(): Promise<void> {
  const groupMappings = [{ organizationId: 'org_acme', groupId: 'group_acme_readers', roles: ['reader', 'lister'] }];
  const catalog = { roles: [{ slug: 'lister', permissions: ['docs:list'] }], groupMappings };
  await applyCatalog(api.db, { catalog, dryRun: false, prune: false, actor: 'test', tenant: null });
}

async function grant(userId: string, role: string): Promise<string> {
  const { id } = await grantRole(api.db, { userId, role, reason: 'test', expiresAt: null, actor: 'test', tenant: null });
  api.node.nudge.nudge();
  return id;
}

async function revoke(id: string): Promise<void> {
  await revokeGrant(api.db, { id, actor: 'test', tenant: null });
  api.node.nudge.nudge();
}

function mirror(over: Partial<AccessMirrorOptions> = {}): AccessMirror {
  const made = createAccessMirror({
    url: proxy.url,
    token: 'admin',
    organizationId: 'org_acme',
    whenStale: 'deny',
    backoff: { minMs: 20, maxMs: 200 },
    ...over,
  });
  mirrors.push(made);
  return made;
}

/** A fetch that lets so many requests pass, and the others only when told to. */
function gated(pass: number) {
  const gate = Promise.withResolvers<void>();
  let asked = 0;
  return {
    open: gate.resolve,
    asked: () => asked,
    fetch: (async (...args: Parameters<typeof fetch>) => {
      asked += 1;
      if (asked > pass) await gate.promise;
      return fetch(...args);
    }) as typeof fetch,
  };
}

const usersOf = async (organizationId: string) => (await api.db.directoryUser.findMany({ where: { organizationId } })).map(({ id }) => id);

async function expectTruth(own: AccessMirror, organizationId: string): Promise<void> {
  const ids = await usersOf(organizationId);
  const truth = await readEffective(api.db, ids, null);
  for (const id of ids) expect({ id, may: own.permissionsOf(id) }).toEqual({ id, may: truth.get(id)?.effective.permissions ?? [] });
}

test('the copy equals the truth, of many pages, and follows it', async () => {
  const changes: MirrorChange[] = [];
  const own = mirror({ onChange: (change) => changes.push(change) });
  expect(own.can('user_ada', 'deploy:run')).toBe(false);
  expect(own.revision).toBeNull();
  expect(own.staleForMs()).toBe(Number.POSITIVE_INFINITY);
  await own.ready();
  await expectTruth(own, 'org_acme');
  expect(own.can('user_ada', 'deploy:run')).toBe(true);
  expect(own.can('user_m1099', 'docs:list')).toBe(true);
  expect(own.can('user_gus', 'globex:only')).toBe(false);
  expect(own.can('nobody', 'docs:read')).toBe(false);
  expect(own.staleForMs()).toBeLessThan(30_000);

  const before = own.revision;
  const id = await grant('user_cyd', 'engineer');
  await waitFor('the grant', () => own.can('user_cyd', 'deploy:run'));
  await revoke(id);
  await waitFor('the revocation', () => !own.can('user_cyd', 'deploy:run'));
  expect(own.revision).not.toBe(before);
  expect(changes.map(({ userId, granted, revoked, change }) => [userId, granted, revoked, change?.cause.kind])).toEqual([
    ['user_cyd', ['deploy:run'], [], 'GRANT_CHANGE'],
    ['user_cyd', [], ['deploy:run'], 'GRANT_CHANGE'],
  ]);
});

test('several organizations make one copy, each of them true', async () => {
  const own = mirror({ organizationId: ['org_acme', 'org_globex'] });
  await own.ready();
  await expectTruth(own, 'org_acme');
  await expectTruth(own, 'org_globex');
  const id = await grant('user_gus', 'reader');
  await waitFor('the grant', () => own.can('user_gus', 'docs:read'));
  await revoke(id);
  await waitFor('the revocation', () => !own.can('user_gus', 'docs:read'));
});

test('nothing is allowed while only half is loaded, and what changes meanwhile is in when it serves', async () => {
  const gate = gated(1);
  const own = mirror({ fetch: gate.fetch });
  await waitFor('the second page to be asked for', () => gate.asked() === 2);
  const id = await grant('user_cyd', 'engineer');
  expect(own.can('user_ada', 'deploy:run')).toBe(false);
  gate.open();
  await own.ready();
  expect(own.can('user_cyd', 'deploy:run')).toBe(true);
  await expectTruth(own, 'org_acme');
  await revoke(id);
});

test('when its cursor has expired it loads anew, serves the old copy whole until then, and tells what differs', async () => {
  const changes: MirrorChange[] = [];
  const states: MirrorState['kind'][] = [];
  const gate = gated(3);
  const own = mirror({ fetch: gate.fetch, onChange: (change) => changes.push(change), onState: ({ kind }) => states.push(kind) });
  await own.ready();
  const id = await grant('user_cyd', 'engineer');
  await waitFor('the grant', () => own.can('user_cyd', 'deploy:run'));
  changes.length = 0;

  proxy.refuse(true);
  proxy.cut();
  await revoke(id);
  const before = await commit(api.db, aChange('somebody_else'));
  await api.db.entitlementChange.deleteMany({ where: { position: { lte: before } } });
  proxy.refuse(false);
  await waitFor('the first page to be asked for again', () => gate.asked() === 4, { missing: () => states });
  expect(own.can('user_cyd', 'deploy:run')).toBe(true);
  expect(own.can('user_m0001', 'docs:list')).toBe(true);
  gate.open();
  await waitFor('the new copy', () => !own.can('user_cyd', 'deploy:run'));
  expect(changes).toEqual([{ userId: 'user_cyd', granted: [], revoked: ['deploy:run'], change: null }]);
  await expectTruth(own, 'org_acme');
});

test('a copy that is not certain any more denies, and one that may be stale answers what it knew (the control)', async () => {
  const id = await grant('user_cyd', 'engineer');
  const denying = mirror({ staleAfterMs: 1_500 });
  const credulous = mirror({ staleAfterMs: 1_500, whenStale: 'allow' });
  await Promise.all([denying.ready(), credulous.ready()]);
  expect([denying, credulous].map((own) => own.can('user_cyd', 'deploy:run'))).toEqual([true, true]);

  proxy.freeze();
  await revoke(id);
  await waitFor('the copies to be stale', () => Math.min(denying.staleForMs(), credulous.staleForMs()) > 1_500);
  expect(denying.can('user_cyd', 'deploy:run')).toBe(false);
  expect(denying.can('user_ada', 'deploy:run')).toBe(false);
  expect(denying.permissionsOf('user_ada')).toEqual([]);
  expect(credulous.can('user_cyd', 'deploy:run')).toBe(true);

  proxy.thaw();
  await waitFor('both to be in step', () => denying.can('user_ada', 'deploy:run') && !credulous.can('user_cyd', 'deploy:run'), {
    timeoutMs: 30_000,
  });
  expect(denying.can('user_cyd', 'deploy:run')).toBe(false);
});

test('a request that is refused, and a mirror that is closed, are told to whoever waits', async () => {
  const states: MirrorState[] = [];
  const refused = mirror({ organizationId: 'a\u0000b', onState: (state) => states.push(state) });
  await expect(refused.ready()).rejects.toMatchObject({ name: 'RequestRefused', code: 'BAD_USER_INPUT' });
  expect(states.at(-1)?.kind).toBe('failed');
  expect(refused.can('user_ada', 'deploy:run')).toBe(false);

  const gate = gated(0);
  const closed = mirror({ fetch: gate.fetch });
  const waiting = closed.ready();
  gate.open();
  await closed.close();
  await expect(waiting).rejects.toThrow('closed');
});
