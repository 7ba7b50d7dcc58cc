// From an `Authorization` header to a caller: the admin key, an API key, or a token of the identity provider. The one rule
// for HTTP, SSE and WebSocket. What is refused is refused alike, whatever the reason.

import { isOutage } from '../db/outage.ts';
import { AccessError } from '../errors.ts';
import { type Authenticate, type Caller, SCOPES } from './caller.ts';
import type { VerifyToken } from './jwt.ts';
import type { KeyLookup, StoredKey } from './key-lookup.ts';
import { hashOf, readKey, sameHash } from './keys.ts';
import type { LastUsed } from './last-used.ts';

export interface AuthenticateDeps {
  adminApiKey: string;
  keys: Pick<KeyLookup, 'find'>;
  lastUsed: Pick<LastUsed, 'touch'>;
  /** null: tokens are not accepted. */
  verifyToken: VerifyToken | null;
  clock: () => Date;
}

const unavailable = (error: unknown): StoredKey | null => {
  if (!isOutage(error)) throw error;
  throw new AccessError('UNAVAILABLE', 'Keys cannot be checked at the moment: the database does not answer. Try again.', { cause: error });
};

export function createAuthenticate({ adminApiKey, keys, lastUsed, verifyToken, clock }: AuthenticateDeps): Authenticate {
  if (adminApiKey.trim() === '') throw new Error('an empty admin key would let everybody in');
  const admin: Caller = { name: 'admin', scopes: SCOPES, organizationId: null };
  const adminHash = hashOf(adminApiKey);

  async function byKey(text: string, hash: string): Promise<Caller | null> {
    const presented = readKey(text, hash);
    if (!presented) return null;
    const { id } = presented;
    const key = await keys.find(id).catch(unavailable);
    if (!key || !sameHash(key.hash, hash) || key.revokedAt || (key.expiresAt && key.expiresAt <= clock())) return null;
    lastUsed.touch(id);
    const { name, scopes, organizationId, expiresAt } = key;
    return { name, scopes, organizationId, credential: { kind: 'key', id, expiresAt } };
  }

  return async (authorization) => {
    const text = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
    if (text === undefined) return null;
    const hash = hashOf(text);
    if (sameHash(hash, adminHash)) return admin;
    return (await byKey(text, hash)) ?? (await verifyToken?.(text)) ?? null;
  };
}
