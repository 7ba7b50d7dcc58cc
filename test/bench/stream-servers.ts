// The servers of the streaming scenarios: each a process of its own on the servers' core, whose memory can be asked for.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../src/lib/free-port.ts';
import { CLI, postGraphql } from '../support/service-process.ts';
import { onCore, SERVER_CORE } from './cores.ts';

export interface StreamServer {
  url: string;
  /** Of the whole process after a collection, in bytes. */
  memory(): Promise<number>;
  stop(): Promise<void>;
}

const fileOf = (name: string): string => fileURLToPath(new URL(`peers/${name}`, import.meta.url));
const READY_TIMEOUT_MS = 60_000;
/** As `npm start` runs it. */
export const FLAGS = ['--max-semi-space-size=32', '--heap-growing-percent=50'];
export const ADMIN_KEY = 'bench-key-0123456789abcdef';

function start(
  command: readonly string[],
  env: Record<string, string>,
): { child: ChildProcess; memory: StreamServer['memory']; stop: StreamServer['stop'] } {
  const [program = '', ...args] = onCore(SERVER_CORE, command);
  const child = spawn(program, args, {
    env: {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '',
      NODE_ENV: 'production',
      NODE_OPTIONS: `--import ${fileOf('collect-on-signal.js')}`,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let told: ((bytes: number) => void) | undefined;
  createInterface({ input: child.stderr as NonNullable<typeof child.stderr> }).on('line', (line) => {
    if (line.startsWith('memory ')) told?.((JSON.parse(line.slice('memory '.length)) as { rss: number }).rss);
    else process.stderr.write(`${line}\n`);
  });
  const exited = once(child, 'exit');
  return {
    child,
    async memory() {
      const answer = new Promise<number>((resolve) => {
        told = resolve;
      });
      child.kill('SIGUSR2');
      return answer;
    },
    async stop() {
      child.kill('SIGTERM');
      const impatient = setTimeout(() => child.kill('SIGKILL'), 15_000);
      await exited;
      clearTimeout(impatient);
    },
  };
}

/** A file of peers/ that prints its address first. */
export async function startPeer(name: string, env: Record<string, string>): Promise<StreamServer> {
  const { child, ...server } = start([process.execPath, fileOf(name)], env);
  const first = createInterface({ input: child.stdout as NonNullable<typeof child.stdout> });
  const [line] = (await Promise.race([
    once(first, 'line'),
    once(child, 'exit').then(() => Promise.reject(new Error(`${name} ended at its start`))),
  ])) as [string];
  first.on('line', (text) => process.stderr.write(`${text}\n`));
  return { url: line, ...server };
}

/** The real binary as it would run in production, its limits per caller raised: all load comes from one. */
export async function startOurs(mode: 'serve' | 'start', env: Record<string, string>): Promise<StreamServer & { authorization: string }> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const { child, ...server } = start([process.execPath, ...FLAGS, CLI, mode], {
    LOG_LEVEL: 'warn',
    ADMIN_API_KEY: ADMIN_KEY,
    WORKOS_API_KEY: 'sk_bench',
    PORT: String(port),
    RATE_LIMIT_CONNECTS: '100000000',
    RATE_LIMIT_OPERATIONS: '100000000',
    RATE_LIMIT_WEBHOOKS: '100000000',
    SOCKETS_PER_CALLER: '1000000',
    ...env,
  });
  (child.stdout as NonNullable<typeof child.stdout>).resume();
  for (const deadline = performance.now() + READY_TIMEOUT_MS; ; await delay(100)) {
    const ready = await fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (ready) break;
    if (child.exitCode !== null || performance.now() > deadline) throw new Error('the service did not start');
  }
  return { url, authorization: `Bearer ${await makeKey(url)}`, ...server };
}

/** Callers come with a key of their own, as they would: one that can be revoked and is looked up again and again. */
async function makeKey(url: string): Promise<string> {
  const mutation = `mutation { createApiKey(name: "bench", scopes: [CHANGES_SUBSCRIBE, ENTITLEMENTS_READ]) { secret } }`;
  const { data, errors } = await postGraphql<{ createApiKey: { secret: string } }>(url, ADMIN_KEY, mutation);
  if (!data) throw new Error(JSON.stringify(errors));
  return data.createApiKey.secret;
}
