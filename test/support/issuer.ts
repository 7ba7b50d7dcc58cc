// An identity provider in small: keys at a URL, and tokens of any form.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import type { JwtSettings } from '../../src/jwt-settings.ts';

export interface SigningKey {
  kid: string;
  alg: string;
  privateKey: CryptoKey;
  jwk: JWK;
}

export interface Issuer {
  settings: JwtSettings;
  /** What is published; alter it at will. */
  keys: JWK[];
  /** How often the keys were asked for. */
  fetches(): number;
  /** Answers 503 from now on. */
  breakDown(): void;
  newKey(alg?: string): Promise<SigningKey>;
  /** Valid for a minute for org_acme, unless told otherwise; undefined leaves a claim out. */
  token(claims?: Record<string, unknown>, o?: { key?: SigningKey; header?: Record<string, unknown> }): Promise<string>;
  close(): Promise<void>;
}

export async function startIssuer(over: Partial<JwtSettings> = {}): Promise<Issuer> {
  let fetches = 0;
  let broken = false;
  const keys: JWK[] = [];
  const server = createServer((_req, res) => {
    fetches += 1;
    res.statusCode = broken ? 503 : 200;
    res.setHeader('content-type', 'application/json').setHeader('connection', 'close').end(JSON.stringify({ keys }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const settings: JwtSettings = {
    jwksUrl: `${issuer}/jwks`,
    issuer,
    audiences: ['access-service'],
    algorithms: ['RS256', 'ES256', 'EdDSA'],
    clockToleranceSeconds: 0,
    scopesClaims: ['permissions', 'scope'],
    organizationClaim: 'org_id',
    requireOrganization: true,
    ...over,
  };
  async function newKey(alg = 'ES256'): Promise<SigningKey> {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    const kid = randomUUID();
    return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
  }
  const first = await newKey();
  keys.push(first.jwk);
  return {
    settings,
    keys,
    fetches: () => fetches,
    breakDown() {
      broken = true;
    },
    newKey,
    token(claims = {}, { key = first, header = {} } = {}) {
      const seconds = Math.floor(Date.now() / 1_000);
      const payload = {
        iss: issuer,
        aud: 'access-service',
        sub: 'client_1',
        org_id: 'org_acme',
        iat: seconds,
        exp: seconds + 60,
        ...claims,
      };
      const present = Object.fromEntries(Object.entries(payload).filter(([, value]) => value !== undefined));
      return new SignJWT(present).setProtectedHeader({ alg: key.alg, kid: key.kid, ...header }).sign(key.privateKey);
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
