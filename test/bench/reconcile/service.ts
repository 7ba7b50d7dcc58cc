// The processes of run.ts: the fake WorkOS with its directory, and the real binary, which may be killed and started again.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../../src/lib/free-port.ts';
import { CLI, postGraphql } from '../../support/service-process.ts';
import type { Size } from './objects.ts';

const KEY = 'bench-key-0123456789abcdef';
export const FAKE_KEY = 'sk_fake_workos';
const COMPANY = fileURLToPath(new URL('directory.ts', import.meta.url));

const dir = await mkdtemp(join(tmpdir(), 'access-service-bench-'));
const port = await freePort();
const url = `http://127.0.0.1:${port}`;
const children: ChildProcess[] = [];

export async function startDirectory({ users, groups }: Size): Promise<string> {
  const child = spawn(process.execPath, [COMPANY, String(users), String(groups)], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return line.toString().trim();
}

export async function startService(fakeUrl: string): Promise<ChildProcess> {
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: process.env.HOME ?? '',
    DATA_DIR: dir,
    PORT: String(port),
    ADMIN_API_KEY: KEY,
    WORKOS_API_KEY: FAKE_KEY,
    WORKOS_API_URL: fakeUrl,
    RECONCILE_INTERVAL_HOURS: '0',
    LOG_LEVEL: 'warn',
  };
  // A heap without a bound grows as long as the machine has room, whatever is held: the bound shows what is needed.
  const child = spawn(process.execPath, ['--max-semi-space-size=32', '--max-old-space-size=256', CLI, 'start'], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  children.push(child);
  for (;;) {
    const ready = await fetch(`${url}/readyz`).then(
      (response) => response.ok,
      () => false,
    );
    if (ready) return child;
    if (child.exitCode !== null) throw new Error('the service did not start');
    await delay(200);
  }
}

export const memory = async (child: ChildProcess, what: 'VmRSS' | 'VmHWM'): Promise<number> => {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
  return Number(new RegExp(`^${what}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) / 1_024;
};
/** Of memory, as `VmHWM` tells it. */
export const forgetPeak = (child: ChildProcess): Promise<void> => writeFile(`/proc/${child.pid}/clear_refs`, '5').catch(() => undefined);

export async function query<T>(text: string, variables: Record<string, unknown> = {}): Promise<T> {
  const { data, errors } = await postGraphql<T>(url, KEY, text, variables);
  if (!data || errors) throw new Error(JSON.stringify(errors));
  return data;
}

export async function stopAll(): Promise<void> {
  for (const child of children.toReversed()) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
  }
  await rm(dir, { recursive: true, force: true });
}
