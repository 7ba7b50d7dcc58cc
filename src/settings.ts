// The variables of the environment that are ours: the form of each, and its default. What they mean together is config.ts.
import { z } from 'zod';
import { isAddressRange } from './lib/address-list.ts';
import { editDistance } from './lib/edit-distance.ts';
import { faultInFailpoints } from './lib/failpoint.ts';

const url = (protocols: readonly string[], rest = '') =>
  z
    .string()
    .refine(
      (text) => URL.canParse(text) && protocols.includes(new URL(text).protocol),
      `must be a URL that begins with ${protocols.map((p) => `${p}//`).join(' or ')}${rest}`,
    );

const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((n) => n >= min && n <= max, `must be a whole number from ${min} to ${max}`);

const oneOf = <const T extends string>(values: readonly T[]) => z.enum(values, `must be one of ${values.join(', ')}`);

const secret = z.string().regex(/^[\x21-\x7e]*$/, 'must not contain spaces or other unprintable characters');
/** Between commas. */
const list = z
  .string()
  .transform((text) => text.split(',').map((part) => part.trim()))
  .refine((parts) => parts.every((part) => part.length > 0), 'has an empty part between its commas');

const addresses = list
  .refine((ranges) => ranges.every(isAddressRange), 'must be addresses or ranges of them, such as 10.0.0.0/8')
  .default([]);

const origins = list
  .refine((all) => all.every((one) => URL.parse(one)?.origin === one), 'must be origins, such as https://console.example.com')
  .default([]);

/** Asymmetric ones: with a shared secret, whoever checks tokens could make them. */
const JWT_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];

export const settings = {
  NODE_ENV: z.string().optional(),
  DATABASE_URL: url(['postgres:', 'postgresql:']).optional(),
  REDIS_URL: url(['redis:', 'rediss:']).optional(),
  WORKOS_API_KEY: secret.optional(),
  WORKOS_API_URL: url(['https:', 'http:'], ', without a path')
    .refine((text) => !URL.canParse(text) || /^https?:\/\/[^/?#@]+\/?$/.test(text), 'must be scheme, host and port only, without a path')
    .optional(),
  WORKOS_WEBHOOK_SECRET: list.optional(),
  ADMIN_API_KEY: secret.optional(),
  AUTH_JWKS_URL: url(['https:', 'http:']).optional(),
  AUTH_ISSUER: z.string().optional(),
  AUTH_AUDIENCE: list.optional(),
  AUTH_ALGORITHMS: list
    .refine((names) => names.every((name) => JWT_ALGORITHMS.includes(name)), `must be some of ${JWT_ALGORITHMS.join(', ')}`)
    .default(['RS256', 'ES256', 'EdDSA']),
  AUTH_CLOCK_TOLERANCE_SECONDS: integer(0, 60).default(2),
  AUTH_SCOPES_CLAIM: list.default(['permissions', 'scope']),
  AUTH_ORGANIZATION_CLAIM: z.string().default('org_id'),
  AUTH_REQUIRE_ORGANIZATION: oneOf(['true', 'false']).default('true'),
  GRAPHQL_INTROSPECTION: oneOf(['auto', 'on', 'off']).default('auto'),
  PERSISTED_OPERATIONS: oneOf(['allow', 'only']).default('allow'),
  ALLOWED_ORIGINS: origins,
  TRUSTED_PROXIES: addresses,
  WORKOS_WEBHOOK_ADDRESSES: addresses,
  RATE_LIMIT_OPERATIONS: integer(1, 999_999_999).default(600_000),
  RATE_LIMIT_CONNECTS: integer(1, 999_999_999).default(12_000),
  RATE_LIMIT_FAILED_AUTH: integer(1, 999_999_999).default(600),
  RATE_LIMIT_WEBHOOKS: integer(1, 999_999_999).default(600_000),
  SOCKETS_PER_CALLER: integer(1, 999_999_999).default(10_000),
  HOST: z
    .string()
    .regex(/^[0-9a-z.:_-]+$/i, 'must be a host name or an address')
    .default('127.0.0.1'),
  PORT: integer(0, 65_535).default(4_000),
  LOG_LEVEL: oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  DATA_DIR: z.string().default('.data'),
  INITIAL_IMPORT: oneOf(['auto', 'off']).default('auto'),
  REACTIVATION: oneOf(['read', 'events']).default('read'),
  EVENT_RETENTION_DAYS: integer(1, 3_650).default(30),
  RECONCILE_INTERVAL_HOURS: integer(0, 8_760).default(24),
  RECONCILE_REPAIR: oneOf(['off', 'auto']).default('off'),
  CHANGE_RETENTION_DAYS: integer(1, 36_500).default(30),
  DATABASE_POOL_SIZE: integer(1, 500).default(10),
  WORKER_POOL_SIZE: integer(2, 500).default(8),
  APPLY_CONCURRENCY: integer(1, 32).default(3),
  ENTITLEMENT_CACHE_MB: integer(1, 1_048_576).default(128),
  SHUTDOWN_DRAIN_SECONDS: integer(0, 10).default(0),
  METRICS_PORT: integer(0, 65_535).optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: url(['http:', 'https:']).optional(),
  HEALTH_WINDOW_SECONDS: integer(60, 86_400).default(3_600),
  HEALTH_EVENT_LAG_SECONDS: integer(1, 86_400).default(30),
  HEALTH_RELAY_LAG_SECONDS: integer(1, 86_400).default(5),
  HEALTH_CURSOR_STALE_SECONDS: integer(1, 86_400).default(120),
  HEALTH_SUBSCRIBER_LAG_SECONDS: integer(1, 86_400).default(60),
  HEALTH_NO_LEADER_SECONDS: integer(1, 86_400).default(15),
  HEALTH_SILENT_DIRECTORY_HOURS: integer(1, 720).default(6),
  FAILPOINTS: z
    .string()
    .refine((text) => faultInFailpoints(text) === undefined, { error: ({ input }) => faultInFailpoints(String(input)) ?? '' })
    .optional(),
};

/** Of every variable that is ours. */
export const NAMES = Object.keys(settings);

const OUR_PREFIXES = [
  'WORKOS_',
  'ADMIN_API_',
  'INITIAL_',
  'EVENT_RETENTION_',
  'RECONCILE_',
  'AUTH_',
  'GRAPHQL_',
  'PERSISTED_',
  'RATE_LIMIT_',
  'TRUSTED_PROX',
  'HEALTH_',
  'METRICS_',
];
/** Of other software for WorkOS (its SDK, AuthKit), which may share an environment with us. */
const NEIGHBOURS = ['WORKOS_CLIENT_ID', 'WORKOS_REDIRECT_URI', 'WORKOS_COOKIE_PASSWORD'];

/** A name that looks like one of ours, and what to write instead. */
export function misspelling(name: string): string[] {
  if (NAMES.includes(name) || NEIGHBOURS.includes(name)) return [];
  const [nearest, distance] = NAMES.map((ours) => [ours, editDistance(name.toUpperCase(), ours)] as const).reduce((a, b) =>
    b[1] < a[1] ? b : a,
  );
  // HOME is two letters from HOST: short names get less room.
  if (distance <= (nearest.length > 4 ? 2 : 1)) return [`${name} is not a setting: did you mean ${nearest}?`];
  return OUR_PREFIXES.some((prefix) => name.startsWith(prefix)) ? [`${name} is not a setting. There are ${NAMES.join(', ')}`] : [];
}
