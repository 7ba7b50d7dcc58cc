import { expect, test } from 'vitest';
import { createAuthenticate } from '../../../src/auth/authenticate.ts';
import { SCOPES } from '../../../src/auth/caller.ts';
import type { StoredKey } from '../../../src/auth/key-lookup.ts';
import { mintKey } from '../../../src/auth/keys.ts';

const NOW = new Date('2026-01-01T00:00:00.000Z');
const { id, key, hash } = mintKey();
const STORED: StoredKey = {
  id,
  hash,
  name: 'billing',
  scopes: ['ENTITLEMENTS_READ'],
  organizationId: 'org_1',
  expiresAt: new Date(NOW.getTime() + 1),
  revokedAt: null,
};

const looked: string[] = [];
const touched: string[] = [];
const authenticateWith = (stored: StoredKey | null) =>
  createAuthenticate({
    adminApiKey: 'key-of-the-admin',
    keys: {
      async find(wanted) {
        looked.push(wanted);
        return stored;
      },
    },
    lastUsed: { touch: (used) => void touched.push(used) },
    verifyToken: null,
    clock: () => NOW,
  });
const authenticate = authenticateWith(STORED);

test('the admin key is everything, everywhere', async () => {
  const admin = { name: 'admin', scopes: SCOPES, organizationId: null };
  expect(await authenticate('Bearer key-of-the-admin')).toEqual(admin);
  expect(await authenticate('bearer  key-of-the-admin ')).toEqual(admin);
});

test('an API key is what its row says', async () => {
  expect(await authenticate(`Bearer ${key}`)).toEqual({
    name: 'billing',
    scopes: ['ENTITLEMENTS_READ'],
    organizationId: 'org_1',
    credential: { kind: 'key', id, expiresAt: STORED.expiresAt },
  });
  expect(touched).toEqual([id]);
});

test.each<[string, StoredKey | null]>([
  ['unknown', null],
  ['revoked', { ...STORED, revokedAt: NOW }],
  ['expired at this moment', { ...STORED, expiresAt: NOW }],
  ['of the same id and another secret', { ...STORED, hash: mintKey().hash }],
  ['of a row without a usable hash', { ...STORED, hash: '' }],
])('a key that is %s is nobody, and was not used', async (_what, stored) => {
  touched.length = 0;
  expect(await authenticateWith(stored)(`Bearer ${key}`)).toBeNull();
  expect(touched).toEqual([]);
});

test.each([
  undefined,
  null,
  '',
  'key-of-the-admin',
  'Bearer',
  'Bearer ',
  'Bearer key-of-the-admi',
  'Bearer key-of-the-admin2',
  'Bearer KEY-OF-THE-ADMIN',
  'Bearer key-of-the-admin key-of-the-admin',
  'Basic key-of-the-admin',
  `Bearer ${'x'.repeat(100_000)}`,
  `Bearer ${id}`,
  `Bearer ${key.slice(0, -1)}`,
  `Bearer ${key}0`,
  `Basic ${key}`,
])('%j is nobody, and nobody is looked up', async (authorization) => {
  looked.length = 0;
  expect(await authenticate(authorization)).toBeNull();
  expect(looked).toEqual([]);
});

test('while keys cannot be looked up nobody is refused: the caller is told to try again', async () => {
  const away = Object.assign(new Error('no connection'), { code: 'ECONNREFUSED' });
  const failing = createAuthenticate({
    adminApiKey: 'key-of-the-admin',
    keys: { find: () => Promise.reject(away) },
    lastUsed: { touch: () => {} },
    verifyToken: null,
    clock: () => NOW,
  });
  await expect(failing(`Bearer ${key}`)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect((await failing('Bearer key-of-the-admin'))?.name).toBe('admin');
});

test('an empty key is refused at the start', () => {
  expect(() =>
    createAuthenticate({
      adminApiKey: ' ',
      keys: { find: async () => null },
      lastUsed: { touch: () => {} },
      verifyToken: null,
      clock: () => NOW,
    }),
  ).toThrow();
});
