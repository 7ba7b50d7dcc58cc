import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runScenario } from '../bench/run-scenario.ts';

const ROW = { measure: 'answers', unit: '1/s', ours: [2], other: 'someone', theirs: [1] };
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bench-'));
});
afterAll(() => rm(dir, { recursive: true }));

async function run(script: string, { timeLimitSeconds = 30, signal = new AbortController().signal } = {}) {
  const program = join(dir, 'scenario.mjs');
  await writeFile(program, `const row = ${JSON.stringify(ROW)}; const tell = (told) => process.send(told); ${script}`);
  const said: string[] = [];
  const outcome = await runScenario('any', { quick: true, rounds: 1, say: (text) => said.push(text), timeLimitSeconds, signal, program });
  return { ...outcome, said };
}
/** One that nobody has waited for yet is a zombie. */
const isAlive = (pid: string): boolean => /^[^Z]/.test(spawnSync('ps', ['-o', 'stat=', '-p', pid]).stdout.toString().trim());

test('a scenario that ends well', async () => {
  const { rows, failed, said } = await run(`tell({ say: 'hello' }); tell({ row }); tell({ done: true }); process.disconnect()`);
  expect({ rows, failed, said }).toEqual({ rows: [ROW], failed: null, said: ['hello'] });
});

test('one that fails keeps the rows that it has told', async () => {
  const { rows, failed } = await run(`tell({ row }); tell({ failed: 'no luck' }); process.disconnect()`);
  expect({ rows, failed }).toEqual({ rows: [ROW], failed: 'no luck' });
});

test('one that ends without a word has failed', async () => {
  expect((await run('tell({ row }); setTimeout(() => process.exit(0), 200)')).failed).toBe('it ended early');
});

test('one that hangs is ended in time, with what it started', async () => {
  const { rows, failed, said } = await run(
    `const { spawn } = await import('node:child_process'); tell({ row }); tell({ say: String(spawn('sleep', ['60']).pid) }); setInterval(() => {}, 1000)`,
    { timeLimitSeconds: 1 },
  );
  expect({ rows, failed }).toEqual({ rows: [ROW], failed: 'longer than 1 s' });
  await expect.poll(() => isAlive(said[0] as string)).toBe(false);
});

test('so is one of a run that is given up', async () => {
  const failed = await run('setInterval(() => {}, 1000)', { signal: AbortSignal.timeout(300) }).then((outcome) => outcome.failed);
  expect(failed).toBe('cut off');
});
