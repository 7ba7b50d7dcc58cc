// `npm run test:faults -- --seeds N --minutes M [--seed S]`: the long soak. Seed after seed, each a world of several real
// processes under random faults, until both are reached: N seeds at least, and M minutes. The schedule of faults is a function
// of the seed: `--seed S --seeds 1` runs that one again.
import { numberFrom, script } from '../support/script.ts';
import { type RunReport, runSeed } from './soak-run.ts';

const {
  seeds,
  minutes,
  seed: first = Math.floor(Math.random() * 2 ** 31),
} = script('npm run test:faults --', 'The long soak: seed after seed, until both --seeds and --minutes are reached.')
  .option('--seeds <n>', 'at least so many', numberFrom(0), 1)
  .option('--minutes <n>', 'at least so long', numberFrom(0, { whole: false }), 0)
  .option('--seed <n>', 'the first one (default: by chance)', numberFrom(0))
  .parse()
  .opts<{ seeds: number; minutes: number; seed?: number }>();

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const startedAt = performance.now();
const reports: RunReport[] = [];
print(`first seed ${first}`);
for (let seed = first; reports.length < seeds || performance.now() - startedAt < minutes * 60_000; seed += 1) {
  print(`seed ${seed}`);
  const report = await runSeed(seed, print);
  reports.push(report);
  const { faults, ...rest } = report;
  print(JSON.stringify({ ...rest, faults: Object.values(faults).reduce((sum, count) => sum + count, 0) }));
  if (report.violation) print(`VIOLATION with seed ${seed}; again with: npm run test:faults -- --seed ${seed} --seeds 1`);
}

const total = (of: (report: RunReport) => number): number => reports.reduce((sum, report) => sum + of(report), 0);
const byKind: Record<string, number> = {};
for (const { faults } of reports) for (const [kind, count] of Object.entries(faults)) byKind[kind] = (byKind[kind] ?? 0) + count;
const violated = reports.filter(({ violation }) => violation !== null);
print(`faults by kind: ${JSON.stringify(byKind)}`);
print(
  `${reports.length} seeds from ${first} in ${((performance.now() - startedAt) / 60_000).toFixed(1)} minutes: ` +
    `${total(({ faults }) => Object.values(faults).reduce((sum, count) => sum + count, 0))} faults, ${total(({ events }) => events)} events, ` +
    `${total(({ changes }) => changes)} changes, ${total(({ subscribers }) => subscribers)} subscribers that received ${total(({ received }) => received)}, ` +
    `${violated.length} violations${violated.length > 0 ? ` (seeds ${violated.map(({ seed }) => seed).join(', ')})` : ''}`,
);
process.exitCode = violated.length > 0 ? 1 : 0;
