// The package as a consumer gets it: built, packed, unpacked under node_modules of a folder of its own. What npm would fetch
// for it is taken from here, so that no registry is needed.
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Consumer {
  dir: string;
  write(name: string, content: string): Promise<void>;
  /** Runs a program of the repository's node_modules here. */
  run(...args: string[]): Promise<string>;
  remove(): Promise<void>;
}

/** `dependencies`: packages that the packed one may use; others are not there. */
export async function installPacked(dependencies: readonly string[]): Promise<Consumer> {
  const dir = await mkdtemp(join(tmpdir(), 'access-consumer-'));
  const installed = join(dir, 'node_modules');
  // --ignore-scripts: `prepare` would generate the database client anew under the feet of the other tests.
  await run('npm', ['run', '--silent', 'build'], { cwd: ROOT });
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', dir], { cwd: ROOT });
  const [archive = ''] = (await readdir(dir)).filter((name) => name.endsWith('.tgz'));
  await run('tar', ['-xzf', archive], { cwd: dir });
  await mkdir(installed);
  await cp(join(dir, 'package'), join(installed, 'access-service'), { recursive: true });
  for (const name of dependencies) await symlink(join(ROOT, 'node_modules', name), join(installed, name));
  await writeFile(join(dir, 'package.json'), '{ "type": "module", "private": true }');
  return {
    dir,
    write: (name, content) => writeFile(join(dir, name), content),
    run: async (...args) => (await run(process.execPath, args, { cwd: dir })).stdout,
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}

/** The block that the README gives a file's name: `<!-- run: NAME -->`. */
export function blockOf(readme: string, name: string): string {
  const block = new RegExp(`<!-- run: ${name.replace('.', '\\.')} -->\n\`\`\`js\n([\\s\\S]*?)\`\`\``).exec(readme)?.[1];
  if (block === undefined) throw new Error(`the README has no block named ${name}`);
  return block;
}
