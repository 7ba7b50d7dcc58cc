// JSON lines through pino. Personal data and secrets are kept out by three means: nobody logs payloads; errors and texts lose
// what they quote (lib/scrub.ts); and these keys are redacted wherever they turn up all the same.
import { type Logger, pino } from 'pino';
import { scrubError, scrubText } from './lib/scrub.ts';

export type { Logger } from 'pino';

const REDACTED = [
  ...['authorization', 'apiKey', 'secret', 'secrets', 'password', 'token', 'confirmToken', 'signature', 'cookie', 'headers'],
  ...['payload', 'raw', 'body', 'variables', 'query', 'databaseUrl', 'redisUrl', 'connectionString'],
  ...['email', 'firstName', 'lastName', 'displayName', 'customAttributes'],
  ...['first_name', 'last_name', 'display_name', 'custom_attributes', 'idp_id', 'idpId'],
];

const scrubbed = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, shown(value)]));

function shown(value: unknown): unknown {
  if (typeof value === 'string') return scrubText(value);
  return value instanceof Error ? scrubError(value) : value;
}

export function createLogger(level: string, destination?: { write(line: string): void }): Logger {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }), log: scrubbed },
    serializers: { err: shown, error: shown },
    redact: { paths: REDACTED.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: '[redacted]' },
  };
  return destination ? pino(options, destination) : pino(options);
}
