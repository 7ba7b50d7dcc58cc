// A wrong command line of a script for developers starts nothing, and says how it is right.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const run = (script: string, args: readonly string[]): Promise<{ code: number; output: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [fileURLToPath(new URL(`../${script}`, import.meta.url)), ...args], (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, output: stdout + stderr }),
    );
  });

test.each<[string, string, string[][]]>([
  ['bench/run.ts', 'bench', [['--fast'], ['--rounds', '0'], ['--rounds', 'x'], ['--only', 'nothing'], ['more']]],
  ['faults/soak.ts', 'test:faults', [['--hours', '1'], ['--minutes', 'x'], ['--seed', '-1'], ['more']]],
  ['accept.ts', 'accept', [[], ['--fast'], ['/nowhere', 'sideways'], ['/nowhere', 'before', 'more']]],
])('%s', { timeout: 60_000 }, async (script, name, wrong) => {
  const usage = expect.stringContaining(`Usage: npm run ${name} --`);
  expect(await run(script, ['--help'])).toEqual({ code: 0, output: usage });
  for (const args of wrong) {
    const { code, output } = await run(script, args);
    expect({ args, code, output }).toEqual({ args, code: 2, output: usage });
    expect(output).toMatch(/^error: /);
    expect(output).not.toMatch(/\n {4}at /);
  }
});
