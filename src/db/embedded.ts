// A real Postgres of our own for machines that have none: data in `dir`, kept between starts, on a free port of
// 127.0.0.1, with a password that only the owner of `dir` can read. It ends when this process does, however that went. One
// running process per directory.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chown, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { StartError } from '../errors.ts';
import { sleep } from '../lib/sleep.ts';
import { type GuardedProcess, spawnGuarded } from '../lib/spawn-guarded.ts';
import type { Logger } from '../log.ts';
import { type Account, postgresAccount } from './embedded-account.ts';
import { findPostgresBinaries, type PostgresBinaries } from './embedded-binaries.ts';
import { endOfOwner } from './embedded-owner.ts';

export interface EmbeddedPostgresOptions {
  dir: string;
  log: Logger;
  /** false: a crash of the machine may cost everything; for tests. */
  durable?: boolean;
}

export interface EmbeddedPostgres {
  url: string;
  stop(): Promise<void>;
}

const USER = 'access';
const DATABASE = 'access_service';
const PASSWORD_FILE = 'access-service.password';
const READY = 'database system is ready to accept connections';
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;

const NOT_DURABLE = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'max_wal_size=4GB'];

export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { log, durable = true } = options;
  const dir = resolve(options.dir);
  const binaries = await findPostgresBinaries();
  const account = await postgresAccount(dir);
  if (!(await exists(join(dir, 'PG_VERSION')))) await initialise(dir, binaries, account, durable);
  await endOfOwner(dir);

  const password = (await readFile(join(dir, PASSWORD_FILE), 'utf8')).trim();
  const port = await freePort();
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    `port=${port}`,
    'lc_messages=C',
    'timezone=UTC',
    'log_timezone=UTC',
    // The shared memory of a container is too small for parallel plans, and nothing here needs them.
    'max_parallel_workers_per_gather=0',
    ...(durable ? [] : NOT_DURABLE),
  ];
  const server = spawnGuarded(binaries.postgres, ['-D', dir, ...settings.flatMap((setting) => ['-c', setting])], {
    stopSignal: 'INT', // "fast": ends sessions and writes a checkpoint
    timeoutMs: STOP_TIMEOUT_MS,
    ...account,
  });
  await ready(server, log, dir);

  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= server.stop();
    return stopping;
  };
  void server.ended.then(() => {
    if (!stopping) log.error({ dir }, 'the embedded Postgres has ended unexpectedly');
  });
  const url = (database: string) => `postgresql://${USER}:${password}@127.0.0.1:${port}/${database}`;
  try {
    await createDatabase(url('postgres'));
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: url(DATABASE), stop };
}

/** Makes the cluster beside `dir` and renames it, so that an interrupted start leaves nothing that looks like one. */
async function initialise(dir: string, binaries: PostgresBinaries, account: Account | undefined, durable: boolean): Promise<void> {
  await mkdir(dirname(dir), { recursive: true });
  const fresh = await mkdtemp(`${dir}.new-`);
  const secret = await mkdtemp(join(tmpdir(), 'access-service-'));
  try {
    const passwordFile = join(secret, 'password');
    await writeFile(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
    if (account) for (const path of [fresh, secret, passwordFile]) await chown(path, account.uid, account.gid);
    await initdb(binaries, fresh, [`--pwfile=${passwordFile}`, ...(durable ? [] : ['--no-sync'])], account);
    const kept = join(fresh, PASSWORD_FILE);
    await writeFile(kept, await readFile(passwordFile, 'utf8'), { mode: 0o600 });
    if (account) await chown(kept, account.uid, account.gid);
    await rename(fresh, dir).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
      throw new StartError(`${dir} holds something that is not a Postgres data directory; move it away or set DATABASE_URL.`);
    });
  } finally {
    await rm(fresh, { recursive: true, force: true });
    await rm(secret, { recursive: true, force: true });
  }
}

async function initdb(binaries: PostgresBinaries, dir: string, more: readonly string[], account: Account | undefined): Promise<void> {
  const flags = ['--encoding=UTF8', '--locale=C', '--auth=scram-sha-256', `--username=${USER}`, '--no-instructions', ...more];
  const child = spawn(binaries.initdb, [`--pgdata=${dir}`, ...flags], {
    stdio: ['ignore', 'ignore', 'pipe'],
    ...account,
  });
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0)
    throw new StartError(`The embedded Postgres could not be set up in ${dir}: ${output.trim() || `initdb ended with ${code}`}.`);
}

async function ready(server: GuardedProcess, log: Logger, dir: string): Promise<void> {
  const said: string[] = [];
  const timer = new AbortController();
  const fault = await Promise.race([
    new Promise<undefined>((done) => {
      createInterface({ input: server.output }).on('line', (line) => {
        log.debug({ postgres: line }, 'embedded Postgres');
        if (said.length < 20) said.push(line);
        if (line.includes(READY)) done(undefined);
      });
    }),
    server.ended.then(({ error }) => error?.message ?? (said.filter((line) => /FATAL|HINT/.test(line)).join(' ') || said.join(' '))),
    sleep(START_TIMEOUT_MS, timer.signal).then(() => 'it was not ready in time'),
  ]);
  timer.abort();
  if (fault === undefined) return;
  await server.stop();
  throw new StartError(`The embedded Postgres in ${dir} did not start: ${fault}`);
}

async function createDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
  } finally {
    await client.end();
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return port;
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
