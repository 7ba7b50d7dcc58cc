// The files of an embedded Postgres: made once per directory, with a password that only its owner can read.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chown, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StartError } from '../errors.ts';
import type { Account } from './embedded-account.ts';
import type { PostgresBinaries } from './embedded-binaries.ts';

export const USER = 'access';
const PASSWORD_FILE = 'access-service.password';

export interface ClusterOptions {
  dir: string;
  binaries: PostgresBinaries;
  /** To run under; undefined: our own. */
  account: Account | undefined;
  /** Whether the files must be on the disk before they count. */
  durable: boolean;
}

/** Makes the cluster unless it is there; answers its password. */
export async function ensureCluster(options: ClusterOptions): Promise<string> {
  if (!(await isMade(options.dir))) await initialise(options);
  return (await readFile(join(options.dir, PASSWORD_FILE), 'utf8')).trim();
}

const isMade = (dir: string): Promise<boolean> =>
  stat(join(dir, 'PG_VERSION')).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      return false;
    },
  );

/** Beside `dir`, then renamed: an interrupted start leaves nothing that looks like a cluster. */
async function initialise({ dir, binaries, account, durable }: ClusterOptions): Promise<void> {
  const fresh = await mkdtemp(`${dir}.new-`);
  const secret = await mkdtemp(`${dir}.secret-`);
  const own = async (path: string) => account && chown(path, account.uid, account.gid);
  const password = randomBytes(24).toString('base64url');
  try {
    const passwordFile = join(secret, 'password');
    await writeFile(passwordFile, password, { mode: 0o600 });
    for (const path of [fresh, secret, passwordFile]) await own(path);
    await initdb(binaries, [`--pgdata=${fresh}`, `--pwfile=${passwordFile}`, ...(durable ? [] : ['--no-sync'])], account);
    await writeFile(join(fresh, PASSWORD_FILE), password, { mode: 0o600 });
    await own(join(fresh, PASSWORD_FILE));
    await rename(fresh, dir).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
      if (await isMade(dir)) return; // another process was quicker
      throw new StartError(`${dir} holds something that is not a Postgres data directory; move it away or set DATABASE_URL.`);
    });
  } finally {
    await rm(fresh, { recursive: true, force: true });
    await rm(secret, { recursive: true, force: true });
  }
}

async function initdb(binaries: PostgresBinaries, more: readonly string[], account: Account | undefined): Promise<void> {
  const flags = ['--encoding=UTF8', '--locale=C', '--auth=scram-sha-256', `--username=${USER}`, '--no-instructions', ...more];
  const child = spawn(binaries.initdb, flags, { stdio: ['ignore', 'ignore', 'pipe'], ...account });
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new StartError(`The embedded Postgres could not be set up: ${output.trim() || `initdb ended with ${code}`}.`);
}
