// When root starts Postgres under another account, that account may be unable to come to our folders: a checkout in
// /root is closed to everybody else. Nobody's permissions are changed for that; what Postgres needs goes to /var/lib instead.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { cp, lstat, mkdir, mkdtemp, realpath, rename, rm, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Logger } from '../log.ts';
import type { Account } from './embedded-account.ts';
import type { PostgresBinaries } from './embedded-binaries.ts';

const OPEN_PLACE = '/var/lib/access-service';

/** Where the data directory `dir` really is; a new one may become a link to a place that `account` can reach. */
export async function reachableData(dir: string, account: Account | undefined, log: Logger): Promise<string> {
  if (await lstat(dir).catch(() => undefined)) return realpath(dir);
  await mkdir(dirname(dir), { recursive: true });
  if (!account || (await reaches(account, dirname(dir)))) return dir;
  const place = join(await openPlace(), `data-${randomUUID()}`);
  await mkdir(place);
  await symlink(place, dir);
  log.warn({ dir, place }, 'the account of the embedded Postgres cannot reach the data directory: it is a link to another place');
  return place;
}

/** The binaries, or a copy of them that `account` can reach. */
export async function reachableBinaries(binaries: PostgresBinaries, account: Account | undefined): Promise<PostgresBinaries> {
  if (!account || (await reaches(account, dirname(binaries.postgres)))) return binaries;
  const { mtimeMs } = await stat(binaries.postgres);
  const home = join(await openPlace(), `postgres-${Math.trunc(mtimeMs).toString(36)}`);
  if (!(await lstat(home).catch(() => undefined))) {
    const copy = await mkdtemp(`${home}.new-`);
    await cp(binaries.home, copy, { recursive: true, verbatimSymlinks: true });
    await promisify(execFile)('chmod', ['-R', 'a+rX', copy]);
    // Another process may have been quicker: its copy is as good.
    await rename(copy, home).catch(() => rm(copy, { recursive: true }));
  }
  const inCopy = (file: string) => join(home, 'bin', basename(file));
  return { home, postgres: inCopy(binaries.postgres), initdb: inCopy(binaries.initdb) };
}

async function openPlace(): Promise<string> {
  await mkdir(OPEN_PLACE, { recursive: true });
  await promisify(execFile)('chmod', ['755', OPEN_PLACE]);
  return OPEN_PLACE;
}

/** Whether `account` may pass through every folder down to `path`. */
async function reaches(account: Account, path: string): Promise<boolean> {
  const { mode, uid, gid } = await stat(path);
  const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
  if ((mode & bit) === 0) return false;
  return path === dirname(path) || reaches(account, dirname(path));
}
