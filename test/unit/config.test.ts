import { describe, expect, it } from 'vitest';
import { loadConfig, type Mode } from '../../src/config.ts';
import { StartError } from '../../src/errors.ts';

const production = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://u:p@db/x',
  REDIS_URL: 'rediss://cache:6379',
  WORKOS_API_KEY: 'sk_live_1',
  ADMIN_API_KEY: 'a-long-enough-admin-key',
};
const faults = (env: Record<string, string>, mode: Mode = 'start'): string => {
  try {
    loadConfig(env, mode);
  } catch (error) {
    if (error instanceof StartError) return error.message;
    throw error;
  }
  return '';
};

it('an empty environment starts with stand-ins, and says which', () => {
  expect(
    loadConfig({ HOME: '/root', PATH: '/bin', REDIS_PORT: 'tcp://10.0.0.1:6379', WORKOS_CLIENT_ID: 'client_1' }, 'start'),
  ).toMatchInlineSnapshot(`
    {
      "adminApiKey": null,
      "applyConcurrency": 3,
      "changeRetentionDays": 30,
      "dataDir": ".data",
      "databasePoolSize": 10,
      "databaseUrl": null,
      "entitlementCacheMb": 128,
      "eventRetentionDays": 30,
      "failpoints": null,
      "health": {
        "thresholds": {
          "cursorStaleSeconds": 120,
          "eventLagSeconds": 30,
          "noLeaderSeconds": 15,
          "relayLagSeconds": 5,
          "silentDirectoryHours": 6,
          "subscriberLagSeconds": 60,
        },
        "windowSeconds": 3600,
      },
      "host": "127.0.0.1",
      "initialImport": "auto",
      "jwt": null,
      "limits": {
        "connectsPerMinute": 12000,
        "failedAuthenticationsPerMinute": 600,
        "operationsPerMinute": 600000,
        "socketsPerCaller": 10000,
        "webhooksPerMinute": 600000,
      },
      "listens": true,
      "logLevel": "info",
      "metricsPort": null,
      "mode": "start",
      "policy": {
        "allowedOrigins": [],
        "introspection": true,
        "persistedOnly": false,
        "trustedProxies": [],
        "webhookAddresses": [],
      },
      "port": 4000,
      "production": false,
      "reactivation": "read",
      "reconcile": {
        "intervalHours": 24,
        "repair": "off",
      },
      "redisUrl": null,
      "shutdownDrainSeconds": 0,
      "standIns": [
        "EMBEDDED_POSTGRES",
        "IN_PROCESS_WAKE_UP",
        "FAKE_WORKOS",
        "GENERATED_ADMIN_KEY",
      ],
      "tracesUrl": null,
      "webhookSecrets": [],
      "workerPoolSize": 8,
      "workos": null,
    }
  `);
});

it('a complete one has none', () => {
  const config = loadConfig(
    { ...production, WORKOS_API_URL: 'http://127.0.0.1:1234/', WORKOS_WEBHOOK_SECRET: 'wh_new, wh_old', PORT: '0', HOST: '::1' },
    'start',
  );
  expect(config).toMatchObject({
    production: true,
    standIns: [],
    workos: { apiKey: 'sk_live_1', apiUrl: 'http://127.0.0.1:1234' },
    webhookSecrets: ['wh_new', 'wh_old'],
    port: 0,
    host: '::1',
  });
});

it('every fault is reported at once, and no value is repeated', () => {
  const message = faults({
    NODE_ENV: 'production',
    DATABASE_URL: 'mysql://root:hunter2@db/x',
    REDIS_URI: 'redis://:hunter2@cache',
    WORKOS_API_KEY: 'sk hunter2',
    WORKOS_API_URL: 'https://user:hunter2@api.workos.com/v1',
    WORKOS_WEBHOOK_SECRET: 'hunter2,,x',
    ADMIN_API_KEY: 'hunter2',
    PORT: '99999',
    LOG_LEVEL: 'loud',
    INITIAL_IMPORT: 'yes',
    EVENT_RETENTION_DAYS: '0',
    HOST: 'no host',
  });
  expect(message).not.toContain('hunter2');
  expect(message).toMatchInlineSnapshot(`
    "The settings are not usable:
      - DATABASE_URL must be a URL that begins with postgres:// or postgresql://
      - WORKOS_API_KEY must not contain spaces or other unprintable characters
      - WORKOS_API_URL must be scheme, host and port only, without a path
      - WORKOS_WEBHOOK_SECRET has an empty part between its commas
      - HOST must be a host name or an address
      - PORT must be a whole number from 0 to 65535
      - LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent
      - INITIAL_IMPORT must be one of auto, off
      - EVENT_RETENTION_DAYS must be a whole number from 1 to 3650
      - REDIS_URL is not set, and with NODE_ENV=production nothing takes its place
      - ADMIN_API_KEY must have at least 16 characters
      - REDIS_URI is not a setting: did you mean REDIS_URL?"
  `);
});

describe('a misspelt name', () => {
  it.each([
    ['DATABSE_URL', 'DATABASE_URL'],
    ['REDIS_URI', 'REDIS_URL'],
    ['WORKOS_APIKEY', 'WORKOS_API_KEY'],
    ['WORKOS_WEBHOOK_SECRETS', 'WORKOS_WEBHOOK_SECRET'],
    ['database_url', 'DATABASE_URL'],
    ['INITIAL_IMPROT', 'INITIAL_IMPORT'],
    ['PORTS', 'PORT'],
  ])('%s: did you mean %s?', (name, meant) =>
    expect(faults({ [name]: 'x' })).toContain(`${name} is not a setting: did you mean ${meant}?`),
  );
  it.each(['WORKOS_SOMETHING_ELSE', 'AUTH_SECRET'])('%s looks like ours and is none', (name) =>
    expect(faults({ [name]: 'x' })).toContain(`${name} is not a setting`),
  );
});

describe('tokens', () => {
  const jwt = { AUTH_JWKS_URL: 'https://id.example/jwks', AUTH_ISSUER: 'https://id.example', AUTH_AUDIENCE: 'access, access-2' };

  it('are accepted with an issuer and audiences, and else as is safe', () =>
    expect(loadConfig(jwt, 'start').jwt).toEqual({
      jwksUrl: 'https://id.example/jwks',
      issuer: 'https://id.example',
      audiences: ['access', 'access-2'],
      algorithms: ['RS256', 'ES256', 'EdDSA'],
      clockToleranceSeconds: 2,
      scopesClaims: ['permissions', 'scope'],
      organizationClaim: 'org_id',
      requireOrganization: true,
    }));

  it('of any issuer are not', () =>
    expect(
      faults({ AUTH_JWKS_URL: 'https://id.example/jwks', AUTH_ALGORITHMS: 'HS256', AUTH_REQUIRE_ORGANIZATION: 'no' }),
    ).toMatchInlineSnapshot(`
      "The settings are not usable:
        - AUTH_ALGORITHMS must be some of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519
        - AUTH_REQUIRE_ORGANIZATION must be one of true, false
        - AUTH_ISSUER is not set, and AUTH_JWKS_URL needs it: a token for somebody else must not open this service
        - AUTH_AUDIENCE is not set, and AUTH_JWKS_URL needs it: a token for somebody else must not open this service"
    `));

  it.each(['none', 'HS512', 'RS256,HS256', 'rs256', 'RS256,'])('are not signed with %s', (AUTH_ALGORITHMS) =>
    expect(faults({ ...jwt, AUTH_ALGORITHMS })).toContain('AUTH_ALGORITHMS'),
  );

  it('have no settings of their own without keys to check them', () =>
    expect(faults({ AUTH_ISSUER: 'x', AUTH_ORGANIZATION_CLAIM: 'org' })).toMatchInlineSnapshot(`
      "The settings are not usable:
        - AUTH_ISSUER is set, but AUTH_JWKS_URL is not
        - AUTH_ORGANIZATION_CLAIM is set, but AUTH_JWKS_URL is not"
    `));

  it('are checked with keys that nobody could alter on their way', () => {
    expect(faults({ ...production, ...jwt, AUTH_JWKS_URL: 'http://id.example/jwks' })).toContain('AUTH_JWKS_URL must begin with https://');
    expect(faults({ ...production, ...jwt, AUTH_JWKS_URL: 'http://127.0.0.1.evil.example/jwks' })).toContain('must begin with https://');
    expect(faults({ ...production, ...jwt, AUTH_JWKS_URL: 'http://127.0.0.1:9000/jwks' })).toBe('');
  });
});

it.each<[Mode, string[]]>([
  ['start', ['DATABASE_URL', 'REDIS_URL', 'WORKOS_API_KEY', 'ADMIN_API_KEY']],
  ['serve', ['DATABASE_URL', 'REDIS_URL', 'WORKOS_API_KEY', 'ADMIN_API_KEY']],
  ['work', ['DATABASE_URL', 'REDIS_URL', 'WORKOS_API_KEY', 'ADMIN_API_KEY']],
  ['tool', ['DATABASE_URL']],
])('production refuses `%s` without %j', (mode, names) => {
  for (const name of names) {
    expect(faults({ ...production, [name]: '' }, mode)).toContain(`${name} is not set`);
  }
  expect(faults(production, mode)).toBe('');
});

it('only `start` has stand-ins for what several processes share', () => {
  expect(faults({}, 'serve')).toContain('REDIS_URL is not set, and `serve` needs it');
  expect(faults({}, 'tool')).toBe('');
  expect(faults({ WORKOS_API_URL: 'http://127.0.0.1:1' })).toContain('WORKOS_API_KEY is not');
});

describe('who may come in', () => {
  it.each([
    [{}, true],
    [{ GRAPHQL_INTROSPECTION: 'off' }, false],
    [production, false],
    [{ ...production, GRAPHQL_INTROSPECTION: 'on' }, true],
  ])('%j: introspection %j', (env, shown) => expect(loadConfig(env, 'start').policy.introspection).toBe(shown));

  it('lists are taken apart', () => {
    const { policy } = loadConfig(
      {
        ALLOWED_ORIGINS: 'https://a.example, http://localhost:3000',
        TRUSTED_PROXIES: '10.0.0.0/8,::1',
        WORKOS_WEBHOOK_ADDRESSES: '203.0.113.7',
        PERSISTED_OPERATIONS: 'only',
      },
      'start',
    );
    expect(policy).toEqual({
      introspection: true,
      persistedOnly: true,
      allowedOrigins: ['https://a.example', 'http://localhost:3000'],
      trustedProxies: ['10.0.0.0/8', '::1'],
      webhookAddresses: ['203.0.113.7'],
    });
  });

  it.each([
    ['ALLOWED_ORIGINS', '*', 'must be origins'],
    ['ALLOWED_ORIGINS', 'https://a.example/', 'must be origins'],
    ['ALLOWED_ORIGINS', 'null', 'must be origins'],
    ['TRUSTED_PROXIES', '10.0.0.0/33', 'must be addresses'],
    ['TRUSTED_PROXIES', 'proxy.internal', 'must be addresses'],
    ['WORKOS_WEBHOOK_ADDRESSES', '1.2.3', 'must be addresses'],
    ['RATE_LIMIT_OPERATIONS', '0', 'must be a whole number'],
    ['SOCKETS_PER_CALLER', '-1', 'must be a whole number'],
    ['GRAPHQL_INTROSPECTION', 'yes', 'must be one of auto, on, off'],
    ['PERSISTED_OPERATIONS', 'off', 'must be one of allow, only'],
  ])('%s=%s is refused', (name, value, fault) => expect(faults({ [name]: value })).toContain(`${name} ${fault}`));

  it.each(['RATE_LIMIT_OPERATION', 'RATE_LIMIT_LOGINS', 'GRAPHQL_PLAYGROUND', 'TRUSTED_PROXY', 'ALLOWED_ORIGIN'])(
    '%s is no setting',
    (name) => expect(faults({ [name]: '1' })).toContain(`${name} is not a setting`),
  );
});
