// The environment, read once and checked whole: every fault is reported at once, and nothing starts half-configured. A name
// that looks like one of ours but is none is a fault too: a misspelt setting must not silently become a stand-in.
// Messages name variables and say what is expected; they never repeat a value, which may be a secret.
import { z } from 'zod';
import { StartError } from './errors.ts';
import { type JwtSettings, jwtFaults, jwtOf } from './jwt-settings.ts';
import { misspelling, NAMES, settings } from './settings.ts';

/** `start`: everything in one process. `serve`, `work`: one part of many. `tool`: a command that needs no more than the database. */
export type Mode = 'start' | 'serve' | 'work' | 'tool';

/** What takes the place of something that is not configured. */
export type StandIn = 'EMBEDDED_POSTGRES' | 'IN_PROCESS_WAKE_UP' | 'FAKE_WORKOS' | 'GENERATED_ADMIN_KEY';

/** Who may come in, and what is shown to them. */
export interface Policy {
  /** Whether the schema shows itself: introspection, suggestions in errors, GraphiQL's page. */
  introspection: boolean;
  /** Nothing but the operations of schema/operations, named by their hash. */
  persistedOnly: boolean;
  /** Of browsers, besides the service's own. */
  allowedOrigins: readonly string[];
  /** Addresses and ranges whose X-Forwarded-For is believed. */
  trustedProxies: readonly string[];
  /** Addresses and ranges that may deliver webhooks; none: all of them. */
  webhookAddresses: readonly string[];
}

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
  /** Tokens of an identity provider; null: none are accepted. See src/auth/jwt.ts. */
  jwt: JwtSettings | null;
  policy: Policy;
  /** See src/server/limits.ts. */
  limits: {
    operationsPerMinute: number;
    connectsPerMinute: number;
    failedAuthenticationsPerMinute: number;
    webhooksPerMinute: number;
    socketsPerCaller: number;
  };
  host: string;
  port: number;
  /** `work` answers nobody; with a PORT it answers probes. */
  listens: boolean;
  logLevel: string;
  dataDir: string;
  initialImport: 'auto' | 'off';
  /** What confirms the memberships of an account that became active again. */
  reactivation: 'read' | 'events';
  eventRetentionDays: number;
  reconcile: { intervalHours: number; repair: 'off' | 'auto' };
  /** Of the change log. */
  changeRetentionDays: number;
  /** Connections to Postgres for callers, and for the jobs. */
  databasePoolSize: number;
  workerPoolSize: number;
  /** Organizations whose events are applied at a time. */
  applyConcurrency: number;
  /** For access that was read, so that only what has altered is read again; see src/entitlements/kept-access.ts. */
  entitlementCacheMb: number;
  /** From "not ready" until connections are closed. */
  shutdownDrainSeconds: number;
  /** For tests of faults (lib/failpoint.ts); null in production. */
  failpoints: string | null;
  /** On the loopback, without a key; null: on the main port, for callers that see the whole. */
  metricsPort: number | null;
  /** Where traces go, over OTLP/HTTP; null: there are none. */
  tracesUrl: string | null;
  /** What sync-health calls a problem, and over which time it measures; see src/ops/health-assess.ts. */
  health: {
    windowSeconds: number;
    thresholds: {
      eventLagSeconds: number;
      relayLagSeconds: number;
      cursorStaleSeconds: number;
      subscriberLagSeconds: number;
      noLeaderSeconds: number;
      silentDirectoryHours: number;
    };
  };
  standIns: readonly StandIn[];
}

export const DEFAULT_WORKOS_API_URL = 'https://api.workos.com';
/** Of ADMIN_API_KEY in production: it opens everything. */
const MIN_ADMIN_KEY_LENGTH = 16;

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
    ...(mode === 'tool' ? [] : jwtFaults(given, production)),
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
    jwt: jwtOf(set),
    policy: {
      introspection: set.GRAPHQL_INTROSPECTION === 'auto' ? !production : set.GRAPHQL_INTROSPECTION === 'on',
      persistedOnly: set.PERSISTED_OPERATIONS === 'only',
      allowedOrigins: set.ALLOWED_ORIGINS,
      trustedProxies: set.TRUSTED_PROXIES,
      webhookAddresses: set.WORKOS_WEBHOOK_ADDRESSES,
    },
    limits: {
      operationsPerMinute: set.RATE_LIMIT_OPERATIONS,
      connectsPerMinute: set.RATE_LIMIT_CONNECTS,
      failedAuthenticationsPerMinute: set.RATE_LIMIT_FAILED_AUTH,
      webhooksPerMinute: set.RATE_LIMIT_WEBHOOKS,
      socketsPerCaller: set.SOCKETS_PER_CALLER,
    },
    host: set.HOST,
    port: set.PORT,
    listens: mode !== 'work' || given.PORT !== undefined,
    logLevel: set.LOG_LEVEL,
    dataDir: set.DATA_DIR,
    initialImport: set.INITIAL_IMPORT,
    reactivation: set.REACTIVATION,
    eventRetentionDays: set.EVENT_RETENTION_DAYS,
    reconcile: { intervalHours: set.RECONCILE_INTERVAL_HOURS, repair: set.RECONCILE_REPAIR },
    changeRetentionDays: set.CHANGE_RETENTION_DAYS,
    databasePoolSize: set.DATABASE_POOL_SIZE,
    workerPoolSize: set.WORKER_POOL_SIZE,
    applyConcurrency: set.APPLY_CONCURRENCY,
    entitlementCacheMb: set.ENTITLEMENT_CACHE_MB,
    shutdownDrainSeconds: set.SHUTDOWN_DRAIN_SECONDS,
    failpoints: set.FAILPOINTS ?? null,
    metricsPort: set.METRICS_PORT ?? null,
    tracesUrl: set.OTEL_EXPORTER_OTLP_ENDPOINT ? `${set.OTEL_EXPORTER_OTLP_ENDPOINT.replace(/\/$/, '')}/v1/traces` : null,
    health: {
      windowSeconds: set.HEALTH_WINDOW_SECONDS,
      thresholds: {
        eventLagSeconds: set.HEALTH_EVENT_LAG_SECONDS,
        relayLagSeconds: set.HEALTH_RELAY_LAG_SECONDS,
        cursorStaleSeconds: set.HEALTH_CURSOR_STALE_SECONDS,
        subscriberLagSeconds: set.HEALTH_SUBSCRIBER_LAG_SECONDS,
        noLeaderSeconds: set.HEALTH_NO_LEADER_SECONDS,
        silentDirectoryHours: set.HEALTH_SILENT_DIRECTORY_HOURS,
      },
    },
    standIns: [
      ...(set.DATABASE_URL ? [] : (['EMBEDDED_POSTGRES'] as const)),
      ...(set.REDIS_URL ? [] : (['IN_PROCESS_WAKE_UP'] as const)),
      ...(set.WORKOS_API_KEY ? [] : (['FAKE_WORKOS'] as const)),
      ...(set.ADMIN_API_KEY ? [] : (['GENERATED_ADMIN_KEY'] as const)),
    ],
  };
}
