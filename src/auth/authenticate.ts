// From an `Authorization` header to a caller: the admin key, an API key, or a token of the identity provider. The one rule
// for HTTP, SSE and WebSocket. What is refused is refused alike, whatever the reason.

import { isOutage } from '../db/outage.ts';
import { AccessError } from '../errors.ts';
import { briefly } from '../lib/briefly.ts';
import { type Authenticate, type Caller, SCOPES } from './caller.ts';
import type { VerifyToken } from './jwt.ts';
import type { KeyLookup, StoredKey } from './key-lookup.ts';
import { hashOf, type PresentedKey, readKey, sameHash } from './keys.ts';
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

  /** What can be told from the header alone. */
  const read = briefly((authorization) => {
    const text = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
    if (text === undefined) return { text };
    const hash = hashOf(text);
    return { text, isAdmin: sameHash(hash, adminHash), presented: readKey(text, hash) };
  });

  async function byKey({ id, hash }: PresentedKey): Promise<Caller | null> {
    const key = await keys.find(id).catch(unavailable);
    if (!key || !sameHash(key.hash, hash) || key.revokedAt || (key.expiresAt && key.expiresAt <= clock())) return null;
    lastUsed.touch(id);
    const { name, scopes, organizationId, expiresAt } = key;
    return { name, scopes, organizationId, credential: { kind: 'key', id, expiresAt } };
  }

  return async (authorization) => {
    const { text, isAdmin, presented } = read(authorization ?? '');
    if (text === undefined) return null;
    if (isAdmin) return admin;
    return (presented && (await byKey(presented))) ?? (await verifyToken?.(text)) ?? null;
  };
}
