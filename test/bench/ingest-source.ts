// Where the events of the ingest scenarios come from and go to: the fake WorkOS with a history, or a company of any size, as a
// process on the load's core; and for each run a database of its own, migrated and with the catalog applied, copied from one that
// was made once.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openDb } from '../../src/db/client.ts';
import { migrate } from '../../src/db/migrate.ts';
import { applyCatalog } from '../../src/entitlements/catalog.ts';
import type { CatalogInput } from '../../src/entitlements/catalog-plan.ts';
import { freePort } from '../../src/lib/free-port.ts';
import { createLogger } from '../../src/log.ts';
import { CLI } from '../support/service-process.ts';
import { inDatabase, openBenchPostgres, withClient } from './bench-postgres.ts';
import { type CompanySize, countOf, eventIdOf } from './ingest-company.ts';

const COMPANY = fileURLToPath(new URL('company-process.ts', import.meta.url));

export interface EventSource {
  url: string;
  /** Of the newest event. */
  lastEventId: string;
  stop(): Promise<void>;
}

export async function startCompany(size: CompanySize): Promise<EventSource> {
  const child = spawn(process.execPath, [COMPANY, JSON.stringify(size)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = (await until(child, 'company at')).split(' ').at(-1);
  return { url: `http://127.0.0.1:${port}`, lastEventId: eventIdOf(countOf(size) - 1), stop: () => end(child) };
}

/** Everything in the file has happened already. */
export async function startHistory(file: string, lastEventId: string): Promise<EventSource> {
  const port = await freePort();
  const child = spawn(process.execPath, ['--max-old-space-size=8000', CLI, 'fake-workos', '--events', file, '--port', String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await until(child, 'FAKE WorkOS at');
  return { url: `http://127.0.0.1:${port}`, lastEventId, stop: () => end(child) };
}

/** Until a line of its output begins like this; the rest is thrown away. */
export async function until(child: ChildProcess, words: string): Promise<string> {
  const output = createInterface({ input: child.stdout as NonNullable<typeof child.stdout> });
  const ended = once(child, 'exit').then(() => Promise.reject(new Error(`a process ended before it said "${words}"`)));
  const said = new Promise<string>((resolve) => {
    output.on('line', (line) => {
      if (line.trim().startsWith(words)) resolve(line.trim());
    });
  });
  return Promise.race([said, ended]);
}

export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const impatient = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await exited;
  clearTimeout(impatient);
}

export interface Databases {
  /** A new one, with the catalog and nothing else. */
  create(): Promise<string>;
  drop(url: string): Promise<void>;
  close(): Promise<void>;
}

export async function openDatabases(catalog: CatalogInput, say: (text: string) => void): Promise<Databases> {
  const server = await openBenchPostgres(say);
  const prefix = `ingest_${process.pid}_${randomBytes(4).toString('hex')}`;
  const template = `${prefix}_template`;
  const execute = (sql: string): Promise<unknown> => withClient(server.url, (client) => client.query(sql));
  const drop = (name: string): Promise<unknown> => execute(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  const names = new Set<string>([template]);
  await execute(`CREATE DATABASE ${template}`);
  const url = inDatabase(server.url, template);
  await migrate({ url, log: createLogger('warn') });
  const { db, close } = openDb({ url, poolSize: 2, statementTimeoutMs: 60_000, applicationName: 'benchmark' });
  await applyCatalog(db, { catalog, dryRun: false, prune: false, actor: 'benchmark', tenant: null });
  await close();
  return {
    async create() {
      const name = `${prefix}_${names.size}`;
      names.add(name);
      await execute(`CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY file_copy`);
      // What the run before has left to be written is not to be paid for by this one.
      await execute('CHECKPOINT');
      const copy = inDatabase(server.url, name);
      // A log of its own, as in any two databases that were not copied: streams are kept apart by it.
      await withClient(copy, (client) => client.query(`UPDATE change_log_head SET log_id = '${randomBytes(6).toString('hex')}'`));
      return copy;
    },
    drop: async (of) => void (await drop(new URL(of).pathname.slice(1))),
    async close() {
      for (const name of names) await drop(name);
      await server.close();
    },
  };
}
