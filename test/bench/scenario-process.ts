// One scenario as a process of its own, started by run-scenario.ts: rows are told as they come, so that those of a scenario that
// fails later are not lost.
import type { BenchOptions, Comparison } from './scenario.ts';
import { SCENARIOS } from './scenarios.ts';

export type Told = { say: string } | { row: Comparison } | { failed: string } | { done: true };

const [name, options] = process.argv.slice(2);
const { quick, rounds } = JSON.parse(options ?? '{}') as Pick<BenchOptions, 'quick' | 'rounds'>;
const tell = (told: Told): Promise<void> => new Promise((resolve) => process.send?.(told, undefined, {}, () => resolve()));
// Nobody is left to tell: with everything that was started.
const orphaned = (): void => void process.kill(0, 'SIGKILL');
process.once('disconnect', orphaned);

try {
  const scenario = SCENARIOS.find((one) => one.name === name);
  if (!scenario) throw new Error(`there is no scenario "${name}"`);
  for await (const row of scenario.run({ quick, rounds, say: (text) => void tell({ say: text }) })) await tell({ row });
  await tell({ done: true });
} catch (error) {
  const { cause } = error as Error;
  await tell({ failed: cause ? `${(error as Error).message}: ${cause}` : String((error as Error).message ?? error) });
  process.stderr.write(`${(error as Error).stack ?? error}\n`);
} finally {
  process.off('disconnect', orphaned);
  process.disconnect();
}
