// Real Redis for tests. `useRedis` is for tests that only need one (REDIS_URL when it is set), `startRedis` for those that
// flush, freeze or kill theirs: always a private server without persistence on a free port. A machine without Redis gets the
// distribution's package when we may install it; otherwise the run stops and says how.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { access } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../src/lib/free-port.ts';
import { spawnGuarded } from '../../src/lib/spawn-guarded.ts';
import { waitFor } from './wait-for.ts';

export interface TestRedis {
  url: string;
  stop(): Promise<void>;
}

export interface OwnRedis extends TestRedis {
  port: number;
  /** SIGKILL; its data is gone. */
  kill(): Promise<void>;
  /** After `kill`: an empty server on the same port. */
  restart(): Promise<void>;
  freeze(): void;
  thaw(): void;
}

const SERVERS = ['redis-server', 'valkey-server'];
const HOW = 'Install redis-server or valkey-server (Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis).';

/** The server program; installs it where that is possible. */
export async function findRedisServer(): Promise<string> {
  const found = await onPath();
  if (found) return found;
  if (process.getuid?.() === 0 && (await runs('apt-get', ['--version']))) {
    const options = ['-y', '-q', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300'];
    await runs('apt-get', ['update', '-q']);
    await runs('apt-get', ['install', ...options, 'redis-server']);
    const installed = await onPath();
    if (installed) return installed;
  }
  throw new Error(`The tests need a Redis server, and this machine has none. ${HOW}`);
}

/** For tests that leave others' keys alone. */
export async function useRedis(): Promise<TestRedis> {
  const url = process.env.REDIS_URL;
  return url ? { url, stop: async () => {} } : startRedis();
}

export async function startRedis(): Promise<OwnRedis> {
  const program = await findRedisServer();
  const port = await freePort();
  const start = async () => {
    const flags = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', tmpdir()];
    const server = spawnGuarded(program, flags, { stopSignal: 'TERM', timeoutMs: 5_000 });
    server.output.resume();
    await waitFor(`${program} on port ${port}`, () => answers(port));
    return server;
  };
  let server = await start();
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    stop: () => {
      server.signal('SIGCONT');
      return server.stop();
    },
    async kill() {
      server.signal('SIGKILL');
      await server.ended;
    },
    async restart() {
      server = await start();
    },
    freeze: () => server.signal('SIGSTOP'),
    thaw: () => server.signal('SIGCONT'),
  };
}

async function onPath(): Promise<string | undefined> {
  for (const name of SERVERS) {
    for (const dir of (process.env.PATH ?? '').split(delimiter)) {
      const file = join(dir, name);
      if (
        await access(file).then(
          () => true,
          () => false,
        )
      )
        return file;
    }
  }
  return undefined;
}

const runs = (command: string, args: string[]): Promise<boolean> =>
  promisify(execFile)(command, args, { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, timeout: 300_000 }).then(
    () => true,
    () => false,
  );

async function answers(port: number): Promise<boolean> {
  const socket = createConnection(port, '127.0.0.1');
  socket.end('PING\r\n');
  const [reply] = (await Promise.race([once(socket, 'data'), once(socket, 'close')])) as [unknown];
  socket.destroy();
  return String(reply).startsWith('+PONG');
}
