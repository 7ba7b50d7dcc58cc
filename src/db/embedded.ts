// A real Postgres of our own for machines that have none: data in `dir`, kept between starts, on a free port of
// 127.0.0.1, behind a password. It ends when this process does, however that went. One running process per directory.
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { messageOf, StartError } from '../errors.ts';
import { freePort } from '../lib/free-port.ts';
import { sleep } from '../lib/sleep.ts';
import { type GuardedProcess, spawnGuarded } from '../lib/spawn-guarded.ts';
import type { Logger } from '../log.ts';
import { type Account, postgresAccount } from './embedded-account.ts';
import { findPostgresBinaries } from './embedded-binaries.ts';
import { ensureCluster, USER } from './embedded-cluster.ts';
import { endOfOwner, inUse } from './embedded-owner.ts';
import { reachableBinaries, reachableData } from './embedded-reach.ts';

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

const DATABASE = 'access_service';
const READY = 'database system is ready to accept connections';
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;
const NOT_DURABLE = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'max_wal_size=4GB'];

export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  try {
    return await start(options);
  } catch (error) {
    if (error instanceof StartError || !(error instanceof Error && 'code' in error)) throw error;
    throw new StartError(
      `The embedded Postgres cannot use ${resolve(options.dir)} (${messageOf(error)}); put that right or set DATABASE_URL.`,
      {
        cause: error,
      },
    );
  }
}

async function start({ dir: wanted, log, durable = true }: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const account = await postgresAccount(resolve(wanted));
  const dir = await reachableData(resolve(wanted), account, log);
  const binaries = await reachableBinaries(await findPostgresBinaries(), account);
  const password = await ensureCluster({ dir, binaries, account, durable });
  await endOfOwner(dir);
  const port = await freePort();
  const server = await run({ program: binaries.postgres, dir, port, account, durable, log });

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

interface RunOptions {
  program: string;
  dir: string;
  port: number;
  account: Account | undefined;
  durable: boolean;
  log: Logger;
}

/** Resolves when the server takes connections. */
async function run({ program, dir, port, account, durable, log }: RunOptions): Promise<GuardedProcess> {
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
  const server = spawnGuarded(program, ['-D', dir, ...settings.flatMap((setting) => ['-c', setting])], {
    stopSignal: 'INT', // "fast": ends sessions and writes a checkpoint
    timeoutMs: STOP_TIMEOUT_MS,
    ...account,
  });
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
  if (fault === undefined) return server;
  await server.stop();
  if (fault.includes('lock file "postmaster.pid" already exists')) throw inUse(dir, 'it started at the same moment');
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
