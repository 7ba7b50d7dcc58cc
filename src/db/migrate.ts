// Brings the database to the schema of this version, or refuses. Reads prisma/migrations, writes through Prisma's own
// engine and its table `_prisma_migrations`, so `prisma migrate` sees the same history. Any number of instances may start at
// once: one of them migrates under an advisory lock, the others wait and find it done.
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { MigrationList } from '@prisma/schema-engine-wasm';
import type pg from 'pg';
import { messageOf, StartError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { connect, placeOf } from './connect.ts';
import { type AppliedMigration, type HistoryVerdict, judgeHistory, type LocalMigration, reasonIn } from './migration-history.ts';
import { withSchemaEngine } from './schema-engine.ts';

export const MIGRATIONS_DIR = fileURLToPath(new URL('../../prisma/migrations', import.meta.url));

export interface MigrateOptions {
  url: string;
  log: Logger;
  /** Another folder of migrations; for tests. */
  migrationsDir?: string;
}

const LOCK = "SELECT pg_advisory_lock(hashtextextended('access-service/migrate', 0))";
const LOCK_TIMEOUT_MS = 300_000;

const HISTORY_EXISTS = `SELECT to_regclass('_prisma_migrations') IS NOT NULL AS "exists"`;
const HISTORY = `
  SELECT migration_name AS "name", checksum, finished_at IS NOT NULL AS finished, logs
  FROM _prisma_migrations WHERE rolled_back_at IS NULL ORDER BY started_at`;
/** Tables of extensions do not count. */
const HAS_TABLES = `
  SELECT EXISTS (
    SELECT FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
      AND c.relname <> '_prisma_migrations'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
  ) AS "exists"`;

export async function migrate(options: MigrateOptions): Promise<{ applied: string[] }> {
  const { url, log, migrationsDir = MIGRATIONS_DIR } = options;
  const local = await readMigrations(migrationsDir);
  const client = await connect(url, 'access-service migrate');
  try {
    // The quick way of every start but the first: nothing to do, no lock, no engine.
    if ((await verdictOn(client, local)).kind === 'current') return { applied: [] };
    await client.query(`SET lock_timeout = ${LOCK_TIMEOUT_MS}`);
    await client.query(LOCK);
    const verdict = await verdictOn(client, local);
    if (verdict.kind === 'current') return { applied: [] };
    if (verdict.kind !== 'behind') throw new StartError(`The database at ${placeOf(url)} cannot be used: ${verdict.problem}.`);
    const applied = await apply(url, migrationsDir, local, verdict.interrupted);
    log.info({ applied }, 'the database was migrated');
    return { applied };
  } finally {
    await client.end();
  }
}

async function apply(url: string, dir: string, local: readonly LocalMigration[], interrupted: readonly string[]): Promise<string[]> {
  try {
    return await withSchemaEngine(url, async (engine) => {
      for (const migrationName of interrupted) await engine.markMigrationRolledBack({ migrationName });
      const { appliedMigrationNames } = await engine.applyMigrations({
        migrationsList: await migrationList(dir, local),
        filters: { externalTables: [], externalEnums: [] },
      });
      return appliedMigrationNames;
    });
  } catch (error) {
    throw new StartError(`The database at ${placeOf(url)} could not be migrated: ${reasonIn(messageOf(error))}.`, { cause: error });
  }
}

async function verdictOn(client: pg.Client, local: readonly LocalMigration[]): Promise<HistoryVerdict> {
  const [history] = (await client.query<{ exists: boolean }>(HISTORY_EXISTS)).rows;
  const applied = history?.exists ? (await client.query<AppliedMigration>(HISTORY)).rows : [];
  const [tables] = (await client.query<{ exists: boolean }>(HAS_TABLES)).rows;
  return judgeHistory(local, applied, tables?.exists ?? false);
}

/** In order of name, which begins with the time of making. */
export async function readMigrations(dir: string): Promise<LocalMigration[]> {
  const entries = await readdir(dir, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(names.sort().map(async (name) => ({ name, sql: await readFile(`${dir}/${name}/migration.sql`, 'utf8') })));
}

/** The engine's form of the folder. */
export async function migrationList(dir: string, local: readonly LocalMigration[]): Promise<MigrationList> {
  return {
    baseDir: dir,
    lockfile: { path: 'migration_lock.toml', content: await readFile(`${dir}/migration_lock.toml`, 'utf8') },
    shadowDbInitScript: '',
    migrationDirectories: local.map(({ name, sql }) => ({
      path: name,
      migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: sql } },
    })),
  };
}
