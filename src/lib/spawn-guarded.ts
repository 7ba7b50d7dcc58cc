// A child process that cannot outlive us: a small shell watches our end of a pipe and passes on `stopSignal` as soon as that
// closes, by our wish or because this process is gone, however it went. The child has a session of its own, so Ctrl-C
// reaches us alone and we stop things in our own order.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';

export interface GuardedProcess {
  /** Of the process group. */
  readonly pid: number | undefined;
  /** Output and errors, in order. */
  readonly output: Readable;
  /** Resolves when the process has ended; never rejects. */
  readonly ended: Promise<{ code: number | null; error?: Error }>;
  /** To the whole group. */
  signal(signal: NodeJS.Signals): void;
  /** Asks with `stopSignal`, kills the group after `timeoutMs`; resolves when it has ended. */
  stop(): Promise<void>;
}

export interface SpawnGuardedOptions {
  stopSignal: 'INT' | 'TERM';
  timeoutMs: number;
  /** Account to run under; needs root. */
  uid?: number;
  gid?: number;
  env?: NodeJS.ProcessEnv;
}

const WATCHDOG = `
signal=$1; shift
exec 3<&0
"$@" </dev/null 3<&- 2>&1 &
child=$!
{ cat <&3 >/dev/null; kill -"$signal" "$child"; } >/dev/null 2>&1 &
exec 3<&-
wait "$child"
`;

export function spawnGuarded(command: string, args: readonly string[], options: SpawnGuardedOptions): GuardedProcess {
  const { stopSignal, timeoutMs, ...spawnOptions } = options;
  const child = spawn('sh', ['-c', WATCHDOG, 'sh', stopSignal, command, ...args], {
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
    ...spawnOptions,
  });
  child.stdin.on('error', () => {});
  const ended = Promise.race([
    once(child, 'exit').then(([code]) => ({ code: code as number | null })),
    once(child, 'error').then(([error]) => ({ code: null, error: error as Error })),
  ]).catch((error: Error) => ({ code: null, error }));
  void ended.then(() => child.stdin.destroy());

  const signal = (name: NodeJS.Signals) => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    process.kill(-child.pid, name);
  };
  return {
    pid: child.pid,
    output: child.stdout,
    ended,
    signal,
    async stop() {
      child.stdin.destroy();
      const timer = setTimeout(() => signal('SIGKILL'), timeoutMs);
      await ended;
      clearTimeout(timer);
    },
  };
}
