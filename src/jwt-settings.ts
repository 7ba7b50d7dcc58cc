// Which tokens (JWTs) of an identity provider are accepted, and what settings of them cannot be used.
import type { z } from 'zod';
import { NAMES, type settings } from './settings.ts';

export interface JwtSettings {
  jwksUrl: string;
  issuer: string;
  /** Any of them. */
  audiences: readonly string[];
  algorithms: readonly string[];
  clockToleranceSeconds: number;
  /** The first that a token has counts. */
  scopesClaims: readonly string[];
  organizationClaim: string;
  requireOrganization: boolean;
}

/** The setting that turns tokens on, and what it cannot be without. */
export function jwtFaults(given: Readonly<Record<string, string | undefined>>, production: boolean): string[] {
  const { AUTH_JWKS_URL: jwksUrl } = given;
  if (!jwksUrl) {
    return NAMES.filter((name) => name.startsWith('AUTH_') && given[name]).map((name) => `${name} is set, but AUTH_JWKS_URL is not`);
  }
  return [
    ...['AUTH_ISSUER', 'AUTH_AUDIENCE']
      .filter((name) => !given[name])
      .map((name) => `${name} is not set, and AUTH_JWKS_URL needs it: a token for somebody else must not open this service`),
    ...(production && /^http:\/\/(?!(localhost|127\.0\.0\.1|\[::1\])([:/]|$))/i.test(jwksUrl)
      ? ['AUTH_JWKS_URL must begin with https:// with NODE_ENV=production: whoever alters the keys on their way can make tokens']
      : []),
  ];
}

/** null: no tokens are accepted. */
export const jwtOf = (set: z.infer<z.ZodObject<typeof settings>>): JwtSettings | null =>
  set.AUTH_JWKS_URL && set.AUTH_ISSUER && set.AUTH_AUDIENCE
    ? {
        jwksUrl: set.AUTH_JWKS_URL,
        issuer: set.AUTH_ISSUER,
        audiences: set.AUTH_AUDIENCE,
        algorithms: set.AUTH_ALGORITHMS,
        clockToleranceSeconds: set.AUTH_CLOCK_TOLERANCE_SECONDS,
        scopesClaims: set.AUTH_SCOPES_CLAIM,
        organizationClaim: set.AUTH_ORGANIZATION_CLAIM,
        requireOrganization: set.AUTH_REQUIRE_ORGANIZATION === 'true',
      }
    : null;
