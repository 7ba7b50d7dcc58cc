// JSON lines through pino. Personal data and secrets are kept out by two means: nobody logs payloads, and these paths
// are redacted wherever they turn up all the same.
import { type Logger, pino } from 'pino';

export type { Logger } from 'pino';

const REDACTED = ['authorization', 'apiKey', 'secret', 'password', 'token', 'email', 'payload', 'raw', 'databaseUrl', 'redisUrl'];

export function createLogger(level: string, destination?: { write(line: string): void }): Logger {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: REDACTED.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: '[redacted]' },
  };
  return destination ? pino(options, destination) : pino(options);
}
