// Where everything is kept, and what wakes: Postgres by its pools, and Redis where there is one. Migrated when it is open.
import { readHead } from '../changes/head.ts';
import type { Config } from '../config.ts';
import { type OpenDb, openDb } from '../db/client.ts';
import { type DatabaseClock, openDatabaseClock } from '../db/clock.ts';
import { migrate } from '../db/migrate.ts';
import { openPrepared, type Prepared } from '../db/prepared.ts';
import type { Closer } from '../lib/closer.ts';
import type { Logger } from '../log.ts';
import { type ChangeStream, createChangeStream } from '../redis/change-stream.ts';
import { openRedis, type RedisConnections } from '../redis/client.ts';
import { openEmbedded } from '../stand-ins.ts';

const API_POOL = { statementTimeoutMs: 10_000, applicationName: 'access-service api' };
/** Of single users' access: many in a statement. With two at a time the process waited for Postgres now and then, where both share a core. */
const LOOKUP_POOL = { statementTimeoutMs: 5_000, applicationName: 'access-service lookups', size: 3 };
const WORK_POOL = { statementTimeoutMs: 120_000, applicationName: 'access-service work' };

export interface Storage {
  databaseUrl: string;
  /** For the jobs. */
  work: OpenDb;
  /** For callers; that of the jobs where there are none. */
  api: OpenDb;
  /** null: nobody asks here. */
  lookups: Prepared | null;
  logId: string;
  databaseClock: DatabaseClock;
  /** null: this process wakes itself. */
  redis: RedisConnections | null;
  stream: ChangeStream | null;
  /** For rate limits. */
  counters: ReturnType<RedisConnections['openCounters']> | null;
}

export async function openStorage(config: Config, { log, closer }: { log: Logger; closer: Closer }): Promise<Storage> {
  const serves = config.mode !== 'work';
  const databaseUrl = config.databaseUrl ?? (await openEmbedded(config, log, closer));
  await migrate({ url: databaseUrl, log });
  const pool = (options: typeof API_POOL, poolSize: number): OpenDb => {
    const opened = openDb({ url: databaseUrl, log, poolSize, ...options });
    closer.add(options.applicationName, opened.close);
    return opened;
  };
  const work = pool(WORK_POOL, config.workerPoolSize);
  const api = serves ? pool(API_POOL, config.databasePoolSize) : work;
  const lookups = serves ? openPrepared({ url: databaseUrl, log, ...LOOKUP_POOL }) : null;
  if (lookups) closer.add('lookups', lookups.close);
  const { logId } = await readHead(work.db);
  const databaseClock = await openDatabaseClock(work.db, log);
  const redis = config.redisUrl ? openRedis({ url: config.redisUrl, log }) : null;
  if (redis) closer.add('redis', redis.close);
  const stream = redis && createChangeStream({ redis, logId });
  const counters = redis && serves ? redis.openCounters() : null;
  if (counters) closer.add('counters', () => counters.disconnect());
  return { databaseUrl, work, api, lookups, logId, databaseClock, redis, stream, counters };
}
