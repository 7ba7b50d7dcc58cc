// Who uses a data directory: read from postmaster.pid. A file left behind by a crash is removed when its process is gone or
// is by now something else (process ids come round again, above all in containers); Postgres itself would refuse.
import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { StartError } from '../errors.ts';

/** A server whose parent has died is still shutting down for a moment. */
const GRACE_MS = 5_000;
const STEP_MS = 50;

/** Resolves when nobody uses the directory; throws when somebody goes on using it. */
export async function endOfOwner(dir: string): Promise<void> {
  const file = join(dir, 'postmaster.pid');
  for (let waitedMs = 0; ; waitedMs += STEP_MS) {
    const pid = Number.parseInt(await readFile(file, 'utf8').catch(() => ''), 10);
    if (Number.isNaN(pid)) return;
    if (!(await commandOf(pid)).includes('postgres')) return rm(file, { force: true });
    if (waitedMs >= GRACE_MS) {
      throw inUse(dir, `process ${pid}`);
    }
    await delay(STEP_MS);
  }
}

export const inUse = (dir: string, by: string): StartError =>
  new StartError(
    `${dir} is in use by another running Postgres (${by}); stop the service that started it, or set DATABASE_URL to share one database.`,
  );

/** Command line of a running process; empty when there is none. */
async function commandOf(pid: number): Promise<string> {
  if (process.platform === 'linux') return readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return promisify(execFile)('ps', ['-p', String(pid), '-o', 'command=']).then(
    ({ stdout }) => stdout,
    () => '',
  );
}
