// The real binary as a real process, for tests that look at the whole: started with settings, waited for until it is ready,
// asked over HTTP, ended by signals.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../src/lib/free-port.ts';
import { waitFor } from './wait-for.ts';

export const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

export interface RunningCli {
  process: ChildProcess;
  /** Everything printed so far, at most the last megabyte. */
  output(): string;
  /** Sends the signal and resolves with the exit code. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
  exited: Promise<number | null>;
}

/** Runs `access-service …args` with exactly these settings. */
export function runCli(args: readonly string[], env: Record<string, string> = {}, script = CLI): RunningCli {
  const child = spawn(process.execPath, [script, ...args], {
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', TMPDIR: process.env.TMPDIR ?? '/tmp', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString('utf8')).slice(-1_000_000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const exited = once(child, 'close').then(([code]) => code as number | null);
  return {
    process: child,
    output: () => output,
    exited,
    async end(signal = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      return exited;
    },
  };
}

export interface GraphqlAnswer<T> {
  data?: T;
  errors?: { message: string; extensions?: { code?: string } }[];
}

export async function postGraphql<T>(
  url: string,
  key: string | null,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<GraphqlAnswer<T>> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) },
    body: JSON.stringify({ query, variables }),
  });
  return (await response.json()) as GraphqlAnswer<T>;
}

export interface Service extends RunningCli {
  url: string;
  key: string;
  query<T>(query: string, variables?: Record<string, unknown>): Promise<T>;
}

const KEY = 'test-key-0123456789abcdef';

/** A service that answers /readyz. */
export async function startService(mode: 'start' | 'serve' | 'work', env: Record<string, string>, script = CLI): Promise<Service> {
  const port = env.PORT ?? String(await freePort());
  const key = env.ADMIN_API_KEY ?? KEY;
  const url = `http://127.0.0.1:${port}`;
  const cli = runCli([mode], { LOG_LEVEL: 'info', ADMIN_API_KEY: key, ...env, PORT: port }, script);
  const ended = (): boolean => cli.process.exitCode !== null || cli.process.signalCode !== null;
  try {
    await waitFor('the service to be ready', async () => ended() || (await fetch(`${url}/readyz`)).ok, {
      timeoutMs: 60_000,
      missing: cli.output,
    });
    if (ended()) throw new Error(`the service ended at its start:\n${cli.output()}`);
  } catch (error) {
    await cli.end('SIGKILL');
    throw error;
  }
  return {
    ...cli,
    url,
    key,
    async query<T>(query: string, variables: Record<string, unknown> = {}) {
      const { data, errors } = await postGraphql<T>(url, key, query, variables);
      if (!data || errors) throw new Error(`GraphQL answered ${JSON.stringify(errors)}`);
      return data;
    },
  };
}
