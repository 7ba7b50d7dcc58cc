// The environment, read once and checked whole: every fault is reported at once, and nothing starts half-configured. A name
// that looks like one of ours but is none is a fault too: a misspelt setting must not silently become a stand-in.
// Messages name variables and say what is expected; they never repeat a value, which may be a secret.
import { z } from 'zod';
import { StartError } from './errors.ts';
import { editDistance } from './lib/edit-distance.ts';
import { faultInFailpoints } from './lib/failpoint.ts';

/** `start`: everything in one process. `serve`, `work`: one part of many. `tool`: a command that needs no more than the database. */
export type Mode = 'start' | 'serve' | 'work' | 'tool';

/** What takes the place of something that is not configured. */
export type StandIn = 'EMBEDDED_POSTGRES' | 'IN_PROCESS_WAKE_UP' | 'FAKE_WORKOS' | 'GENERATED_ADMIN_KEY';

export interface Config {
  mode: Mode;
  production: boolean;
  /** null: EMBEDDED_POSTGRES under `dataDir`. */
  databaseUrl: string | null;
  /** null: IN_PROCESS_WAKE_UP. */
  redisUrl: string | null;
  /** null: FAKE_WORKOS. */
  workos: { apiKey: string; apiUrl: string } | null;
  /** Any of them verifies a webhook; without any, webhooks are refused. */
  webhookSecrets: readonly string[];
  /** null: GENERATED_ADMIN_KEY, printed at the start. */
  adminApiKey: string | null;
  host: string;
  port: number;
  logLevel: string;
  dataDir: string;
  initialImport: 'auto' | 'off';
  eventRetentionDays: number;
  /** For tests of faults (lib/failpoint.ts); null in production. */
  failpoints: string | null;
  standIns: readonly StandIn[];
}

export const DEFAULT_WORKOS_API_URL = 'https://api.workos.com';

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
/** Of ADMIN_API_KEY in production: it opens everything. */
const MIN_ADMIN_KEY_LENGTH = 16;

const settings = {
  NODE_ENV: z.string().optional(),
  DATABASE_URL: url(['postgres:', 'postgresql:']).optional(),
  REDIS_URL: url(['redis:', 'rediss:']).optional(),
  WORKOS_API_KEY: secret.optional(),
  WORKOS_API_URL: url(['https:', 'http:'], ', without a path')
    .refine((text) => !URL.canParse(text) || /^https?:\/\/[^/?#@]+\/?$/.test(text), 'must be scheme, host and port only, without a path')
    .optional(),
  WORKOS_WEBHOOK_SECRET: z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .refine((parts) => parts.every((part) => part.length > 0), 'has an empty part between its commas')
    .optional(),
  ADMIN_API_KEY: secret.optional(),
  HOST: z
    .string()
    .regex(/^[0-9a-z.:_-]+$/i, 'must be a host name or an address')
    .default('127.0.0.1'),
  PORT: integer(0, 65_535).default(4_000),
  LOG_LEVEL: oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  DATA_DIR: z.string().default('.data'),
  INITIAL_IMPORT: oneOf(['auto', 'off']).default('auto'),
  EVENT_RETENTION_DAYS: integer(1, 3_650).default(30),
  FAILPOINTS: z
    .string()
    .refine((text) => faultInFailpoints(text) === undefined, { error: ({ input }) => faultInFailpoints(String(input)) ?? '' })
    .optional(),
};

const NAMES = Object.keys(settings);

/** What may not be missing; in production nothing has a stand-in. */
const required = (mode: Mode, production: boolean): readonly string[] => {
  if (mode === 'tool') return production ? ['DATABASE_URL'] : [];
  if (production) return ['DATABASE_URL', 'REDIS_URL', 'WORKOS_API_KEY', 'ADMIN_API_KEY'];
  return mode === 'start' ? [] : ['DATABASE_URL', 'REDIS_URL'];
};

export function loadConfig(env: Record<string, string | undefined>, mode: Mode): Config {
  // Set to nothing is not set: that is how compose files and shells spell "none".
  const given = Object.fromEntries(NAMES.map((name) => [name, env[name]?.trim() || undefined]));
  const production = given.NODE_ENV === 'production';
  const parsed = z.object(settings).safeParse(given);
  const faults = [
    ...(parsed.error?.issues ?? []).map((issue) => `${issue.path.join('.')} ${issue.message}`),
    ...required(mode, production)
      .filter((name) => !given[name])
      .map(
        (name) =>
          `${name} is not set, and ${production ? 'with NODE_ENV=production nothing takes its place' : `\`${mode}\` needs it: only \`start\` has stand-ins`}`,
      ),
    ...(production && given.ADMIN_API_KEY && given.ADMIN_API_KEY.length < MIN_ADMIN_KEY_LENGTH
      ? [`ADMIN_API_KEY must have at least ${MIN_ADMIN_KEY_LENGTH} characters`]
      : []),
    ...(production && given.FAILPOINTS ? ['FAILPOINTS is set: it is for tests, never for production'] : []),
    ...(given.WORKOS_API_URL && !given.WORKOS_API_KEY && mode !== 'tool' ? ['WORKOS_API_URL is set, but WORKOS_API_KEY is not'] : []),
    ...Object.keys(env)
      .filter((name) => env[name])
      .flatMap(misspelling),
  ];
  if (!parsed.success || faults.length > 0)
    throw new StartError(`The settings are not usable:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
  const set = parsed.data;
  return {
    mode,
    production,
    databaseUrl: set.DATABASE_URL ?? null,
    redisUrl: set.REDIS_URL ?? null,
    workos: set.WORKOS_API_KEY
      ? { apiKey: set.WORKOS_API_KEY, apiUrl: (set.WORKOS_API_URL ?? DEFAULT_WORKOS_API_URL).replace(/\/$/, '') }
      : null,
    webhookSecrets: set.WORKOS_WEBHOOK_SECRET ?? [],
    adminApiKey: set.ADMIN_API_KEY ?? null,
    host: set.HOST,
    port: set.PORT,
    logLevel: set.LOG_LEVEL,
    dataDir: set.DATA_DIR,
    initialImport: set.INITIAL_IMPORT,
    eventRetentionDays: set.EVENT_RETENTION_DAYS,
    failpoints: set.FAILPOINTS ?? null,
    standIns: [
      ...(set.DATABASE_URL ? [] : (['EMBEDDED_POSTGRES'] as const)),
      ...(set.REDIS_URL ? [] : (['IN_PROCESS_WAKE_UP'] as const)),
      ...(set.WORKOS_API_KEY ? [] : (['FAKE_WORKOS'] as const)),
      ...(set.ADMIN_API_KEY ? [] : (['GENERATED_ADMIN_KEY'] as const)),
    ],
  };
}

const OUR_PREFIXES = ['WORKOS_', 'ADMIN_API_', 'INITIAL_', 'EVENT_RETENTION_', 'AUTH_'];
/** Of other software for WorkOS (its SDK, AuthKit), which may share an environment with us. */
const NEIGHBOURS = ['WORKOS_CLIENT_ID', 'WORKOS_REDIRECT_URI', 'WORKOS_COOKIE_PASSWORD'];
const NOT_YET = ['AUTH_JWKS_URL', 'AUTH_ISSUER', 'AUTH_AUDIENCE'];

function misspelling(name: string): string[] {
  if (NAMES.includes(name) || NEIGHBOURS.includes(name)) return [];
  if (NOT_YET.includes(name)) return [`${name} is set, but this version does not accept JWTs yet`];
  const [nearest, distance] = NAMES.map((ours) => [ours, editDistance(name.toUpperCase(), ours)] as const).reduce((a, b) =>
    b[1] < a[1] ? b : a,
  );
  // HOME is two letters from HOST: short names get less room.
  if (distance <= (nearest.length > 4 ? 2 : 1)) return [`${name} is not a setting: did you mean ${nearest}?`];
  return OUR_PREFIXES.some((prefix) => name.startsWith(prefix)) ? [`${name} is not a setting. There are ${NAMES.join(', ')}`] : [];
}
