// Runs one scenario within its time. It has a process group of its own: one that fails or hangs is ended with all its servers, and
// the next begins on a clean machine.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { BenchOptions, Comparison } from './scenario.ts';
import type { Told } from './scenario-process.ts';

const PROGRAM = fileURLToPath(new URL('scenario-process.ts', import.meta.url));

export interface RunOptions extends BenchOptions {
  timeLimitSeconds: number;
  /** The run is given up. */
  signal: AbortSignal;
  /** For tests. */
  program?: string;
}

export interface Outcome {
  /** All, or those that were measured before it failed. */
  rows: Comparison[];
  /** Why; null where it did not. */
  failed: string | null;
  seconds: number;
}

export async function runScenario(
  name: string,
  { quick, rounds, say, timeLimitSeconds, signal, program = PROGRAM }: RunOptions,
): Promise<Outcome> {
  const startedAtMs = performance.now();
  const rows: Comparison[] = [];
  let outcome: string | null = 'it ended early';
  const child = fork(program, [name, JSON.stringify({ quick, rounds })], {
    detached: true,
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const endAll = (): void => {
    try {
      process.kill(-(child.pid as number), 'SIGKILL');
    } catch {
      // Nobody is left.
    }
  };
  const giveUp = (reason: string) => (): void => {
    outcome = reason;
    endAll();
  };
  const impatient = setTimeout(giveUp(`longer than ${timeLimitSeconds} s`), timeLimitSeconds * 1_000);
  signal.addEventListener('abort', giveUp('cut off'));
  child.on('message', (told: Told) => {
    if ('say' in told) say(told.say);
    else if ('row' in told) rows.push(told.row);
    else outcome = 'failed' in told ? told.failed : null;
  });
  await once(child, 'exit');
  clearTimeout(impatient);
  endAll();
  return { rows, failed: outcome, seconds: (performance.now() - startedAtMs) / 1_000 };
}
