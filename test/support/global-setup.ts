// Once per run: the Postgres that all test files share, and a Redis program to start. Fails at once, with a reason, when
// one cannot be had.
import { SERVER_VARIABLE, startTestPostgres } from './postgres.ts';
import { findRedisServer } from './redis.ts';

export async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env[SERVER_VARIABLE]) return undefined; // another project of the same run was first
  if (!process.env.REDIS_URL) await findRedisServer();
  const postgres = await startTestPostgres();
  process.env[SERVER_VARIABLE] = postgres.url;
  return async () => {
    delete process.env[SERVER_VARIABLE];
    await postgres.stop();
  };
}
