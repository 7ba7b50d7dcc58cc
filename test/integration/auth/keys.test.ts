// Keys in the database: who may make, see and revoke which, and what is remembered about them for how long.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Caller, SCOPES, type Scope } from '../../../src/auth/caller.ts';
import { createKeyLookup, type StoredKey } from '../../../src/auth/key-lookup.ts';
import { createKeyStore, type KeyStore, type NewKey } from '../../../src/auth/key-store.ts';
import { readKey } from '../../../src/auth/keys.ts';
import { createLastUsed } from '../../../src/auth/last-used.ts';
import { openDb } from '../../../src/db/client.ts';
import { createLogger } from '../../../src/log.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { waitFor } from '../../support/wait-for.ts';

const log = createLogger('silent');
const clock = () => new Date();
const admin: Caller = { name: 'admin', scopes: SCOPES, organizationId: null };
const bound: Caller = { name: 'acme', scopes: ['KEYS_MANAGE', 'SYNC_READ'], organizationId: 'org_acme' };

let database: TestDatabase;
let open: ReturnType<typeof openDb>;
let keys: KeyStore;
let revocations = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  open = openDb({ url: database.url, poolSize: 3, statementTimeoutMs: 10_000, applicationName: 'test' });
  const onRevoked = () => {
    revocations += 1;
  };
  keys = createKeyStore({ db: open.db, lookup: { put: () => {} }, onRevoked, clock });
});
afterAll(async () => {
  await open.close();
  await database.drop();
});
beforeEach(() => open.db.apiKey.deleteMany());

const wanted = (over: Partial<NewKey> = {}): NewKey => ({
  name: 'billing',
  scopes: ['SYNC_READ'],
  organizationId: null,
  expiresAt: null,
  ...over,
});

test('the secret is shown once, and only its hash is kept', async () => {
  const { apiKey, secret } = await keys.create(wanted(), admin);
  const row = await open.db.apiKey.findUniqueOrThrow({ where: { id: apiKey.id } });
  expect(readKey(secret)).toEqual({ id: apiKey.id, hash: row.hash });
  expect(row).toMatchObject({ createdBy: 'admin', scopes: ['SYNC_READ'], organizationId: null, lastUsedAt: null, revokedAt: null });
  const kept = JSON.stringify(row) + JSON.stringify(await keys.list(null));
  expect(kept).not.toContain(secret.slice(apiKey.id.length + 1));
  expect(JSON.stringify([apiKey, await keys.list(null), await keys.revoke(apiKey.id, null)])).not.toContain(row.hash);
});

describe('nobody gives more than it has', () => {
  test('a bound caller makes keys of its organization, said or not', async () => {
    for (const organizationId of [null, 'org_acme']) {
      expect((await keys.create(wanted({ organizationId }), bound)).apiKey.organizationId).toBe('org_acme');
    }
  });

  test.each<[string, Partial<NewKey>, Caller]>([
    ['another organization', { organizationId: 'org_globex' }, bound],
    ['an unknown organization', { organizationId: 'org_nobody' }, bound],
    ['a scope that it lacks', { scopes: ['SYNC_READ', 'DIRECTORY_READ'] }, bound],
    ['a scope that it lacks, without being bound', { scopes: ['SYNC_OPERATE'] }, { ...bound, organizationId: null }],
  ])('%s is FORBIDDEN', async (_what, over, maker) => {
    await expect(keys.create(wanted(over), maker)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await open.db.apiKey.count()).toBe(0);
  });
});

test.each<[string, Partial<NewKey>]>([
  ['no name', { name: '  ' }],
  ['a long name', { name: 'x'.repeat(101) }],
  ['the name of the admin key', { name: ' Admin ' }],
  ['a name that a terminal would obey', { name: 'x\u001b[2J' }],
  ['a name with NUL', { name: 'x\0' }],
  ['no scope', { scopes: [] }],
  ['an end in the past', { expiresAt: new Date(Date.now() - 1) }],
])('%s is refused', async (_what, over) => {
  await expect(keys.create(wanted(over), admin)).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
});

test('a scope that is named twice is given once', async () => {
  const scopes: Scope[] = ['SYNC_READ', 'SYNC_READ'];
  expect((await keys.create(wanted({ scopes }), admin)).apiKey.scopes).toEqual(['SYNC_READ']);
});

test('a bound caller sees and revokes keys of its organization only; others are as unknown', async () => {
  const own = await keys.create(wanted(), bound);
  const foreign = await keys.create(wanted({ organizationId: 'org_globex' }), admin);
  const everywhere = await keys.create(wanted(), admin);
  expect((await keys.list('org_acme')).map(({ id }) => id)).toEqual([own.apiKey.id]);
  expect((await keys.list(null)).map(({ id }) => id)).toEqual([own, foreign, everywhere].map(({ apiKey }) => apiKey.id));
  const failures = [];
  for (const id of [foreign.apiKey.id, everywhere.apiKey.id, 'ak_unknown'])
    failures.push(await keys.revoke(id, 'org_acme').catch((error: unknown) => error));
  expect(new Set(failures.map(String)).size).toBe(1);
  expect(failures[0]).toMatchObject({ code: 'NOT_FOUND' });
  expect(await open.db.apiKey.count({ where: { revokedAt: { not: null } } })).toBe(0);
});

test('a revocation is told, and stays what it was when it is repeated', async () => {
  const { apiKey } = await keys.create(wanted(), admin);
  const before = revocations;
  const first = await keys.revoke(apiKey.id, null);
  expect(first.revokedAt).toBeInstanceOf(Date);
  expect(await keys.revoke(apiKey.id, null)).toEqual(first);
  expect(revocations).toBe(before + 2);
});

describe('the look-up', () => {
  test('remembers a key, and that there is none, for so long and no longer', async () => {
    const lookup = createKeyLookup({ db: open.db, maxAgeMs: 500 });
    const { apiKey } = await keys.create(wanted(), admin);
    expect(await lookup.find(apiKey.id)).toMatchObject({ name: 'billing', revokedAt: null });
    expect(await lookup.find('ak_nobody')).toBeNull();
    await keys.revoke(apiKey.id, null);
    const sinceMs = performance.now();
    await waitFor('the revocation to show', async () => (await lookup.find(apiKey.id))?.revokedAt !== null);
    expect(performance.now() - sinceMs).toBeLessThan(20_000);
  });

  test('forgets what was put right in this process, whatever look was under way', async () => {
    const lookup = createKeyLookup({ db: open.db });
    const { apiKey } = await keys.create(wanted(), admin);
    const row = await open.db.apiKey.findUniqueOrThrow({ where: { id: apiKey.id } });
    const looks = [lookup.refresh([apiKey.id]), lookup.find(apiKey.id)];
    lookup.put(apiKey.id, { ...row, revokedAt: new Date() } satisfies StoredKey);
    await Promise.all(looks);
    expect((await lookup.find(apiKey.id))?.revokedAt).toBeInstanceOf(Date);
  });

  test('asks once for many at the same time, keeps no more than it may, and forgets a failure', async () => {
    let asked = 0;
    let failing = false;
    const findUnique = async ({ where: { id } }: { where: { id: string } }) => {
      asked += 1;
      if (failing) throw new Error('away');
      return { id };
    };
    const lookup = createKeyLookup({ db: { apiKey: { findUnique } } as unknown as typeof open.db, maxKeys: 3 });
    await Promise.all(Array.from({ length: 50 }, () => lookup.find('a')));
    expect(asked).toBe(1);
    for (const id of ['b', 'c', 'd']) await lookup.find(id);
    await lookup.find('a');
    expect(asked).toBe(5);
    failing = true;
    await expect(lookup.find('e')).rejects.toThrow('away');
    failing = false;
    expect(await lookup.find('e')).toEqual({ id: 'e' });
  });
});

test('the last use is written once, for many keys in one statement, and by another process not before the minute is over', async () => {
  const ids = [];
  for (let made = 0; made < 5; made += 1) ids.push((await keys.create(wanted(), admin)).apiKey.id);
  const [first = ''] = ids;
  const lastUsed = createLastUsed({ db: open.db, log, clock });
  const usedAt = async (id: string) => (await open.db.apiKey.findUniqueOrThrow({ where: { id } })).lastUsedAt;
  for (const id of [...ids, ...ids]) lastUsed.touch(id);
  expect(await usedAt(first)).toBeNull();
  await lastUsed.settled();
  for (const id of ids) expect(await usedAt(id)).toBeInstanceOf(Date);
  const before = await usedAt(first);
  lastUsed.touch(first);
  await lastUsed.settled();
  const elsewhere = (at: Date) => createLastUsed({ db: open.db, log, clock: () => at });
  const soon = elsewhere(new Date(Date.now() + 30_000));
  soon.touch(first);
  await soon.settled();
  expect(await usedAt(first)).toEqual(before);
  const later = elsewhere(new Date(Date.now() + 61_000));
  later.touch(first);
  await waitFor('the later use', async () => (await usedAt(first))?.getTime() !== before?.getTime());
});
