// `npm test`: runs vitest and closes with a line `N passed, N failed` of its own, for CI systems that count. A run that
// crashes, finds no test, or fails outside of a test counts as failed. Arguments go to vitest: `npm test -- test/unit`.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Report, summarize } from './support/summary.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const node = (...args: string[]): number | null => spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status;

// The typed documents that tests import are not in git. A schema that differs from its file is said here and fails in its own test.
node('codegen.ts', '--check');

const dir = mkdtempSync(join(tmpdir(), 'access-test-report-'));
const file = join(dir, 'report.json');
const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/vitest.config.ts'];
const exitCode = node(...vitest, '--reporter=default', '--reporter=json', `--outputFile.json=${file}`, ...process.argv.slice(2));
const report = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Report) : undefined;
rmSync(dir, { recursive: true, force: true });

const { passed, failed, skipped } = summarize(report, exitCode);
for (const name of skipped) process.stdout.write(`not run: ${name}\n`);
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 ? 1 : 0;
