// What is wrong with the settings, a file or the machine stops a command with one clear sentence and exit code 1 (2 for arguments).
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../src/lib/free-port.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { runCli } from '../support/service-process.ts';
import { makeTemporaryDir } from '../support/temporary-dir.ts';

let database: TestDatabase;
let dir: string;

beforeAll(async () => {
  database = await createTestDatabase();
  dir = await makeTemporaryDir('access-settings-');
});
afterAll(() => database.drop());

async function outcome(args: string[], env: Record<string, string> = {}): Promise<{ code: number | null; output: string }> {
  const cli = runCli(args, { DATA_DIR: join(dir, 'data'), LOG_LEVEL: 'error', ...env });
  const code = await cli.exited;
  return { code, output: cli.output() };
}

describe('a start that cannot work', () => {
  it('a database that does not answer is named by host and port, never by its password', async () => {
    const port = await freePort();
    const { code, output } = await outcome(['start'], { DATABASE_URL: `postgresql://me:s3cret-word@127.0.0.1:${port}/access` });
    expect(code).toBe(1);
    expect(output).toContain(`127.0.0.1:${port}`);
    expect(output).not.toContain('s3cret-word');
  });

  it('a port in use is named, with what to do', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    const { code, output } = await outcome(['start'], { DATABASE_URL: database.url, PORT: String(port) });
    other.close();
    await once(other, 'close');
    expect(code).toBe(1);
    expect(output).toContain(`Port ${port} on 127.0.0.1 is in use`);
  });

  it('every fault of the settings is listed, misspelt names among them', async () => {
    const { code, output } = await outcome(['start'], { DATABSE_URL: 'x', PORT: 'four', INITIAL_IMPORT: 'maybe' });
    expect(code).toBe(1);
    for (const fault of ['DATABSE_URL', 'DATABASE_URL', 'PORT', 'INITIAL_IMPORT']) expect(output).toContain(fault);
  });

  it('production takes no stand-ins', async () => {
    const { code, output } = await outcome(['start'], { NODE_ENV: 'production' });
    expect(code).toBe(1);
    for (const name of ['DATABASE_URL', 'REDIS_URL', 'WORKOS_API_KEY', 'ADMIN_API_KEY']) expect(output).toContain(name);
  });

  it('migrate says what it did, and that there is nothing to do', async () => {
    const empty = await createTestDatabase({ empty: true });
    const first = await outcome(['migrate'], { DATABASE_URL: empty.url });
    const second = await outcome(['migrate'], { DATABASE_URL: empty.url });
    await empty.drop();
    expect(first).toMatchObject({ code: 0, output: expect.stringMatching(/^Applied \d+ migration/) });
    expect(second).toEqual({ code: 0, output: 'The database is up to date.\n' });
  });
});

describe('arguments and files', () => {
  it('an unknown command or option ends with 2 and the usage', async () => {
    expect(await outcome(['strat'])).toMatchObject({ code: 2, output: expect.stringContaining('start') });
    expect(await outcome(['fake-workos', '--sped', '3'])).toMatchObject({ code: 2, output: expect.stringContaining('--speed') });
  });

  it('a catalog that is no catalog says where, before anybody is asked', async () => {
    const file = join(dir, 'catalog.yaml');
    await writeFile(file, 'roles:\n  - slug: a\ngroupMappings: []\n');
    const { code, output } = await outcome(['catalog', 'apply', file], { ADMIN_API_KEY: 'some-key-of-sixteen' });
    expect(code).toBe(1);
    expect(output).toContain('roles.0.permissions');
  });

  it('a service that is not there is said so', async () => {
    const file = join(dir, 'good.json');
    await writeFile(file, '{"roles":[],"groupMappings":[]}');
    const url = `http://127.0.0.1:${await freePort()}`;
    const { code, output } = await outcome(['catalog', 'apply', file, '--url', url], { ADMIN_API_KEY: 'some-key-of-sixteen' });
    expect(code).toBe(1);
    expect(output).toContain(`no answer from ${url}`);
  });

  it('a history that is not JSON names its line', async () => {
    const file = join(dir, 'history.jsonl');
    await writeFile(file, '{"object":"event"');
    const { code, output } = await outcome(['fake-workos', '--events', file, '--port', '0']);
    expect(code).toBe(1);
    expect(output).toMatch(/line 1/);
  });
});
