// The README's examples, as a reader would paste them: every block marked `<!-- run -->` runs against a service started as the
// README says, with the variables that it names.
import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Service, startService } from '../support/service-process.ts';
import { makeTemporaryDir } from '../support/temporary-dir.ts';
import { waitFor } from '../support/wait-for.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/<!-- run(?:: (\w+))? -->\n```sh\n([\s\S]*?)```/g)].map(([, kind = 'query', script = ''], index) => ({
  kind,
  script,
  name: `example ${index + 1}: ${/(?:\{|query|subscription|mutation)[^{]*\{ (\w+)/.exec(script)?.[1] ?? (script.split('\n').find((line) => !line.startsWith('cat')) ?? '').slice(0, 60)}`,
}));

let dir: string;
let service: Service;
let ids: { USER_ID: string; ORG_ID: string };

beforeAll(async () => {
  dir = await makeTemporaryDir('access-readme-');
  service = await startService('start', { DATA_DIR: join(dir, 'data') });
  const user = await waitFor(
    'a user of the company',
    async () => {
      const query = '{ users(first: 1, state: ACTIVE) { nodes { id organization { id } } } }';
      return (await service.query<{ users: { nodes: { id: string; organization: { id: string } }[] } }>(query)).users.nodes[0];
    },
    { timeoutMs: 60_000, missing: service.output },
  );
  ids = { USER_ID: user.id, ORG_ID: user.organization.id };
});

afterAll(async () => {
  await service.end();
  await rm(dir, { recursive: true, force: true });
});

describe('the README', () => {
  it('has examples for apps, services and operators', () => {
    expect(blocks.length).toBeGreaterThanOrEqual(8);
  });

  it.each(blocks)('$name', async ({ kind, script }) => {
    const env = {
      ...process.env,
      PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}`,
      URL: service.url,
      KEY: service.key,
      ...ids,
    };
    // From a checkout the binary is not on the PATH; npx finds it in an installed package.
    const here = script.replaceAll('npx access-service', `node ${join(ROOT, 'src/cli.ts')}`);
    const { stdout } = await run('bash', ['-c', kind === 'stream' ? `${here.trimEnd()} || [ $? = 28 ]` : `set -e\n${here}`], {
      cwd: dir,
      env,
    });
    expect(stdout).not.toContain('"errors"');
    switch (kind) {
      case 'stream':
        expect(stdout).toContain('FeedCheckpoint');
        break;
      case 'catalog':
        expect(stdout).toMatch(/^Plan[\s\S]*1 new: release-captain[\s\S]*Applied/);
        break;
      case 'query':
        expect(JSON.parse(stdout)).toHaveProperty('data');
        break;
      default:
        expect(stdout.trim()).not.toBe('');
    }
  });
});
