// Tokens (JWTs) of an identity provider: WorkOS M2M, or any issuer with a JWKS. Issuer, audience, expiry and a short list of
// asymmetric algorithms are always checked. Scopes and organization come from claims; a token without an organization is
// refused, unless the operator said that such tokens may see every organization.
import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose';
import { AccessError } from '../errors.ts';
import type { JwtSettings } from '../jwt-settings.ts';
import { type Caller, type Scope, scopeNamed } from './caller.ts';

/** null: not a token, or one that is not accepted. Rejects with UNAVAILABLE while the issuer's keys cannot be had. */
export type VerifyToken = (token: string) => Promise<Caller | null>;

const MAX_LENGTH = 8_192;
const FETCH_TIMEOUT_MS = 5_000;
/** A token with an unknown key makes us ask the issuer again, but not more often than this. */
const REFETCH_COOLDOWN_MS = 30_000;

/** Faults of the token; all others are faults of the issuer or of the way to it. */
const REFUSALS = [
  errors.JWTInvalid,
  errors.JWTExpired,
  errors.JWTClaimValidationFailed,
  errors.JWSInvalid,
  errors.JWSSignatureVerificationFailed,
  errors.JOSEAlgNotAllowed,
  errors.JOSENotSupported,
  errors.JWKSNoMatchingKey,
  errors.JWKSMultipleMatchingKeys,
];

export interface TokenVerifierOptions {
  clock?: () => Date;
  refetchCooldownMs?: number;
}

export function createTokenVerifier(settings: JwtSettings, o: TokenVerifierOptions = {}): VerifyToken {
  const { clock = () => new Date(), refetchCooldownMs = REFETCH_COOLDOWN_MS } = o;
  const { issuer, audiences, algorithms, clockToleranceSeconds } = settings;
  const keys = createRemoteJWKSet(new URL(settings.jwksUrl), { cooldownDuration: refetchCooldownMs, timeoutDuration: FETCH_TIMEOUT_MS });
  const options = {
    issuer,
    audience: [...audiences],
    algorithms: [...algorithms],
    clockTolerance: clockToleranceSeconds,
    requiredClaims: ['exp', 'sub'],
  };
  return async (token) => {
    if (token.length > MAX_LENGTH || token.split('.').length !== 3) return null;
    try {
      const { payload } = await jwtVerify(token, keys, { ...options, currentDate: clock() });
      return callerOf(payload, settings);
    } catch (error) {
      if (REFUSALS.some((refusal) => error instanceof refusal)) return null;
      throw new AccessError('UNAVAILABLE', 'Tokens cannot be checked at the moment: the keys of their issuer cannot be had. Try again.', {
        cause: error,
      });
    }
  };
}

/** Of a verified token. Whatever has not the form that it should have is refused, never taken for absent. */
export function callerOf(payload: JWTPayload, settings: JwtSettings): Caller | null {
  const { sub, exp } = payload;
  const organizationId = claim(payload, settings.organizationClaim) ?? null;
  const scopes = scopesIn(settings.scopesClaims.map((name) => claim(payload, name)).find((value) => value != null));
  if (typeof sub !== 'string' || sub === '' || typeof exp !== 'number' || scopes === null) return null;
  if (organizationId === null ? settings.requireOrganization : typeof organizationId !== 'string' || organizationId === '') return null;
  return {
    name: sub,
    scopes,
    organizationId: organizationId as string | null,
    credential: { kind: 'token', subject: sub, expiresAt: new Date((exp + settings.clockToleranceSeconds) * 1_000) },
  };
}

/** By its whole name, which may be a URL; else as a path through objects (`realm_access.roles`). */
function claim(payload: JWTPayload, name: string): unknown {
  const own = (value: unknown, key: string): unknown =>
    value instanceof Object && Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
  return own(payload, name) ?? name.split('.').reduce<unknown>(own, payload);
}

/** Separated by spaces, or a list. Names that are not ours are other people's. */
function scopesIn(value: unknown): Scope[] | null {
  const names = value === undefined ? [] : typeof value === 'string' ? value.split(' ') : value;
  if (!Array.isArray(names)) return null;
  return [...new Set(names.flatMap((name) => (typeof name === 'string' ? (scopeNamed(name) ?? []) : [])))];
}
