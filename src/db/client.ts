// The only place that builds a PrismaClient. Every wait of the pool is bounded, so that an exhausted pool or a stuck
// statement becomes an error and never a caller that hangs. The API and the workers open one pool each: load from users
// cannot starve the sync.
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { type Prisma, PrismaClient } from '../../prisma/generated/client/client.ts';
import type { Logger } from '../log.ts';
import { directStatements } from './direct.ts';

export { Prisma } from '../../prisma/generated/client/client.ts';

export type Db = PrismaClient;
export type Tx = Prisma.TransactionClient;

export interface DbOptions {
  url: string;
  poolSize: number;
  statementTimeoutMs: number;
  /** Shown in pg_stat_activity. */
  applicationName: string;
  log?: Logger;
}

export interface OpenDb {
  db: Db;
  close(): Promise<void>;
  /** Milliseconds of one round trip; rejects when there is no answer in time. */
  ping(): Promise<number>;
  use(): PoolUse;
}

/** Connections of a pool, and requests that wait for one. */
export interface PoolUse {
  busy: number;
  idle: number;
  waiting: number;
  max: number;
}

const CONNECT_TIMEOUT_MS = 5_000;
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 60_000;
const PING_TIMEOUT_MS = 3_000;

export function openDb(options: DbOptions): OpenDb {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.poolSize,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: options.statementTimeoutMs,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    keepAlive: true,
    // Statements of a transaction that do not wait for each other's answers travel together, and are done in their order.
    pipeline: true,
    application_name: options.applicationName,
    // The adapter takes every timestamptz for UTC, whatever offset the server prints.
    onConnect: (client) => client.query("SET TIME ZONE 'UTC'"),
  });
  // A connection that dies while nobody uses it is replaced by the next query; an unheard error would end the process.
  const onConnectionLost = (error: Error) => options.log?.warn({ err: error.message }, 'a database connection was lost');
  const adapter = new PrismaPg(pool, {
    disposeExternalPool: true,
    onPoolError: onConnectionLost,
    onConnectionError: onConnectionLost,
  });
  const direct = directStatements(pool, adapter);
  const db = direct.wrap(new PrismaClient({ adapter: direct.factory }));
  pool.on('error', onConnectionLost);

  return {
    db,
    use: () => ({ busy: pool.totalCount - pool.idleCount, idle: pool.idleCount, waiting: pool.waitingCount, max: options.poolSize }),
    close: () => db.$disconnect().then(() => (pool.ended ? undefined : pool.end())),
    async ping() {
      const startedAt = performance.now();
      await withinMs(db.$queryRaw`SELECT 1`, PING_TIMEOUT_MS);
      return performance.now() - startedAt;
    },
  };
}

/** A frozen server neither answers nor closes, and its own statement_timeout is frozen with it. */
async function withinMs(answer: Promise<unknown>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`The database did not answer within ${timeoutMs} ms.`)), timeoutMs);
  });
  await Promise.race([answer, timeout]).finally(() => clearTimeout(timer));
}
