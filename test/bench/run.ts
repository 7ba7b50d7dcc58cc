// The benchmark: what people would use instead, and what no one can beat, in the same run on the same machine.
//
//   npm run bench                    everything, five alternating rounds
//   npm run bench -- --quick         a sanity run on small data
//   npm run bench -- --only NAME     one scenario
//   npm run bench -- --rounds N
//
// Load, Postgres and Redis share the second core; the servers that are compared, ours and others', have the first one for
// themselves (`serverCore`). The peers have a package.json of their own beside this file, installed on the first run.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { LOAD_CORE, onCore } from './cores.ts';
import type { Comparison, Scenario } from './scenario.ts';
import { SCENARIOS } from './scenarios.ts';
import { toMarkdown } from './table.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const MIN_ROUNDS = 5;
const QUICK_ROUNDS = 2;

/** This process and all that it starts, on the core of the load. */
function moveToLoadCore(): void {
  if (process.env.BENCH_MOVED) return;
  const [program = '', ...args] = onCore(LOAD_CORE, [process.execPath, ...process.execArgv, ...process.argv.slice(1)]);
  const { status } = spawnSync(program, args, { stdio: 'inherit', env: { ...process.env, BENCH_MOVED: '1' } });
  process.exit(status ?? 1);
}

function installPeers(): void {
  if (existsSync(`${HERE}node_modules`)) return;
  process.stderr.write('installing the peers of the benchmark …\n');
  // Without scripts: none of what is used needs one, and one builds a database for minutes.
  execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: HERE,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

function choose(only: string | undefined): Scenario[] {
  if (only === undefined) return SCENARIOS;
  const wanted = SCENARIOS.filter(({ name }) => name === only || name.startsWith(`${only}-`));
  if (wanted.length > 0) return wanted;
  process.stderr.write(
    `--only: there is no "${only}"; choose one of\n${SCENARIOS.map(({ name, about }) => `  ${name.padEnd(20)} ${about}`).join('\n')}\n`,
  );
  process.exit(2);
}

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' }, rounds: { type: 'string' } },
});
const chosen = choose(values.only);
const rounds = values.rounds === undefined ? (values.quick ? QUICK_ROUNDS : MIN_ROUNDS) : Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) {
  process.stderr.write('--rounds: a whole number, 1 or more\n');
  process.exit(2);
}
moveToLoadCore();
installPeers();

const startedAt = performance.now();
const say = (text: string): void =>
  void process.stderr.write(`${((performance.now() - startedAt) / 1_000).toFixed(0).padStart(5)} s  ${text}\n`);
const rows: { scenario: string; comparison: Comparison }[] = [];
for (const { name, run } of chosen) {
  say(name);
  for (const comparison of await run({ quick: values.quick, rounds, say: (text) => say(`${name}: ${text}`) }))
    rows.push({ scenario: name, comparison });
}
const machine = `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${availableParallelism()} of ${cpus().length} cores for the load, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${rounds} rounds${values.quick ? ', quick: the figures mean nothing' : ''}`;
process.stdout.write(`${machine}\n\n${toMarkdown(rows)}\n`);
