// Which tokens say who asks, and which do not, against an issuer that serves its keys over HTTP.
import { createHmac } from 'node:crypto';
import { exportSPKI, importJWK, type JWTPayload } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SCOPES } from '../../../src/auth/caller.ts';
import { callerOf, createTokenVerifier, type VerifyToken } from '../../../src/auth/jwt.ts';
import { type Issuer, type SigningKey, startIssuer } from '../../support/issuer.ts';

let issuer: Issuer;
let stranger: SigningKey;
let verify: VerifyToken;

beforeAll(async () => {
  issuer = await startIssuer();
  stranger = await issuer.newKey();
  verify = createTokenVerifier(issuer.settings);
});
afterAll(() => issuer.close());

const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const now = (): number => Math.floor(Date.now() / 1_000);

test('a token of the issuer is a caller with its scopes, in its organization, until it expires', async () => {
  const exp = now() + 60;
  expect(await verify(await issuer.token({ scope: 'openid entitlements:read CHANGES_SUBSCRIBE', exp }))).toEqual({
    name: 'client_1',
    scopes: ['ENTITLEMENTS_READ', 'CHANGES_SUBSCRIBE'],
    organizationId: 'org_acme',
    credential: { kind: 'token', subject: 'client_1', expiresAt: new Date(exp * 1_000) },
  });
});

describe('refused is', () => {
  test.each<[string, Record<string, unknown>]>([
    ['another issuer', { iss: 'https://elsewhere.example' }],
    ['no issuer', { iss: undefined }],
    ['another audience', { aud: 'another-service' }],
    ['no audience', { aud: undefined }],
    ['what has expired', { exp: now() - 1 }],
    ['what never expires', { exp: undefined }],
    ['what is not valid yet', { nbf: now() + 60 }],
    ['no subject', { sub: undefined }],
    ['an empty subject', { sub: '' }],
    ['no organization', { org_id: undefined }],
    ['an organization of null', { org_id: null }],
    ['an empty organization', { org_id: '' }],
    ['a list for the organization', { org_id: ['org_acme'] }],
    ['an object for the organization', { org_id: { id: 'org_acme' } }],
    ['an object for the scopes', { scope: { admin: true } }],
    ['a number for the scopes', { permissions: 7 }],
  ])('%s', async (_what, claims) => {
    expect(await verify(await issuer.token(claims))).toBeNull();
  });

  test('the signature of somebody else, under a known key id or an unknown one', async () => {
    expect(await verify(await issuer.token({}, { key: { ...stranger, kid: String(issuer.keys[0]?.kid) } }))).toBeNull();
    expect(await verify(await issuer.token({}, { key: stranger }))).toBeNull();
  });

  test('a token that was altered', async () => {
    const [header, , signature] = (await issuer.token()).split('.');
    const payload = { iss: issuer.settings.issuer, aud: 'access-service', sub: 'client_1', org_id: 'org_globex', exp: now() + 60 };
    expect(await verify(`${header}.${base64(payload)}.${signature}`)).toBeNull();
  });

  test.each(['none', 'None', 'NONE', '', 'HS256', 'hs256', 'HS512', 'RS384', 'dir'])('the algorithm %j', async (alg) => {
    const payload = { iss: issuer.settings.issuer, aud: 'access-service', sub: 'x', org_id: 'org_acme', exp: now() + 60 };
    const body = `${base64({ alg, kid: issuer.keys[0]?.kid })}.${base64(payload)}`;
    const publicKey = await exportSPKI(
      (await importJWK(issuer.keys[0] as JsonWebKey & { kty: string }, 'ES256', { extractable: true })) as CryptoKey,
    );
    const signed = createHmac('sha256', publicKey).update(body).digest('base64url');
    expect(await verify(`${body}.`)).toBeNull();
    expect(await verify(`${body}.${signed}`)).toBeNull();
  });

  test('a key or an address of keys that the token brings along', async () => {
    const { kid: _, ...rest } = stranger.jwk;
    expect(await verify(await issuer.token({}, { key: stranger, header: { jwk: rest } }))).toBeNull();
    expect(
      await verify(await issuer.token({}, { key: stranger, header: { jku: issuer.settings.jwksUrl, x5u: 'https://e.example' } })),
    ).toBeNull();
  });

  test('a critical header that nobody here understands', async () => {
    const [, payload, signature] = (await issuer.token()).split('.');
    expect(
      await verify(`${base64({ alg: 'ES256', kid: issuer.keys[0]?.kid, crit: ['exp2'], exp2: 1 })}.${payload}.${signature}`),
    ).toBeNull();
  });

  test.each(['', '.', '..', 'a.b', 'a.b.c', 'a.b.c.d.e', `${'x'.repeat(9_000)}.x.x`, 'eyJhbGciOiJub25lIn0.e30.'])('%j', async (text) =>
    expect(await verify(text)).toBeNull(),
  );
});

describe('scopes', () => {
  const scopesOf = (claims: JWTPayload, scopesClaims: readonly string[] = ['permissions', 'scope']) =>
    callerOf({ sub: 'x', exp: 1, org_id: 'org_1', ...claims }, { ...issuer.settings, scopesClaims })?.scopes;

  test('come by either name, as text or as a list, each once', () => {
    expect(scopesOf({ scope: 'sync:read SYNC_READ sync:operate' })).toEqual(['SYNC_READ', 'SYNC_OPERATE']);
    expect(scopesOf({ permissions: ['keys:manage', 'CATALOG_WRITE', 7, null, 'posts:write'] })).toEqual(['KEYS_MANAGE', 'CATALOG_WRITE']);
    expect(scopesOf({ permissions: SCOPES.map((scope) => scope.toLowerCase().replace('_', ':')) })).toEqual(SCOPES);
  });

  test.each(['Entitlements:Read', 'entitlements_read', 'entitlements', '*', 'admin', '__proto__', 'constructor'])('%j is none', (name) =>
    expect(scopesOf({ scope: name })).toEqual([]),
  );

  test('are those of the first claim that is there, and none without one', () => {
    expect(scopesOf({ permissions: [], scope: 'keys:manage' })).toEqual([]);
    expect(scopesOf({ permissions: null, scope: 'keys:manage' })).toEqual(['KEYS_MANAGE']);
    expect(scopesOf({})).toEqual([]);
  });

  test('may be in a claim with a URL for a name, or inside of another', () => {
    expect(scopesOf({ 'https://example.com/scopes': ['sync:read'] }, ['https://example.com/scopes'])).toEqual(['SYNC_READ']);
    expect(scopesOf({ realm_access: { roles: ['sync:read'] } }, ['realm_access.roles'])).toEqual(['SYNC_READ']);
    expect(scopesOf({}, ['constructor.name'])).toEqual([]);
  });
});

test('a token without organization sees every organization only where the operator said so', () => {
  const settings = { ...issuer.settings, requireOrganization: false };
  expect(callerOf({ sub: 'x', exp: 1 }, settings)?.organizationId).toBeNull();
  expect(callerOf({ sub: 'x', exp: 1, org_id: 'org_1' }, settings)?.organizationId).toBe('org_1');
  expect(callerOf({ sub: 'x', exp: 1, org_id: '' }, settings)).toBeNull();
  expect(callerOf({ sub: 'x', exp: 1, org_id: 7 }, settings)).toBeNull();
});

test('the clock of the service judges, not that of the machine', async () => {
  const token = await issuer.token();
  const at = (ms: number) => createTokenVerifier(issuer.settings, { clock: () => new Date(Date.now() + ms) })(token);
  expect(await at(0)).not.toBeNull();
  expect(await at(600_000)).toBeNull();
});

test('the tolerance for clocks holds for the beginning and for the end', async () => {
  const tolerant = createTokenVerifier({ ...issuer.settings, clockToleranceSeconds: 30 });
  const exp = now() - 5;
  const caller = await tolerant(await issuer.token({ exp }));
  expect(caller?.credential?.expiresAt).toEqual(new Date((exp + 30) * 1_000));
});

describe('keys of the issuer', () => {
  test.each(['RS256', 'ES256', 'EdDSA'])('%s is accepted', async (alg) => {
    const key = await issuer.newKey(alg);
    issuer.keys.push(key.jwk);
    const fresh = createTokenVerifier(issuer.settings);
    expect((await fresh(await issuer.token({}, { key })))?.name).toBe('client_1');
  });

  test('a new one is fetched when a token names it, and made-up ones do not make us ask again and again', async () => {
    const eager = createTokenVerifier(issuer.settings, { refetchCooldownMs: 0 });
    const patient = createTokenVerifier(issuer.settings);
    await eager(await issuer.token());
    await patient(await issuer.token());
    const rotated = await issuer.newKey();
    issuer.keys.push(rotated.jwk);
    expect(await eager(await issuer.token({}, { key: rotated }))).not.toBeNull();
    const before = issuer.fetches();
    for (let made = 0; made < 20; made += 1)
      expect(await patient(await issuer.token({}, { key: { ...stranger, kid: `made-up-${made}` } }))).toBeNull();
    expect(issuer.fetches()).toBe(before);
  });

  test('while they cannot be had, the caller is told to try again, and what is known goes on', async () => {
    const known = createTokenVerifier(issuer.settings);
    expect(await known(await issuer.token())).not.toBeNull();
    issuer.breakDown();
    const fresh = createTokenVerifier(issuer.settings);
    await expect(fresh(await issuer.token())).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await known(await issuer.token())).not.toBeNull();
    expect(await fresh('not.a.token')).toBeNull();
  });
});
