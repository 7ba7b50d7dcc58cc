// One node of the service over its lives: started, killed, frozen, stopped, started again on the same port. Whatever ended it
// though nobody wished so is kept as a death.
import { fileURLToPath } from 'node:url';
import { freePort } from '../../src/lib/free-port.ts';
import { type Service, startService } from '../support/service-process.ts';
import { waitFor } from '../support/wait-for.ts';
import type { Mutation } from './preload.ts';

export interface ServiceNode {
  name: string;
  mode: 'serve' | 'work' | 'start';
  url: string;
  key: string;
  running(): boolean;
  pid(): number | undefined;
  /** `env`: for this life only. */
  start(env?: Record<string, string>): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGTERM; the exit code. */
  stop(): Promise<number | null>;
  freeze(): void;
  thaw(): void;
  /** Its event loop does nothing for TEST_STALL_MS. */
  stall(): void;
  /** A life that may end at a failpoint, perhaps at its start already; killed after `until`. Whether it died by itself. */
  startDoomed(env: Record<string, string>, until: () => Promise<unknown>): Promise<boolean>;
  query: Service['query'];
  /** Of this life. */
  output(): string;
  /** Unexpected ends of all lives, and whatever says that an error went unhandled. */
  deaths(): string[];
}

const PRELOAD = fileURLToPath(new URL('preload.ts', import.meta.url));
const UNHANDLED = /^.*("level":"fatal"|unhandled|uncaught|ERR_UNHANDLED).*$/im;
const KEY = 'test-key-0123456789abcdef';

/** Of what was compiled before: these tests start a process every second. */
const COMPILE_CACHE = fileURLToPath(new URL('../../node_modules/.cache/faults', import.meta.url));

export const withMutations = (mutations: readonly Mutation[]): Record<string, string> => ({
  NODE_COMPILE_CACHE: COMPILE_CACHE,
  NODE_OPTIONS: `--import=${PRELOAD}`,
  TEST_MUTATIONS: JSON.stringify(mutations),
});

/** Together with `withMutations`, which every process of a world has. */
export const withClock = (shiftMs: number): Record<string, string> => ({ TEST_CLOCK_SHIFT_MS: String(shiftMs) });

export async function createNode(name: string, mode: ServiceNode['mode'], settings: Record<string, string>): Promise<ServiceNode> {
  const port = settings.PORT ?? String(await freePort());
  const deaths: string[] = [];
  let service: Service | undefined;
  let wished = false;
  let starting: Promise<void> | undefined;

  const current = (): Service => {
    if (!service) throw new Error(`${name} does not run`);
    return service;
  };
  const isRunning = (): boolean => service !== undefined && service.process.exitCode === null && service.process.signalCode === null;
  const lookAt = (life: Service): void => {
    const line = UNHANDLED.exec(life.output())?.[0];
    if (line) deaths.push(`${name} said: ${line}`);
  };

  async function begin(env: Record<string, string>): Promise<void> {
    starting = startService(mode, { ...settings, ...env, ADMIN_API_KEY: KEY, PORT: port }).then((life) => {
      service = life;
      void life.exited.then((code) => {
        lookAt(life);
        if (!wished) deaths.push(`${name} ended with ${code ?? life.process.signalCode}: ${life.output().slice(-1_500)}`);
      });
    });
    await starting;
  }

  return {
    name,
    mode,
    url: `http://127.0.0.1:${port}`,
    key: KEY,
    running: isRunning,
    pid: () => service?.process.pid,
    start: (env = {}) => {
      wished = false;
      return begin(env);
    },
    async startDoomed(env, until) {
      wished = true;
      await begin(env).catch(() => undefined);
      const over = new AbortController();
      const gone = waitFor(`${name} to die`, () => over.signal.aborted || !isRunning(), { timeoutMs: 120_000, everyMs: 50 });
      await Promise.race([gone, until()]);
      over.abort();
      await gone;
      const died = !isRunning();
      if (!died) await current().end('SIGKILL');
      return died;
    },
    async kill() {
      wished = true;
      await starting?.catch(() => undefined);
      if (isRunning()) await current().end('SIGKILL');
    },
    async stop() {
      wished = true;
      const code = await current().end('SIGTERM');
      if (code !== 0) deaths.push(`${name} was asked to stop and ended with ${code}: ${service?.output().slice(-1_500)}`);
      return code;
    },
    freeze: () => void (isRunning() && current().process.kill('SIGSTOP')),
    stall: () => void (isRunning() && current().process.kill('SIGUSR2')),
    thaw: () => void (isRunning() && current().process.kill('SIGCONT')),
    query: (query, variables) => current().query(query, variables),
    output: () => service?.output() ?? '',
    deaths() {
      if (service && isRunning()) {
        const line = UNHANDLED.exec(service.output())?.[0];
        if (line) return [...deaths, `${name} said: ${line}`];
      }
      return deaths;
    },
  };
}
