import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { linkLibraries } from '../../../src/db/embedded-binaries.ts';

test('links that a blocked install script did not make are made, once', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'binaries-'));
  const home = join(dir, 'native');
  await mkdir(join(home, 'lib'), { recursive: true });
  await writeFile(join(home, 'lib', 'libpq.so.5.18'), 'library');
  await writeFile(
    join(home, 'pg-symlinks.json'),
    JSON.stringify([{ source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so.5' }]),
  );
  await linkLibraries(home);
  await linkLibraries(home);
  expect(await readFile(join(home, 'lib', 'libpq.so.5'), 'utf8')).toBe('library');
  await rm(dir, { recursive: true });
});
