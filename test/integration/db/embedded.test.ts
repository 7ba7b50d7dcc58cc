import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../../src/db/embedded.ts';
import { createLogger } from '../../../src/log.ts';
import { execute } from '../../support/postgres.ts';
import { waitFor } from '../../support/wait-for.ts';

const log = createLogger('silent');
let parent: string;
let dir: string;
let running: EmbeddedPostgres | undefined;
let holder: ChildProcess | undefined;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'access-embedded-'));
  await chmod(parent, 0o755);
  dir = join(parent, 'data', 'postgres');
});
afterEach(async () => {
  holder?.kill('SIGKILL');
  await running?.stop();
  running = undefined;
  await rm(parent, { recursive: true, force: true });
});

async function start(): Promise<EmbeddedPostgres> {
  running = await startEmbeddedPostgres({ dir, log, durable: false });
  return running;
}

/** The same in a process of its own. */
async function hold(): Promise<string> {
  holder = spawn(process.execPath, ['test/fixtures/embedded-postgres-holder.ts', dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [url] = (await once(holder.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  return url.toString().trim();
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
const serverPid = async (): Promise<number> => Number.parseInt(await readFile(join(dir, 'postmaster.pid'), 'utf8'), 10);

test('what is written stays over a stop, and a stop leaves no process behind', async () => {
  const first = await start();
  await execute(first.url, 'CREATE TABLE kept (a text); ');
  const pid = await serverPid();
  await first.stop();
  await first.stop();
  expect(alive(pid)).toBe(false);
  const second = await start();
  expect((await execute(second.url, 'SELECT count(*)::int AS n FROM kept')).rows).toEqual([{ n: 0 }]);
  const { rows } = await execute(
    second.url,
    "SELECT current_setting('server_encoding') AS encoding, datcollate FROM pg_database WHERE datname = current_database()",
  );
  expect(rows).toEqual([{ encoding: 'UTF8', datcollate: 'C' }]);
});

test('after a kill -9 of the service Postgres ends by itself, and the next start has everything that was committed', async () => {
  const url = await hold();
  await execute(url, "CREATE TABLE kept (a text); INSERT INTO kept VALUES ('x')");
  const pid = await serverPid();
  holder?.kill('SIGKILL');
  const { url: next } = await start();
  expect(alive(pid)).toBe(false);
  expect((await execute(next, 'SELECT a FROM kept')).rows).toEqual([{ a: 'x' }]);
});

test('after a kill -9 of Postgres itself, too; and its end is said in the log', async () => {
  const lines: string[] = [];
  running = await startEmbeddedPostgres({ dir, log: createLogger('error', { write: (line) => lines.push(line) }) });
  await execute(running.url, "CREATE TABLE kept (a text); INSERT INTO kept VALUES ('x')");
  process.kill(await serverPid(), 'SIGKILL');
  await waitFor('the log line', () => lines.some((line) => line.includes('ended unexpectedly')));
  const { url } = await start();
  expect((await execute(url, 'SELECT a FROM kept')).rows).toEqual([{ a: 'x' }]);
});

test('a process id in a file left behind may belong to somebody else by now', async () => {
  await (await start()).stop();
  await writeFile(join(dir, 'postmaster.pid'), `${process.pid}\n${dir}\n`);
  const { url } = await start();
  expect((await execute(url, 'SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
});

test('a directory in use is refused in one sentence, and its user goes on undisturbed', async () => {
  const url = await hold();
  await expect(start()).rejects.toThrow(/^\S+ is in use by another running Postgres \(process \d+\); stop .+ or set DATABASE_URL[^.]*\.$/);
  expect((await execute(url, 'SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
});

test('of two that start at the same moment in a new directory one gets it, the other is refused', async () => {
  const both = await Promise.allSettled([1, 2].map(() => startEmbeddedPostgres({ dir, log, durable: false })));
  const started = both.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const refused = both.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : []));
  running = started[0];
  expect(refused).toEqual([expect.stringContaining('is in use by another running Postgres')]);
  expect((await execute(running?.url ?? '', 'SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
});

test('a directory with something else in it is refused and left alone', async () => {
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'letter.txt'), 'mine');
  await expect(start()).rejects.toThrow(/holds something that is not a Postgres data directory/);
  expect(await readFile(join(dir, 'letter.txt'), 'utf8')).toBe('mine');
});

test('nobody gets in without the password', async () => {
  const { url } = await start();
  const other = new URL(url);
  other.password = 'guess';
  await expect(execute(other.href, 'SELECT 1')).rejects.toThrow(/password authentication failed/);
});

test.runIf(process.getuid?.() === 0)(
  'root in a folder that is closed to others: the data goes where Postgres can reach it, and is found again',
  async () => {
    await chmod(parent, 0o700);
    const first = await start();
    await execute(first.url, 'CREATE TABLE kept (a text)');
    await first.stop();
    const place = await realpath(dir);
    expect(place).toMatch(/^\/var\/lib\/access-service\//);
    const { url } = await start();
    expect((await execute(url, 'SELECT a FROM kept')).rows).toEqual([]);
    await running?.stop();
    await rm(place, { recursive: true });
  },
);
