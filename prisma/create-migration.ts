// Writes a migration from what schema.prisma has and the migrations before it do not: `npm run migrate:new -- NAME`. A NAME that
// exists already is written again in its place: only for one that no database has seen yet.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../src/db/embedded.ts';
import { MIGRATIONS_DIR, migrationList, readMigrations } from '../src/db/migrate.ts';
import { withSchemaEngine } from '../src/db/schema-engine.ts';
import { createLogger } from '../src/log.ts';

const filters = { externalTables: [], externalEnums: [] };

const name = process.argv[2] ?? '';
if (!/^[a-z0-9_]+$/.test(name)) {
  process.stderr.write('usage: npm run migrate:new -- NAME (lower case, digits, _)\n');
  process.exit(2);
}

const all = await readMigrations(MIGRATIONS_DIR);
const existing = all.find((migration) => migration.name.replace(/^\d+_/, '') === name);
const before = existing ? all.filter((migration) => migration.name < existing.name) : all;
const folder = existing?.name ?? `${new Date().toISOString().replace(/\D/g, '').slice(0, 14)}_${name}`;

const content = await readFile(new URL('schema.prisma', import.meta.url), 'utf8');
const dir = join(tmpdir(), `access-service-migration-${process.pid}`);
const postgres = await startEmbeddedPostgres({ dir, log: createLogger('warn'), durable: false });
try {
  const sql = await withSchemaEngine(postgres.url, async (engine) => {
    await engine.applyMigrations({ migrationsList: await migrationList(MIGRATIONS_DIR, before), filters });
    const from = { tag: 'schemaDatasource' as const, files: [{ path: 'schema.prisma', content }], configDir: '' };
    const to = { tag: 'schemaDatamodel' as const, files: [{ path: 'schema.prisma', content }] };
    return (await engine.diff({ from, to, script: true, exitCode: null, filters })).stdout ?? '';
  });
  await mkdir(join(MIGRATIONS_DIR, folder), { recursive: true });
  await writeFile(join(MIGRATIONS_DIR, folder, 'migration.sql'), byCodeUnit(sql));
  process.stdout.write(`prisma/migrations/${folder}/migration.sql\n`);
} finally {
  await postgres.stop();
  await rm(dir, { recursive: true, force: true });
}

/**
 * Text is compared here as in JavaScript, whatever the locale of the server: event ids and versions decide who wins, and
 * ids are the cursors of pages.
 */
function byCodeUnit(sql: string): string {
  const collated = sql.replace(/\bTEXT(\[\])?(?=[ ,]|$)/gm, 'TEXT$1 COLLATE "C"');
  return `-- Every text column is COLLATE "C": see prisma/create-migration.ts.\n${collated}`;
}
