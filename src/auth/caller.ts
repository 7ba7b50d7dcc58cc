// Who is asking, and what it may do.

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

/** What the caller was known by. It can lose its right while a connection lives: see revalidate.ts. */
export type Credential = { kind: 'key'; id: string; expiresAt: Date | null } | { kind: 'token'; subject: string; expiresAt: Date };

export interface Caller {
  name: string;
  scopes: readonly Scope[];
  /** null: every organization. */
  organizationId: string | null;
  /** Absent: the admin key, which ends with the process. */
  credential?: Credential;
}

/**
 * Takes the value of an `Authorization` header; null means that nobody is known by it. Rejects when that cannot be found out
 * at the moment.
 */
export type Authenticate = (authorization: string | null | undefined) => Promise<Caller | null>;

const BY_NAME = new Map<string, Scope>(
  SCOPES.flatMap((scope) => [[scope, scope] as const, [scope.toLowerCase().replace('_', ':'), scope] as const]),
);

/** ENTITLEMENTS_READ or entitlements:read; undefined for anything else. */
export const scopeNamed = (name: string): Scope | undefined => BY_NAME.get(name);
