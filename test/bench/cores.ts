// Which core does what. On a machine without `taskset` (util-linux) everything shares all cores.
import { spawnSync } from 'node:child_process';

export const SERVER_CORE = 0;
export const LOAD_CORE = 1;

const canPin = spawnSync('taskset', ['-c', '0,1', 'true']).status === 0;

/** This process, and all that it starts unless they are bound to another. */
export function moveTo(core: number): void {
  if (canPin) spawnSync('taskset', ['-a', '-c', '-p', String(core), String(process.pid)]);
}

/** The command, bound to one core. */
export const onCore = (core: number, command: readonly string[]): string[] =>
  canPin ? ['taskset', '-c', String(core), ...command] : [...command];
