// A Postgres of one's own that can crash, freeze and come back, behind a proxy for the service and another one, which no fault
// strikes, for whoever judges it. The port changes with every start; the proxies' do not.
import { chmod, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/db/embedded.ts';
import { createLogger } from '../../src/log.ts';
import { execute } from '../support/postgres.ts';
import { waitFor } from '../support/wait-for.ts';
import { type FaultProxy, startProxy } from './proxy.ts';

export interface OwnPostgres {
  /** For the service; goes through `proxy`. */
  url: string;
  /** For the judge. */
  controlUrl: string;
  proxy: FaultProxy;
  /** Ends every session of the service at once; how many. */
  terminateBackends(): Promise<number>;
  /** `pg_ctl stop -m immediate`, and up again with a recovery from the log. */
  crashAndRestart(): Promise<void>;
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  stop(): Promise<void>;
}

const log = createLogger('silent');
const portOf = (url: string): number => Number(new URL(url).port);
const withPort = (url: string, port: number): string => {
  const changed = new URL(url);
  changed.port = String(port);
  return changed.href;
};

/** `parent`: an existing folder for the data, which is left there. */
export async function startOwnPostgres({ parent }: { parent?: string } = {}): Promise<OwnPostgres> {
  const own = parent ?? (await mkdtemp(join(tmpdir(), 'access-faults-')));
  await chmod(own, 0o755);
  const dir = join(own, 'postgres');
  // Durable: what was committed must outlive a crash.
  let server: EmbeddedPostgres = await startEmbeddedPostgres({ dir, log });
  const proxy = await startProxy(portOf(server.url));
  const control = await startProxy(portOf(server.url));
  const controlUrl = withPort(server.url, control.port);
  const postmaster = async (): Promise<number> =>
    Number((await readFile(join(await realpath(dir), 'postmaster.pid'), 'utf8')).split('\n')[0]);
  const children = async (pid: number): Promise<number[]> =>
    (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ').filter(Boolean).map(Number);
  const signalAll = async (signal: NodeJS.Signals): Promise<void> => {
    const main = await postmaster();
    process.kill(main, signal);
    for (const pid of await children(main)) {
      try {
        process.kill(pid, signal);
      } catch {
        // a session that has just ended
      }
    }
  };
  return {
    url: withPort(server.url, proxy.port),
    controlUrl,
    proxy,
    async terminateBackends() {
      const { rowCount } = await execute(
        controlUrl,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'access-service%'",
      );
      return rowCount ?? 0;
    },
    async crashAndRestart() {
      const main = await postmaster();
      process.kill(main, 'SIGQUIT');
      await waitFor(
        'Postgres to be gone',
        () => {
          try {
            process.kill(main, 0);
            return false;
          } catch {
            return true;
          }
        },
        { timeoutMs: 90_000 },
      );
      server = await startEmbeddedPostgres({ dir, log });
      proxy.turnTo(portOf(server.url));
      control.turnTo(portOf(server.url));
    },
    freeze: () => signalAll('SIGSTOP'),
    thaw: () => signalAll('SIGCONT'),
    async stop() {
      await signalAll('SIGCONT').catch(() => undefined);
      await proxy.close();
      await control.close();
      await server.stop();
      if (!parent) await rm(own, { recursive: true, force: true });
    },
  };
}
