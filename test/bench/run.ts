// The benchmark: what people would use instead, and what no one can beat, in the same run on the same machine.
//
//   npm run bench                    everything, five alternating rounds
//   npm run bench -- --quick         a sanity run on small data
//   npm run bench -- --only NAME     one scenario
//   npm run bench -- --rounds N
//   npm run bench -- --time-limit SECONDS   of one scenario; what takes longer has failed, and the others go on
//
// Each scenario's rows are printed when it ends, and all of them at the end; progress goes to stderr. Ends with 1 where one failed.
// Load, Postgres and Redis share the second core; the servers that are compared, ours and others', have the first one for
// themselves (`serverCore`). The peers have a package.json of their own beside this file, installed on the first run.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
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

function choose(only: string | undefined): Scenario[] {
  if (only === undefined) return SCENARIOS;
  const wanted = SCENARIOS.filter(({ name }) => name === only || name.startsWith(`${only}-`));
  if (wanted.length > 0) return wanted;
  process.stderr.write(
    `--only: there is no "${only}"; choose one of\n${SCENARIOS.map(({ name, about }) => `  ${name.padEnd(20)} ${about}`).join('\n')}\n`,
  );
  process.exit(2);
}

function wholeNumber(name: string, text: string | undefined, otherwise: number): number {
  const number = text === undefined ? otherwise : Number(text);
  if (Number.isInteger(number) && number >= 1) return number;
  process.stderr.write(`--${name}: a whole number, 1 or more\n`);
  process.exit(2);
}

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    rounds: { type: 'string' },
    'time-limit': { type: 'string' },
  },
});
const { quick } = values;
const chosen = choose(values.only);
const rounds = wholeNumber('rounds', values.rounds, quick ? QUICK_ROUNDS : MIN_ROUNDS);
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
  const timeLimitSeconds = wholeNumber('time-limit', values['time-limit'], ownLimitSeconds);
  const options = { quick, rounds, timeLimitSeconds, signal: cutOff.signal, say: (text: string) => say(`${name}: ${text}`) };
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
