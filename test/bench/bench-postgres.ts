// Postgres of the benchmark: the embedded one with durable settings, as in production, and room for the data in memory. One
// server per process, for whoever asks; the last to close stops it. Its directory outlives the run and belongs to one run at a
// time: a second one waits, unless BENCH_DATA_DIR gives it a place of its own.
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/db/embedded.ts';
import { StartError } from '../../src/errors.ts';
import { createLogger } from '../../src/log.ts';

export interface BenchPostgres {
  /** Of the administrative database. */
  url: string;
  close(): Promise<void>;
}

const DIR = process.env.BENCH_DATA_DIR ?? fileURLToPath(new URL('../../.data/bench', import.meta.url));
const WAIT_MS = 900_000;

/** Kept in the directory. A quarter of the memory, as the manual advises. */
const SETTINGS: Readonly<Record<string, string>> = {
  shared_buffers: `${Math.floor(totalmem() / 4 / 2 ** 20)}MB`,
  max_wal_size: '4GB',
  checkpoint_timeout: '15min',
  max_connections: '200',
};

let own: { server: Promise<EmbeddedPostgres>; users: number } | undefined;

export async function openBenchPostgres(say: (text: string) => void): Promise<BenchPostgres> {
  own ??= { server: start(say), users: 0 };
  const mine = own;
  mine.users += 1;
  const { url } = await mine.server;
  let closed: Promise<void> | undefined;
  return {
    url: inDatabase(url, 'postgres'),
    close() {
      closed ??= release();
      return closed;
    },
  };

  async function release(): Promise<void> {
    mine.users -= 1;
    if (mine.users > 0) return;
    if (own === mine) own = undefined;
    await (await mine.server).stop();
  }
}

export function inDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}

/** On a connection of its own. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** A server that began without the settings is started again. */
async function start(say: (text: string) => void): Promise<EmbeddedPostgres> {
  const server = await startWhenFree(say);
  const altered = await withClient(inDatabase(server.url, 'postgres'), async (client) => {
    let count = 0;
    for (const [name, value] of Object.entries(SETTINGS)) {
      const { rows } = await client.query<{ same: boolean }>(
        `SELECT EXISTS (SELECT FROM pg_file_settings WHERE name = $1 AND setting = $2 AND applied) AS same`,
        [name, value],
      );
      if (rows[0]?.same) continue;
      await client.query(`ALTER SYSTEM SET ${name} = '${value}'`);
      count += 1;
    }
    return count;
  });
  if (altered === 0) return server;
  await server.stop();
  return startWhenFree(say);
}

async function startWhenFree(say: (text: string) => void): Promise<EmbeddedPostgres> {
  const deadline = performance.now() + WAIT_MS;
  for (let told = false; ; told = true) {
    try {
      return await startEmbeddedPostgres({ dir: join(DIR, 'postgres'), log: createLogger('warn') });
    } catch (error) {
      if (!(error instanceof StartError) || !error.message.includes('is in use') || performance.now() > deadline) throw error;
      if (!told) say('another run uses the data of the benchmark; waiting for it (BENCH_DATA_DIR=… for a place of our own)');
      await delay(500);
    }
  }
}
