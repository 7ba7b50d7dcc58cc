// A company for the benchmark: made once per size and version of the tables, checked, kept under .data/bench, and copied for
// whoever asks, so that every scenario may alter its copy.
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { MIGRATIONS_DIR, migrate, readMigrations } from '../../src/db/migrate.ts';
import { createLogger } from '../../src/log.ts';
import { inDatabase, openBenchPostgres, withClient } from './bench-postgres.ts';
import { checkDataset } from './dataset-check.ts';
import { fillDatabase } from './dataset-rows.ts';

export interface Dataset {
  url: string;
  /** Drops the copy, and stops the server when nobody else uses it. */
  close(): Promise<void>;
}

export async function openDataset({ users, say }: { users: number; say: (text: string) => void }): Promise<Dataset> {
  const server = await openBenchPostgres(say);
  try {
    const template = `kept_${users}_${await hashOfVersion()}`;
    await dropWhatIsLeft(server.url, template);
    if (!(await exists(server.url, template))) await make(server.url, template, users, say);
    const name = `copy_${process.pid}_${randomBytes(4).toString('hex')}`;
    await execute(server.url, `CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY file_copy`);
    const url = inDatabase(server.url, name);
    // A log of its own, as in any two databases that were not copied.
    await execute(url, `UPDATE change_log_head SET log_id = '${randomBytes(6).toString('hex')}'`);
    return {
      url,
      async close() {
        await execute(server.url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
        await server.close();
      },
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}

const execute = (url: string, sql: string): Promise<unknown> => withClient(url, (client) => client.query(sql));

async function exists(url: string, name: string): Promise<boolean> {
  const { rowCount } = await withClient(url, (client) => client.query('SELECT FROM pg_database WHERE datname = $1', [name]));
  return rowCount === 1;
}

/** Under another name until it is whole, so that an interrupted run leaves nothing that looks complete. */
async function make(url: string, template: string, users: number, say: (text: string) => void): Promise<void> {
  const startedAt = performance.now();
  const unfinished = `making_${process.pid}_${randomBytes(4).toString('hex')}`;
  await execute(url, `CREATE DATABASE ${unfinished}`);
  const made = inDatabase(url, unfinished);
  await migrate({ url: made, log: createLogger('warn') });
  await withClient(made, (client) => fillDatabase(client, { users, say: (text) => say(`data: ${text}`) }));
  const { permissions, paths } = await checkDataset(made, users);
  await execute(url, `ALTER DATABASE ${unfinished} RENAME TO ${template}`);
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  say(`data: made in ${seconds} s; on average ${permissions.toFixed(1)} permissions by ${paths.toFixed(1)} paths`);
}

/** The tables, and how they are filled. */
async function hashOfVersion(): Promise<string> {
  const hash = createHash('sha256');
  for (const { sql } of await readMigrations(MIGRATIONS_DIR)) hash.update(sql);
  hash.update(await readFile(fileURLToPath(new URL('dataset-rows.ts', import.meta.url))));
  return hash.digest('hex').slice(0, 12);
}

/** Of runs that were cut off, and of other versions. The server is ours alone. */
async function dropWhatIsLeft(url: string, template: string): Promise<void> {
  const version = template.slice(template.lastIndexOf('_') + 1);
  await withClient(url, async (client) => {
    const { rows } = await client.query<{ name: string }>(`SELECT datname AS name FROM pg_database WHERE datname ~ '^(kept|copy|making)_'`);
    for (const { name } of rows) {
      const [kind, owner] = name.split('_');
      const isOurs = kind === 'kept' ? name.endsWith(`_${version}`) : Number(owner) === process.pid;
      if (!isOurs) await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    }
  });
}
