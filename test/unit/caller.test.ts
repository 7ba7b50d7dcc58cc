import { expect, test } from 'vitest';
import { createAuthenticate, SCOPES } from '../../src/auth/caller.ts';

const authenticate = createAuthenticate({ adminApiKey: 'key-of-the-admin' });

test('the admin key is everything, everywhere', async () => {
  const admin = { name: 'admin', scopes: SCOPES, organizationId: null };
  expect(await authenticate('Bearer key-of-the-admin')).toEqual(admin);
  expect(await authenticate('bearer  key-of-the-admin ')).toEqual(admin);
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
])('%j is nobody', async (authorization) => {
  expect(await authenticate(authorization)).toBeNull();
});

test('an empty key is refused at the start', () => {
  expect(() => createAuthenticate({ adminApiKey: ' ' })).toThrow();
});
