// Who may ask, put together as src/runtime.ts does it: keys in the database, tokens of an issuer, and the look at connections
// that live.
import { createAuthenticate } from '../../src/auth/authenticate.ts';
import type { Authenticate } from '../../src/auth/caller.ts';
import { createTokenVerifier } from '../../src/auth/jwt.ts';
import { createKeyLookup } from '../../src/auth/key-lookup.ts';
import { createKeyStore, type KeyStore } from '../../src/auth/key-store.ts';
import { createLastUsed, type LastUsed } from '../../src/auth/last-used.ts';
import { createRevalidation, type Revalidation } from '../../src/auth/revalidate.ts';
import type { Db } from '../../src/db/client.ts';
import type { JwtSettings } from '../../src/jwt-settings.ts';
import { createLogger } from '../../src/log.ts';

export const ADMIN_KEY = 'key-of-the-admin';

export interface Callers {
  authenticate: Authenticate;
  revalidation: Revalidation;
  keys: KeyStore;
  lastUsed: LastUsed;
}

export function createCallers(
  db: Db,
  { jwt = null, clock = () => new Date() }: { jwt?: JwtSettings | null; clock?: () => Date } = {},
): Callers {
  const log = createLogger('silent');
  const lookup = createKeyLookup({ db });
  const lastUsed = createLastUsed({ db, log, clock });
  const revalidation = createRevalidation({ keys: lookup, lastUsed, log, clock, everyMs: 200 });
  const verifyToken = jwt && createTokenVerifier(jwt, { clock });
  return {
    authenticate: createAuthenticate({ adminApiKey: ADMIN_KEY, keys: lookup, lastUsed, verifyToken, clock }),
    revalidation,
    keys: createKeyStore({ db, lookup, onRevoked: revalidation.nudge, clock }),
    lastUsed,
  };
}
