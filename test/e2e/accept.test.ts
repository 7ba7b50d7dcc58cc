// `npm run accept` itself: it passes on a history whose truth is known, and says what differs when the truth is another.
import { execFile } from 'node:child_process';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { makeTemporaryDir } from '../support/temporary-dir.ts';

const SCRIPT = fileURLToPath(new URL('../accept.ts', import.meta.url));
const FIXTURE = fileURLToPath(new URL('../fixtures/accept', import.meta.url));

const accept = (...args: string[]): Promise<{ code: number; output: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [SCRIPT, ...args], (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, output: stdout + stderr }),
    );
  });

describe('npm run accept', () => {
  it('finds no difference in any of its four runs', async () => {
    const { code, output } = await accept(FIXTURE);
    expect(output).toContain('The result equals expected.json.');
    for (const run of ['before', 'after', 'shuffled', 'import']) expect(output).toMatch(new RegExp(`^${run} +0 differences`, 'm'));
    expect(code).toBe(0);
  });

  it('names every difference and fails', async () => {
    const dir = await makeTemporaryDir('access-accept-wrong-');
    await cp(FIXTURE, dir, { recursive: true });
    const file = join(dir, 'expected.json');
    const wrong = (await readFile(file, 'utf8')).replace('"prod:access"', '"prod:root"').replace('"inactive"', '"active"');
    await writeFile(file, wrong);
    const { code, output } = await accept(dir, 'before');
    expect(code).toBe(1);
    expect(output).toContain('directory_user_bob: permissions [pager:ack prod:access], expected [pager:ack prod:root]');
    expect(output).toContain('directory_user_cyd: state INACTIVE, expected active');
    expect(output).toContain('2 differences from expected.json.');
  });

  it('says how it is used', async () => {
    expect(await accept()).toMatchObject({ code: 2, output: expect.stringContaining('Usage: npm run accept') });
    expect(await accept('/nowhere')).toMatchObject({ code: 2, output: expect.stringContaining('/nowhere has no events') });
  });
});
