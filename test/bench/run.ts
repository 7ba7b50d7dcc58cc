// The benchmark: what people would use instead, and what no one can beat, in the same run on the same machine.
// `npm run bench -- --help` names the scenarios and options.
//
// Each scenario's rows are printed when it ends, and all of them at the end; progress goes to stderr. Ends with 1 where one failed.
// Load, Postgres and Redis share the second core; the servers that are compared, ours and others', have the first one for
// themselves (`serverCore`). The peers have a package.json of their own beside this file, installed on the first run.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { InvalidArgumentError } from 'commander';
import { numberFrom, script } from '../support/script.ts';
import { LOAD_CORE, moveTo } from './cores.ts';
import { runScenario } from './run-scenario.ts';
import type { Comparison, Scenario } from './scenario.ts';
import { SCENARIOS } from './scenarios.ts';
import { toMarkdown } from './table.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const MIN_ROUNDS = 5;
const QUICK_ROUNDS = 2;
/** Making a million users takes six minutes of it, the first time. */
const TIME_LIMIT_SECONDS = 900;

function installPeers(): void {
  if (existsSync(`${HERE}node_modules`)) return;
  process.stderr.write('installing the peers of the benchmark …\n');
  // Without scripts: none of what is used needs one, and one builds a database for minutes.
  execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: HERE,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

function choose(only: string): Scenario[] {
  const wanted = SCENARIOS.filter(({ name }) => name === only || name.startsWith(`${only}-`));
  if (wanted.length > 0) return wanted;
  throw new InvalidArgumentError('There is no such scenario.');
}

const about = SCENARIOS.map(({ name, about }) => `  ${name.padEnd(20)} ${about}`).join('\n');
const {
  quick = false,
  only: chosen = SCENARIOS,
  rounds = quick ? QUICK_ROUNDS : MIN_ROUNDS,
  timeLimit,
} = script('npm run bench --', 'What people would use instead, and what no one can beat, in the same run on the same machine.')
  .option('--quick', 'a sanity run on small data: its figures mean nothing')
  .option('--only <scenario>', 'one scenario, or all whose names begin with it and a dash', choose)
  .option('--rounds <n>', `alternating rounds (default: ${MIN_ROUNDS}, with --quick ${QUICK_ROUNDS})`, numberFrom(1))
  .option('--time-limit <seconds>', 'of one scenario: what takes longer has failed, and the others go on', numberFrom(1))
  .addHelpText('after', `\nScenarios:\n${about}`)
  .parse()
  .opts<{ quick?: boolean; only?: Scenario[]; rounds?: number; timeLimit?: number }>();
moveTo(LOAD_CORE);
installPeers();

const startedAt = performance.now();
const say = (text: string): void =>
  void process.stderr.write(`${((performance.now() - startedAt) / 1_000).toFixed(0).padStart(5)} s  ${text}\n`);
const cutOff = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => cutOff.abort());

const all: { scenario: string; comparison: Comparison }[] = [];
const verdicts: string[] = [];
for (const { name, timeLimitSeconds: ownLimitSeconds = TIME_LIMIT_SECONDS } of chosen) {
  if (cutOff.signal.aborted) break;
  say(name);
  const options = {
    quick,
    rounds,
    timeLimitSeconds: timeLimit ?? ownLimitSeconds,
    signal: cutOff.signal,
    say: (text: string) => say(`${name}: ${text}`),
  };
  const { rows, failed, seconds } = await runScenario(name, options);
  const rowsOfIt = rows.map((comparison) => ({ scenario: name, comparison }));
  all.push(...rowsOfIt);
  const verdict = `${name}: ${seconds.toFixed(0)} s${failed === null ? '' : `, FAILED: ${failed}`}`;
  verdicts.push(verdict);
  say(verdict);
  if (failed !== null) process.exitCode = 1;
  process.stdout.write(`${verdict}\n\n${toMarkdown(rowsOfIt)}\n\n`);
}
const machine = `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${availableParallelism()} of ${cpus().length} cores for the load, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${rounds} rounds${quick ? ', quick: the figures mean nothing' : ''}`;
process.stdout.write(`${machine}\n${verdicts.join('; ')}\n\n${toMarkdown(all)}\n`);
