// Real Postgres for tests. One server per run (started by global-setup.ts; by the first caller in a script or a lone file), in
// it a template that is migrated once, and a clone of that for every test file.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbeddedPostgres } from '../../src/db/embedded.ts';
import { migrate } from '../../src/db/migrate.ts';
import { createLogger } from '../../src/log.ts';

/** How global-setup.ts tells the workers where the server is. */
export const SERVER_VARIABLE = 'ACCESS_TEST_POSTGRES';
const TEMPLATE = 'access_template';

export interface TestDatabase {
  url: string;
  drop(): Promise<void>;
}

export interface TestPostgres {
  /** Of the administrative database. */
  url: string;
  stop(): Promise<void>;
}

export async function startTestPostgres(): Promise<TestPostgres> {
  const log = createLogger('warn');
  const parent = await mkdtemp(join(tmpdir(), 'access-test-'));
  const { chmod } = await import('node:fs/promises');
  await chmod(parent, 0o755); // the server may run under another account
  const server = await startEmbeddedPostgres({ dir: join(parent, 'postgres'), log, durable: false });
  const url = withDatabase(server.url, 'postgres');
  await execute(url, `CREATE DATABASE ${TEMPLATE}`);
  await migrate({ url: withDatabase(url, TEMPLATE), log });
  return {
    url,
    async stop() {
      await server.stop();
      await rm(parent, { recursive: true, force: true });
    },
  };
}

let own: { server: Promise<TestPostgres>; databases: number } | undefined;

/**
 * A migrated, empty database of its own. `empty: true`: without any table. `alone`: on a server that other files do not use, whose
 * open transactions hold back what Postgres takes for dead also elsewhere.
 */
export async function createTestDatabase({ empty = false, alone = false } = {}): Promise<TestDatabase> {
  const shared = alone ? undefined : process.env[SERVER_VARIABLE];
  if (!shared) {
    own ??= { server: startTestPostgres(), databases: 0 };
    own.databases += 1;
  }
  const admin = shared ?? (await (own as NonNullable<typeof own>).server).url;
  const name = `test_${randomBytes(8).toString('hex')}`;
  await execute(admin, `CREATE DATABASE ${name} TEMPLATE ${empty ? 'template0' : TEMPLATE}`);
  const url = withDatabase(admin, name);
  // A log of its own, as in any two databases that were not cloned.
  if (!empty) await execute(url, `UPDATE change_log_head SET log_id = '${randomBytes(6).toString('hex')}'`);
  return {
    url,
    async drop() {
      await execute(admin, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      if (shared || !own) return;
      own.databases -= 1;
      if (own.databases > 0) return;
      const { server } = own;
      own = undefined;
      await (await server).stop();
    },
  };
}

/** One statement on a connection of its own. */
export async function execute(url: string, sql: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await client.query(sql);
  } finally {
    await client.end();
  }
}

function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}
