import { once } from 'node:events';
import { expect, test } from 'vitest';
import { spawnGuarded } from '../../src/lib/spawn-guarded.ts';

const run = (script: string, timeoutMs = 5_000) => spawnGuarded('sh', ['-c', script], { stopSignal: 'TERM', timeoutMs });

async function heard(child: ReturnType<typeof run>): Promise<string> {
  let output = '';
  child.output.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  await Promise.all([child.ended, once(child.output, 'close')]);
  return output;
}

test('passes on output and errors, and the exit code', async () => {
  const child = run('echo out; echo err >&2; exit 3');
  expect(await heard(child)).toBe('out\nerr\n');
  expect(await child.ended).toEqual({ code: 3 });
});

test('a stop asks first, and the child may end in its own way', async () => {
  const child = run('trap "echo bye; exit 0" TERM; echo ready; while :; do sleep 0.05; done');
  await once(child.output, 'data');
  const output = heard(child);
  await child.stop();
  expect(await output).toBe('bye\n');
  expect(await child.ended).toEqual({ code: 0 });
});

test('a child that does not listen is killed with everything that it started', async () => {
  const child = run('trap "" TERM; echo ready; while :; do sleep 0.05; done', 100);
  await once(child.output, 'data');
  const everyWriterGone = once(child.output.resume(), 'close');
  await child.stop();
  expect((await child.ended).code).toBeNull();
  await everyWriterGone;
});

test('a program that does not exist ends with 127', async () => {
  const child = spawnGuarded('/nowhere/program', [], { stopSignal: 'TERM', timeoutMs: 1_000 });
  child.output.resume();
  expect(await child.ended).toEqual({ code: 127 });
  await child.stop();
});
