// A few connections for the statements that run thousands of times a second: straight on the driver, prepared once per
// connection, answered with one text. Everything else goes through Prisma (client.ts), which costs several times as much.
import pg from 'pg';
import type { Logger } from '../log.ts';
import type { PoolUse } from './client.ts';

export interface PreparedStatement {
  /** Of the statement within its connection. */
  name: string;
  /** One row with one column. */
  text: string;
}

export interface Prepared {
  /** The connections, and so the statements under way at a time. */
  size: number;
  /** `values` is called when a connection is there, at the moment of sending. null: SQL's NULL, or no row. */
  run(statement: PreparedStatement, values: () => unknown[]): Promise<string | null>;
  use(): PoolUse;
  close(): Promise<void>;
}

export interface PreparedOptions {
  url: string;
  size: number;
  statementTimeoutMs: number;
  applicationName: string;
  log?: Logger;
}

const CONNECT_TIMEOUT_MS = 5_000;
/** A frozen server cannot keep to its own statement_timeout: after so long beyond it the connection is given up. */
const GRACE_MS = 1_000;

/** The text that the server sent, whatever the type. */
const AS_TEXT = { getTypeParser: () => (text: string) => text } as unknown as pg.CustomTypesConfig;

export function openPrepared({ url, size, statementTimeoutMs, applicationName, log }: PreparedOptions): Prepared {
  const pool = new pg.Pool({
    connectionString: url,
    max: size,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + GRACE_MS,
    keepAlive: true,
    application_name: applicationName,
    // The plan for any number of keys: one that is made for this many could read a table from end to end.
    onConnect: (client) => client.query('SET plan_cache_mode = force_generic_plan'),
  });
  const onConnectionLost = (error: Error) => log?.warn({ err: error.message }, 'a database connection was lost');
  pool.on('error', onConnectionLost);
  // Lost while it is in use: the statement fails, and says why. An unheard error would end the process.
  pool.on('connect', (client) => client.on('error', () => {}));
  let closed: Promise<void> | undefined;

  return {
    size,
    use: () => ({ busy: pool.totalCount - pool.idleCount, idle: pool.idleCount, waiting: pool.waitingCount, max: size }),
    close() {
      closed ??= pool.end();
      return closed;
    },
    async run({ name, text }, values) {
      const client = await pool.connect();
      try {
        const { rows } = await client.query<[string | null]>({ name, text, values: values(), rowMode: 'array', types: AS_TEXT });
        client.release();
        return rows[0]?.[0] ?? null;
      } catch (error) {
        // Only after a statement that the server refused can the connection be used again.
        client.release(!(error instanceof pg.DatabaseError && error.severity === 'ERROR'));
        throw error;
      }
    },
  };
}
