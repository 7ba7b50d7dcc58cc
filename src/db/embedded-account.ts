// Postgres refuses to run as root. A root process therefore starts it under another account: that of the owner of an
// existing data directory, else `postgres`, which is made when the machine lacks it.
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { messageOf, StartError } from '../errors.ts';

export interface Account {
  uid: number;
  gid: number;
}

const run = promisify(execFile);
const NAME = 'postgres';

/** The account to run Postgres under; undefined: our own will do. */
export async function postgresAccount(dataDir: string): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = await stat(dataDir).catch(() => undefined);
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  return (await lookUp()) ?? (await create());
}

async function lookUp(): Promise<Account | undefined> {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', NAME]), run('id', ['-g', NAME])]);
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    return undefined;
  }
}

async function create(): Promise<Account> {
  try {
    await run('useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', NAME]);
  } catch (error) {
    throw new StartError(
      `Postgres does not run as root, and the account ${NAME} could not be made; start as another user or set DATABASE_URL.`,
      {
        cause: messageOf(error),
      },
    );
  }
  const account = await lookUp();
  if (!account)
    throw new StartError(`Postgres does not run as root, and there is no account ${NAME}; start as another user or set DATABASE_URL.`);
  return account;
}
