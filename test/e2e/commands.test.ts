// What an operator types, against a real running service: what it prints, its exit codes, and that nothing takes access away
// without somebody having said so.
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { type Db, type OpenDb, openDb } from '../../src/db/client.ts';
import { type FakeWorkos, type HistoryEvent, startFakeWorkos } from '../../src/fake-workos/server.ts';
import { createLogger } from '../../src/log.ts';
import { OPEN_END } from '../../src/model/cursor.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { CLI, runCli, type Service, startService } from '../support/service-process.ts';
import { COMPANY, COMPANY_CATALOG, NEXT, permissionsNow } from '../support/small-company.ts';
import { makeTemporaryDir } from '../support/temporary-dir.ts';
import { waitFor } from '../support/wait-for.ts';
import { anEvent, aUser } from '../support/workos-objects.ts';

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

const RIGHT = { ann: ['docs:read', 'docs:write'], bob: ['docs:admin', 'docs:read', 'docs:write'] };

let database: TestDatabase;
let fake: FakeWorkos;
let service: Service;
let opened: OpenDb;
let db: Db;
let catalogFile: string;

beforeAll(async () => {
  database = await createTestDatabase();
  opened = openDb({ url: database.url, poolSize: 2, statementTimeoutMs: 20_000, applicationName: 'commands test' });
  ({ db } = opened);
  fake = await startFakeWorkos({ log: createLogger('silent'), source: { kind: 'scripted' } });
  tell(COMPANY);
  service = await startService('start', {
    DATABASE_URL: database.url,
    WORKOS_API_KEY: fake.apiKey,
    WORKOS_API_URL: fake.url,
    INITIAL_IMPORT: 'off',
    EVENT_RETENTION_DAYS: '1000',
  });
  const dir = await makeTemporaryDir('access-commands-');
  catalogFile = join(dir, 'catalog.yaml');
  await writeFile(catalogFile, stringify(COMPANY_CATALOG));
  await waitFor(
    'the company to be applied',
    async () => (await db.directoryEvent.count({ where: { status: 'APPLIED' } })) === COMPANY.length,
    { timeoutMs: 30_000 },
  );
});

afterAll(async () => {
  await service?.end();
  await fake?.close();
  await opened?.close();
  await database?.drop();
});

const tell = (events: readonly { raw: string }[]): void => {
  for (const { raw } of events) fake.publish(JSON.parse(raw) as HistoryEvent);
};

const environment = () => ({ PATH: process.env.PATH ?? '', ADMIN_API_KEY: service.key });

/** `access-service …args` without a terminal. */
const run = (...args: string[]): Promise<Ran> =>
  new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...args, '--url', service.url], { env: environment() }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr }),
    ).stdin?.end();
  });

const plant = (): Promise<number> =>
  db.$executeRawUnsafe(
    `UPDATE effective_entitlement SET permissions = permissions || '{secret}' WHERE user_id = 'bob' AND to_position = ${OPEN_END}`,
  );

describe('catalog', () => {
  test('shows the plan, applies it, and asks before it takes anything away', async () => {
    const applied = await run('catalog', 'apply', catalogFile);
    expect(applied).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Plan[\s\S]*2 new: [\s\S]*Applied/) });
    expect(await permissionsNow(db)).toEqual(RIGHT);

    const poorer = `${catalogFile}.poorer.yaml`;
    await writeFile(poorer, stringify({ ...COMPANY_CATALOG, groupMappings: COMPANY_CATALOG.groupMappings.slice(0, 1) }));
    const refused = await run('catalog', 'apply', poorer, '--prune');
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/takes 1 permission away[\s\S]*--yes[\s\S]*Nothing was altered/),
    });
    expect(await permissionsNow(db)).toEqual(RIGHT);
    const done = await run('catalog', 'apply', poorer, '--prune', '--yes', '--json');
    expect(done.code).toBe(0);
    expect(JSON.parse(done.stdout)).toMatchObject({ applied: true, revokedPermissions: 1 });
    expect(await run('catalog', 'apply', catalogFile)).toMatchObject({ code: 0 });
    expect(await permissionsNow(db)).toEqual(RIGHT);
  });
});

describe('replay', () => {
  test('goes through where nothing is wrong; progress goes to stderr, the result alone to stdout', async () => {
    const { code, stdout, stderr } = await run('replay', 'start', '--reason', 'a look');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^[0-9a-f-]{36} {2}SUCCEEDED .*admin: a look\n {2}accounts {2}0 repaired, 3 unchanged/);
    expect(stderr).toMatch(/comparing 9\/9|waiting for a worker/);
    const { id } = JSON.parse((await run('replay', 'start', '--user', 'bob', '--source', 'WORKOS_EVENTS', '--json')).stdout) as {
      id: string;
    };
    expect(JSON.parse((await run('replay', 'status', id, '--json')).stdout)).toMatchObject({
      id,
      status: 'SUCCEEDED',
      source: 'WORKOS_EVENTS',
      fetched: 3,
      missing: 0,
    });
    expect(await run('replay', 'status')).toMatchObject({ code: 0, stdout: expect.stringContaining(id) });
    expect(await run('replay', 'watch', id)).toMatchObject({ code: 0, stdout: expect.stringContaining('SUCCEEDED') });
    expect(await run('replay', 'cancel', id)).toMatchObject({ code: 0, stdout: expect.stringContaining('SUCCEEDED') });
  });

  test('where nobody can be asked it takes nothing away, and says how it would', async () => {
    await plant();
    const refused = await run('replay', 'start', '--user', 'bob');
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/takes 1 permission away[\s\S]*--yes[\s\S]*Nothing was altered/),
    });
    expect(refused.stdout).toMatch(/AWAITING_CONFIRMATION[\s\S]*1 would be repaired[\s\S]*bob -secret/);
    expect((await permissionsNow(db)).bob).toContain('secret');
    expect(await db.replay.count({ where: { status: 'AWAITING_CONFIRMATION' } })).toBe(0);

    const rehearsal = await run('replay', 'start', '--user', 'bob', '--dry-run', '--json');
    expect(rehearsal.code).toBe(0);
    expect(JSON.parse(rehearsal.stdout)).toMatchObject({ dryRun: true, repaired: 1, confirmToken: expect.any(String) });
    expect((await permissionsNow(db)).bob).toContain('secret');
  });

  test('--yes does not lift the guard against mass removal: its token does', async () => {
    const guarded = await run('replay', 'start', '--user', 'bob', '--yes', '--max-revocations', '0');
    expect(guarded.code).toBe(1);
    const [, token = ''] = /--confirm-token (\S+)/.exec(guarded.stderr) ?? [];
    expect(await run('replay', 'start', '--user', 'bob', '--yes', '--max-revocations', '0', '--confirm-token', token)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/SUCCEEDED[\s\S]*1 repaired/),
    });
    expect(await permissionsNow(db)).toEqual(RIGHT);
  });

  test('--yes goes through within what may be revoked', async () => {
    await plant();
    expect(await run('replay', 'start', '--user', 'bob', '--yes')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('1 repaired'),
    });
    expect(await permissionsNow(db)).toEqual(RIGHT);
  });

  const hasScript = spawnSync('script', ['--version']).status === 0;
  test.runIf(hasScript)('at a terminal it asks, and only the word lets it go on', async () => {
    await plant();
    const command = `${process.execPath} ${CLI} replay start --user bob --url ${service.url}`;
    for (const [answer, code, holds] of [
      ['yes', 1, true],
      ['revoke', 0, false],
    ] as const) {
      const terminal = execFile('script', ['-qec', command, '/dev/null'], { env: environment() });
      let shown = '';
      terminal.stdout?.on('data', (text: string) => {
        if (!shown.includes('Type "revoke"') && `${shown}${text}`.includes('Type "revoke"')) terminal.stdin?.write(`${answer}\n`);
        shown += text;
      });
      expect(await once(terminal, 'close')).toEqual([code, null]);
      expect((await permissionsNow(db)).bob?.includes('secret')).toBe(holds);
    }
    expect(await permissionsNow(db)).toEqual(RIGHT);
  });

  test('what is wrong with the arguments ends with 2, what is refused with 1', async () => {
    expect(await run('replay', 'start', '--from', 'yesterday')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('2027-01-31T09:00:00Z'),
    });
    expect(await run('replay', 'start', '--event', 'event_9')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^BAD_USER_INPUT: /),
    });
    expect(await run('replay', 'status', 'nowhere')).toMatchObject({ code: 1, stderr: 'There is no replay nowhere.\n' });
    expect(await run('replay', 'watch', 'nowhere')).toMatchObject({ code: 1, stderr: expect.stringContaining('NOT_FOUND') });
  });
});

describe('events', () => {
  test('a quarantined event is listed, shown, tried again and skipped', async () => {
    const poison = anEvent(NEXT, 'dsync.user.updated', { ...aUser('cyd'), state: 7 });
    tell([poison]);
    await waitFor('the quarantine', async () => (await db.directoryEvent.count({ where: { status: 'QUARANTINED' } })) === 1, {
      timeoutMs: 30_000,
    });
    const listed = await run('events', 'list', '--status', 'QUARANTINED', '--json');
    expect(JSON.parse(listed.stdout)).toMatchObject({
      totalCount: 1,
      nodes: [{ id: poison.id, status: 'QUARANTINED', error: expect.any(String) }],
    });
    expect(await run('events', 'show', poison.id)).toMatchObject({ code: 0, stdout: expect.stringContaining('"state": 7') });
    expect(await run('events', 'retry', poison.id)).toMatchObject({ code: 0, stdout: expect.stringContaining('PENDING') });
    await waitFor('the quarantine again', async () => (await db.directoryEvent.count({ where: { status: 'QUARANTINED' } })) === 1, {
      timeoutMs: 30_000,
    });
    expect(await run('events', 'skip', poison.id)).toMatchObject({ code: 2 });
    expect(await run('events', 'skip', poison.id, '--reason', 'ticket 7')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('SKIPPED'),
    });
    expect(await run('events', 'list', '--status', 'QUARANTINED')).toMatchObject({ code: 0, stdout: 'There are no such events.\n' });
    expect(await run('events', 'retry', 'nowhere')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^NOT_FOUND: /) });
  });
});

describe('health', () => {
  test('its exit code is the status, also of what it saw last', async () => {
    const codes: Record<string, number> = { HEALTHY: 0, DEGRADED: 1, FAILING: 2 };
    const { code, stdout } = await run('health', '--json');
    expect(code).toBe(codes[(JSON.parse(stdout) as { status: string }).status]);
    const text = await run('health');
    expect(text.code).toBe(codes[/^(\w+) /.exec(text.stdout)?.[1] ?? '']);

    const watching = runCli(['health', '--watch', '--json', '--url', service.url], { ADMIN_API_KEY: service.key });
    await waitFor('a first state', () => watching.output().includes('\n'), { timeoutMs: 30_000 });
    const ended = await watching.end('SIGINT');
    expect(ended).toBe(codes[(JSON.parse(watching.output().trim().split('\n').at(-1) ?? '') as { status: string }).status]);
  });

  test('a service that does not answer is failing', async () => {
    const silent = runCli(['health', '--url', 'http://127.0.0.1:9'], { ADMIN_API_KEY: 'x' });
    expect(await silent.exited).toBe(2);
    expect(silent.output()).toContain('Is the service running?');
  });
});

describe('reconcile', () => {
  test('finds what differs, and repairs only what was confirmed', async () => {
    await db.$executeRawUnsafe("UPDATE directory_user SET email = 'x@example.com' WHERE id = 'ann'");
    await db.$executeRawUnsafe(
      `INSERT INTO membership SELECT 'ann', id, directory_id, organization_id, true, source_version, true, now(), NULL FROM directory_group WHERE id = 'admins'`,
    );
    await db.$executeRawUnsafe(
      `UPDATE effective_entitlement SET roles = '{builder,steward}', permissions = '{docs:admin,docs:read,docs:write}' WHERE user_id = 'ann' AND to_position = ${OPEN_END}`,
    );
    const refused = await run('reconcile', 'directory_1', '--repair');
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('--yes') });
    expect(refused.stdout).toMatch(/AWAITING_CONFIRMATION[\s\S]*MEMBERSHIP ann in admins/);
    expect((await permissionsNow(db)).ann).toContain('docs:admin');
    const { confirmToken } = await db.driftReport.findFirstOrThrow({ where: { status: 'AWAITING_CONFIRMATION' } });
    const repaired = await run('reconcile', 'directory_1', '--repair', '--confirm-token', confirmToken ?? '', '--json');
    expect(repaired.code).toBe(0);
    expect(JSON.parse(repaired.stdout)).toMatchObject({ status: 'SUCCEEDED', repair: true });
    expect(await permissionsNow(db)).toEqual(RIGHT);
    expect(await run('reconcile', 'directory_9')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^NOT_FOUND: /) });
  });
});

test('every command tells how it is used, with examples', async () => {
  const commands = [
    'replay start',
    'replay status',
    'replay cancel',
    'replay watch',
    'reconcile',
    'events list',
    'events show',
    'events retry',
    'events skip',
    'health',
    'catalog apply',
  ];
  const ran = await Promise.all(commands.map((command) => run(...command.split(' '), '--help')));
  for (const [index, { code, stdout }] of ran.entries()) {
    expect(code, commands[index]).toBe(0);
    expect(stdout, commands[index]).toMatch(/--json[\s\S]*Examples:\n {2}ADMIN_API_KEY=… access-service /);
  }
});

test('all that was done stands in the audit', async () => {
  const entries = await db.auditEntry.findMany({ where: { outcome: 'SUCCEEDED' } });
  expect(new Set(entries.map(({ action }) => action))).toEqual(
    new Set(['applyCatalog', 'replayEvents', 'cancelReplay', 'retryEvents', 'skipEvent', 'reconcileDirectory']),
  );
  expect(entries.filter(({ action }) => action === 'skipEvent')).toMatchObject([
    { actor: 'admin', reason: 'ticket 7', finishedAt: expect.any(Date) },
  ]);
  expect(JSON.stringify(entries)).not.toMatch(/"confirmToken":"(?!\[left out\])/);
});
