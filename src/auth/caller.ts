// Who is asking. One bootstrap caller, "admin", holds every scope; its key comes from ADMIN_API_KEY.
import { createHash, timingSafeEqual } from 'node:crypto';

export const SCOPES = [
  'ENTITLEMENTS_READ',
  'DIRECTORY_READ',
  'CHANGES_SUBSCRIBE',
  'SYNC_READ',
  'SYNC_OPERATE',
  'CATALOG_WRITE',
  'KEYS_MANAGE',
] as const;

export type Scope = (typeof SCOPES)[number];

export interface Caller {
  name: string;
  scopes: readonly Scope[];
  /** null: every organization. */
  organizationId: string | null;
}

/** Takes the value of an `Authorization` header; null means that nobody is known by it. */
export type Authenticate = (authorization: string | null | undefined) => Promise<Caller | null>;

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

export function createAuthenticate({ adminApiKey }: { adminApiKey: string }): Authenticate {
  if (adminApiKey.trim() === '') throw new Error('an empty admin key would let everybody in');
  const admin: Caller = { name: 'admin', scopes: SCOPES, organizationId: null };
  const adminDigest = digest(adminApiKey);
  return async (authorization) => {
    const key = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
    // Digests are of one length and tell nothing about the key, so the comparison takes the same time whatever was sent.
    return key !== undefined && timingSafeEqual(digest(key), adminDigest) ? admin : null;
  };
}
