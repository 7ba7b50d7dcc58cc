// `access-service keys` as an operator or a script runs it: what goes to stdout, what to stderr, and how it exits.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readKey } from '../../../src/auth/keys.ts';
import { readExpiry } from '../../../src/commands/keys.ts';
import { type Api, startApi } from '../../support/api.ts';
import { ADMIN_KEY } from '../../support/callers.ts';

const CLI = fileURLToPath(new URL('../../../src/cli.ts', import.meta.url));

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

const run = (args: readonly string[], key = ADMIN_KEY) =>
  new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const env = { ...process.env, ADMIN_API_KEY: key };
    execFile(process.execPath, [CLI, 'keys', ...args, '--url', api.url], { env }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });

test('a new key alone goes to stdout, works, is listed without its secret, and ends when it is revoked by its id', async () => {
  const created = await run([
    'create',
    '--name',
    'billing',
    '--scope',
    'entitlements:read',
    'SYNC_READ',
    '--organization',
    'org_1',
    '--expires',
    '90d',
  ]);
  expect(created.code).toBe(0);
  const key = created.stdout.trim();
  const { id } = readKey(key) ?? { id: '' };
  expect(created.stderr).toContain(`${id}  billing  org_1  ENTITLEMENTS_READ,SYNC_READ  until`);
  expect((await api.query('{ caller { name } }', {}, key)).data).toEqual({ caller: { name: 'billing' } });

  const listed = await run(['list']);
  expect(listed.stdout).toContain(id);
  expect(listed.stdout + created.stderr).not.toContain(key);

  const revoked = await run(['revoke', id, '--json']);
  expect(JSON.parse(revoked.stdout)).toMatchObject({ id, name: 'billing', revokedAt: expect.any(String) });
  expect((await api.query('{ caller { name } }', {}, key)).status).toBe(401);
});

test('--json gives what a script needs', async () => {
  const { stdout, stderr } = await run(['create', '--name', 'x', '--scope', 'sync:read', '--json']);
  expect(JSON.parse(stdout)).toEqual({
    secret: expect.stringMatching(/^ak_/),
    apiKey: expect.objectContaining({ name: 'x', scopes: ['SYNC_READ'], organizationId: null, expiresAt: null }),
  });
  expect(stderr).toBe('');
});

test.each<[string, readonly string[], number, RegExp]>([
  [
    'an unknown scope',
    ['create', '--name', 'x', '--scope', 'everything'],
    1,
    /There is no scope "everything"\. There are ENTITLEMENTS_READ/,
  ],
  ['no scope', ['create', '--name', 'x'], 2, /--scope/],
  ['an end that is no time', ['create', '--name', 'x', '--scope', 'sync:read', '--expires', 'soon'], 1, /--expires takes 30m, 12h, 90d/],
  ['an unknown key', ['revoke', 'ak_nobody'], 1, /NOT_FOUND/],
])('%s is one clear sentence', async (_what, args, code, said) => {
  const answer = await run(args);
  expect(answer.code).toBe(code);
  expect(answer.stderr).toMatch(said);
  expect(answer.stdout).toBe('');
});

test('without the right to manage keys nothing is shown', async () => {
  const { code, stderr } = await run(['list'], 'entitlements');
  expect([code, stderr]).toEqual([1, expect.stringContaining('FORBIDDEN')]);
});

test('an end is a time from now, or a point in time', () => {
  const now = new Date('2026-01-01T00:00:00.000Z');
  expect(readExpiry('30m', now)).toBe('2026-01-01T00:30:00.000Z');
  expect(readExpiry('12h', now)).toBe('2026-01-01T12:00:00.000Z');
  expect(readExpiry('90d', now)).toBe('2026-04-01T00:00:00.000Z');
  expect(readExpiry('2027-01-31T09:00:00+01:00', now)).toBe('2027-01-31T08:00:00.000Z');
  for (const text of ['', '90', '-1d', '1.5d', '2027-01-31', '2027-01-31T09:00:00', 'Z'])
    expect(() => readExpiry(text, now)).toThrow('--expires');
});
