// Makes, lists and revokes API keys. Nobody can give more than it has: a new key has scopes of its maker, and stays in the
// organization that its maker is bound to. Foreign and unknown ids answer alike.
import type { Db } from '../db/client.ts';
import { AccessError } from '../errors.ts';
import type { Caller, Scope } from './caller.ts';
import type { KeyLookup } from './key-lookup.ts';
import { mintKey } from './keys.ts';

/** All of a key but its hash. */
export interface ApiKeyRow {
  id: string;
  name: string;
  scopes: Scope[];
  organizationId: string | null;
  createdAt: Date;
  expiresAt: Date | null;
  lastUsedAt: Date | null;
  revokedAt: Date | null;
}

export interface NewKey {
  name: string;
  scopes: readonly Scope[];
  /** null: that of the maker, or every organization. */
  organizationId: string | null;
  expiresAt: Date | null;
}

export interface KeyStore {
  create(key: NewKey, maker: Caller): Promise<{ apiKey: ApiKeyRow; secret: string }>;
  /** Idempotent. */
  revoke(id: string, tenant: string | null): Promise<ApiKeyRow>;
  /** Oldest first, revoked ones too. */
  list(tenant: string | null): Promise<ApiKeyRow[]>;
}

export interface KeyStoreDeps {
  db: Db;
  lookup: Pick<KeyLookup, 'put'>;
  /** Told after each revocation: connections of this process need not wait for the next look. */
  onRevoked: () => void;
  clock: () => Date;
}

const MAX_NAME = 100;

export function createKeyStore({ db, lookup, onRevoked, clock }: KeyStoreDeps): KeyStore {
  return {
    async create(wanted, maker) {
      const name = wanted.name.trim();
      const scopes = [...new Set(wanted.scopes)];
      const organizationId = wanted.organizationId ?? maker.organizationId;
      refuseMalformed(name, scopes, wanted.expiresAt, clock());
      refuseMore(scopes, organizationId, maker);
      const { id, key, hash } = mintKey();
      const data = { id, hash, name, scopes, organizationId, expiresAt: wanted.expiresAt, createdAt: clock(), createdBy: maker.name };
      return { apiKey: await db.apiKey.create({ data, omit: { hash: true } }), secret: key };
    },
    async revoke(id, tenant) {
      const own = { id, ...(tenant !== null && { organizationId: tenant }) };
      await db.apiKey.updateMany({ where: { ...own, revokedAt: null }, data: { revokedAt: clock() } });
      const row = await db.apiKey.findFirst({ where: own });
      if (!row) throw new AccessError('NOT_FOUND', 'id: there is no such key.');
      lookup.put(id, row);
      onRevoked();
      const { hash: _, ...apiKey } = row;
      return apiKey;
    },
    list: (tenant) =>
      db.apiKey.findMany({
        where: tenant === null ? {} : { organizationId: tenant },
        orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
        omit: { hash: true },
      }),
  };
}

function refuseMalformed(name: string, scopes: readonly Scope[], expiresAt: Date | null, now: Date): void {
  const refuse = (what: string): never => {
    throw new AccessError('BAD_USER_INPUT', what);
  };
  if (name === '' || name.length > MAX_NAME) refuse(`name: say in 1 to ${MAX_NAME} characters who uses the key.`);
  // It is printed to terminals and logs.
  if (/\p{C}/u.test(name)) refuse('name: control characters and half characters are not allowed.');
  // What a caller does is recorded under its name.
  if (name.toLowerCase() === 'admin') refuse('name: "admin" is the caller of ADMIN_API_KEY; choose another one.');
  if (scopes.length === 0) refuse('scopes: a key without any scope may do nothing; name at least one.');
  if (expiresAt && expiresAt <= now) refuse(`expiresAt: ${expiresAt.toISOString()} is not in the future.`);
}

function refuseMore(scopes: readonly Scope[], organizationId: string | null, maker: Caller): void {
  const beyond = scopes.filter((scope) => !maker.scopes.includes(scope));
  if (beyond.length > 0) {
    throw new AccessError('FORBIDDEN', `"${maker.name}" cannot give away ${beyond.join(', ')}, which it does not hold itself.`, {
      details: { scopes: beyond },
    });
  }
  if (maker.organizationId !== null && organizationId !== maker.organizationId) {
    throw new AccessError('FORBIDDEN', `"${maker.name}" is bound to an organization and makes keys for that one only.`);
  }
}
