// One run of each contender over the same events: how many a second from the first page to a change log that has caught up.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { CLI } from '../support/service-process.ts';
import { onCore, SERVER_CORE } from './cores.ts';
import { type EventSource, end, until } from './ingest-source.ts';
import { FLAGS } from './stream-servers.ts';

export interface IngestRun {
  eventsPerSecond: number;
  /** From the first page stored until the change log has caught up. */
  seconds: number;
  /** The most that the process ever had in memory. */
  peakBytes: number;
  databaseBytes: number;
}

/** A million people take eight minutes on a quiet machine. */
const TIMEOUT_MS = 1_500_000;

const READ = 'SELECT event_id = $1 AS done FROM sync_cursor';
// The relay is part of it: caught up is what has been handed to the subscribers' stream.
const CAUGHT_UP = `
  SELECT NOT EXISTS (SELECT FROM directory_event WHERE status = 'PENDING') AND (SELECT position = relayed_position FROM change_log_head) AS done`;
/** The question takes its time from the same core. */
const ASK_EVERY_MS = 50;
// The first event by primary key: counting a million would be taken for a part of the time.
const SECONDS = `
  SELECT extract(epoch FROM clock_timestamp() - (SELECT received_at FROM directory_event ORDER BY id LIMIT 1))::float8 AS seconds`;
const FIGURES = `
  SELECT count(*)::int AS events, count(*) FILTER (WHERE status = 'QUARANTINED')::int AS bad, pg_database_size(current_database())::float8 AS bytes
  FROM directory_event`;

/** The real binary, as `work` runs in production. The clock runs from the first page stored. */
export async function runOurs(databaseUrl: string, source: EventSource, redisUrl: string): Promise<IngestRun> {
  const [program = '', ...args] = onCore(SERVER_CORE, [process.execPath, ...FLAGS, ...profiling(), CLI, 'work']);
  const child = spawn(program, args, {
    env: {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '',
      NODE_ENV: 'production',
      DATABASE_URL: databaseUrl,
      REDIS_URL: redisUrl,
      WORKOS_API_KEY: 'sk_fake_workos',
      WORKOS_API_URL: source.url,
      ADMIN_API_KEY: 'bench-key-0123456789abcdef',
      INITIAL_IMPORT: 'off',
      LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const deadline = performance.now() + TIMEOUT_MS;
    const done = async (sql: string, ...values: unknown[]): Promise<void> => {
      while (!(await client.query<{ done: boolean }>(sql, values)).rows[0]?.done) {
        if (child.exitCode !== null || performance.now() > deadline) throw new Error('the service did not catch up');
        await delay(ASK_EVERY_MS);
      }
    };
    await done(READ, source.lastEventId);
    await done(CAUGHT_UP);
    const { seconds } = await one<{ seconds: number }>(client, SECONDS);
    const { events, bad, bytes } = await one<{ events: number; bad: number; bytes: number }>(client, FIGURES);
    if (bad > 0) throw new Error(`${bad} events were quarantined`);
    return { eventsPerSecond: events / seconds, seconds, peakBytes: peakOf(child.pid), databaseBytes: bytes };
  } finally {
    await client.end();
    await end(child);
  }
}

async function one<Row extends pg.QueryResultRow>(client: pg.Client, sql: string): Promise<Row> {
  const { rows } = await client.query<Row>(sql);
  const [row] = rows;
  if (!row) throw new Error(`no row: ${sql}`);
  return row;
}

/** For `BENCH_PROFILE=dir`. */
const profiling = (): string[] => (process.env.BENCH_PROFILE ? ['--cpu-prof', `--cpu-prof-dir=${process.env.BENCH_PROFILE}`] : []);

/** Resident, as the kernel counts it. */
function peakOf(pid: number | undefined): number {
  const kilobytes = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1_024;
}

/** A file of peers/ or ../tutorial/ that reads all pages, or works for `MAX_SECONDS`, and then prints `done EVENTS SECONDS`. */
export async function runPeer(file: string, env: Record<string, string>): Promise<number> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const [program = '', ...args] = onCore(SERVER_CORE, [process.execPath, '--max-old-space-size=8000', path]);
  const child = spawn(program, args, {
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [, events, seconds] = (await until(child, 'done ')).split(' ');
  await end(child);
  return Number(events) / Number(seconds);
}
