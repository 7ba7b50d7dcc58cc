import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { MIGRATIONS_DIR, migrate, readMigrations } from '../../../src/db/migrate.ts';
import { withSchemaEngine } from '../../../src/db/schema-engine.ts';
import { StartError } from '../../../src/errors.ts';
import { createLogger } from '../../../src/log.ts';
import { createTestDatabase, execute } from '../../support/postgres.ts';

const log = createLogger('silent');
const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

async function database(options?: { empty?: boolean }): Promise<string> {
  const { url, drop } = await createTestDatabase(options);
  undo.push(drop);
  return url;
}

/** A copy of the migrations with one more. */
async function migrationsWith(name: string, sql: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'migrations-'));
  undo.push(() => rm(dir, { recursive: true }));
  await cp(MIGRATIONS_DIR, dir, { recursive: true });
  await mkdir(join(dir, name));
  await writeFile(join(dir, name, 'migration.sql'), sql);
  return dir;
}

const refusal = async (url: string, migrationsDir = MIGRATIONS_DIR): Promise<string> => {
  const error = await migrate({ url, log, migrationsDir }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(StartError);
  const { message } = error as StartError;
  expect(message).not.toContain(new URL(url).password);
  return message;
};

async function differenceFromSchema(url: string): Promise<string> {
  const files = [{ path: 'schema.prisma', content: await readFile('prisma/schema.prisma', 'utf8') }];
  const { stdout } = await withSchemaEngine(url, (engine) =>
    engine.diff({
      from: { tag: 'schemaDatasource', files, configDir: '' },
      to: { tag: 'schemaDatamodel', files },
      script: true,
      exitCode: null,
      filters: { externalTables: [], externalEnums: [] },
    }),
  );
  return stdout?.trim() ?? '';
}

test('the migrations make exactly what schema.prisma describes', async () => {
  const url = await database();
  expect(await differenceFromSchema(url)).toBe('-- This is an empty migration.');

  await execute(url, 'ALTER TABLE directory_user ADD COLUMN planted int');
  expect(await differenceFromSchema(url)).toContain('DROP COLUMN "planted"');
  await execute(url, 'ALTER TABLE directory_user DROP COLUMN planted');
  await execute(url, 'DROP INDEX directory_user_email_idx');
  expect(await differenceFromSchema(url)).toContain('CREATE INDEX "directory_user_email_idx"');
});

const NOT_BY_CODE_UNIT = `
  SELECT c.relname || '.' || a.attname AS "column"
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> '_prisma_migrations'
    AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid IN ('text'::regtype, 'text[]'::regtype)
    AND a.attcollation <> '"C"'::regcollation`;

test('text is compared by code unit in every column', async () => {
  const url = await database();
  expect((await execute(url, NOT_BY_CODE_UNIT)).rows).toEqual([]);
  await execute(url, 'ALTER TABLE directory_user ADD COLUMN planted text');
  expect((await execute(url, NOT_BY_CODE_UNIT)).rows).toEqual([{ column: 'directory_user.planted' }]);
});

test('of several instances that migrate at once one does it, and all find it done', async () => {
  const url = await database({ empty: true });
  const results = await Promise.all(Array.from({ length: 4 }, () => migrate({ url, log })));
  const names = (await readMigrations(MIGRATIONS_DIR)).map(({ name }) => name);
  expect(results.map(({ applied }) => applied).filter((applied) => applied.length > 0)).toEqual([names]);
  expect((await execute(url, 'SELECT id, position FROM change_log_head')).rows).toEqual([{ id: 1, position: '0' }]);
  expect((await execute(url, 'SELECT log_id FROM change_log_head')).rows[0].log_id).toMatch(/^[0-9a-z]{12}$/);
});

test('a start with nothing to do waits for nobody', async () => {
  const url = await database();
  const other = new pg.Client({ connectionString: url });
  await other.connect();
  undo.push(() => other.end());
  await other.query("SELECT pg_advisory_lock(hashtextextended('access-service/migrate', 0))");
  expect(await migrate({ url, log })).toEqual({ applied: [] });
});

test('a later migration is applied on top, comments and semicolons and all', async () => {
  const url = await database();
  const sql = "-- one; two\nCREATE TABLE later (a text DEFAULT ';');\nDO $$ BEGIN PERFORM 1; END $$;";
  const dir = await migrationsWith('29990101000000_later', sql);
  expect(await migrate({ url, log, migrationsDir: dir })).toEqual({ applied: ['29990101000000_later'] });
  expect(await migrate({ url, log, migrationsDir: dir })).toEqual({ applied: [] });
  expect(await refusal(url)).toMatch(/^The database at .+ cannot be used: it was migrated by a newer version .*29990101000000_later.*\.$/);
});

test('a migration that fails leaves nothing behind but its record, and the next start says so', async () => {
  const url = await database();
  const dir = await migrationsWith('29990101000000_bad', 'CREATE TABLE half (a int); SELECT 1/0;');
  expect(await refusal(url, dir)).toMatch(/^The database at .+ could not be migrated: ERROR: division by zero\.$/);
  expect((await execute(url, "SELECT to_regclass('half') AS half")).rows).toEqual([{ half: null }]);
  expect(await refusal(url, dir)).toContain('29990101000000_bad has failed before (ERROR: division by zero)');
});

test('a migration whose process died is done again', async () => {
  const url = await database();
  const dir = await migrationsWith('29990101000000_next', 'CREATE TABLE next (a int);');
  await execute(
    url,
    `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, applied_steps_count)
     VALUES ('00000000-0000-0000-0000-000000000000', 'x', '29990101000000_next', now(), 0)`,
  );
  expect(await migrate({ url, log, migrationsDir: dir })).toEqual({ applied: ['29990101000000_next'] });
  expect(await migrate({ url, log, migrationsDir: dir })).toEqual({ applied: [] });
});

test('a damaged history is refused', async () => {
  const url = await database();
  await execute(url, `UPDATE _prisma_migrations SET checksum = 'edited' WHERE migration_name LIKE '%_init'`);
  expect(await refusal(url)).toMatch(/history is damaged \(\d+_init was applied with another content/);
  const other = await database();
  await execute(other, `DELETE FROM _prisma_migrations WHERE migration_name LIKE '%_init'`);
  expect(await refusal(other)).toMatch(/history is damaged \(.*_init before it was not\)/);
});

test('a database that belongs to something else is refused and left alone', async () => {
  const url = await database({ empty: true });
  await execute(url, 'CREATE TABLE customer (id int)');
  expect(await refusal(url)).toContain('it holds tables but no migration history of this service');
  expect((await execute(url, "SELECT to_regclass('_prisma_migrations') AS history")).rows).toEqual([{ history: null }]);
});

test('a database that does not answer or refuses us is named, the password is not', async () => {
  const url = await database();
  const changed = (part: 'port' | 'password' | 'pathname', value: string) => Object.assign(new URL(url), { [part]: value }).href;
  const place = `127.0.0.1:${new URL(url).port}`;
  expect(await refusal(changed('port', '1'))).toMatch(/^The database at 127\.0\.0\.1:1\/\w+ does not answer .+DATABASE_URL/);
  expect(await refusal(changed('password', 'wrong-one'))).toContain(`at ${place}`);
  expect(await refusal(changed('pathname', '/nowhere'))).toContain(`${place}/nowhere does not exist`);
});
