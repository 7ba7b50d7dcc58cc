import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

test('a test file that leaves a server behind fails, and one that closes it does not', { timeout: 60_000 }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'leaky-'));
  const file = join(dir, 'report.json');
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/fixtures/leaky/vitest.config.ts'];
  spawnSync(process.execPath, [...args, '--reporter=json', `--outputFile.json=${file}`]);
  const files = (JSON.parse(readFileSync(file, 'utf8')) as { testResults: { name: string; status: string; message: string }[] })
    .testResults;
  rmSync(dir, { recursive: true });
  const outcome = (name: string) => files.find(({ name: path }) => path.endsWith(`${name}.sample.ts`));
  expect(outcome('leaves-a-server')).toMatchObject({
    status: 'failed',
    message: expect.stringContaining('left something open: TCPServerWrap'),
  });
  expect(outcome('closes-its-server')).toMatchObject({ status: 'passed' });
});
