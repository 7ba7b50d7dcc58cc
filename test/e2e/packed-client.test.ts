// A consumer that installs the packed package, and runs the README's two services as they stand there against the real one.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../../src/lib/free-port.ts';
import { blockOf, type Consumer, installPacked } from '../support/packed-package.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { type Service, startService } from '../support/service-process.ts';
import { waitFor } from '../support/wait-for.ts';

const PATIENT = { timeoutMs: 60_000 };
let database: TestDatabase;
let service: Service;
let consumer: Consumer;
const children: ChildProcess[] = [];

beforeAll(async () => {
  consumer = await installPacked(['graphql-ws', 'graphql']);
  database = await createTestDatabase();
  service = await startService('start', { DATABASE_URL: database.url, DATA_DIR: join(consumer.dir, 'data') });
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  for (const name of ['app.mjs', 'worker.mjs']) await consumer.write(name, blockOf(readme, name));
}, 240_000);

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await service.end();
  await database.drop();
  await consumer.remove();
});

function start(name: string, env: Record<string, string>) {
  const child = spawn(process.execPath, [name], { cwd: consumer.dir, env: { ...env, URL: service.url, KEY: service.key } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  children.push(child);
  return { child, output: () => output };
}

interface People {
  users: { nodes: { id: string; organization: { id: string }; entitlements: { permissions: { permission: string }[] } }[] };
}

const mayWrite = async () => {
  const query = '{ users(first: 200, state: ACTIVE) { nodes { id organization { id } entitlements { permissions { permission } } } } }';
  const { users } = await service.query<People>(query);
  return users.nodes.map((user) => ({
    id: user.id,
    organizationId: user.organization.id,
    allowed: user.entitlements.permissions.some(({ permission }) => permission === 'code:write'),
  }));
};

const grant = async (userId: string) => {
  const mutation = 'mutation ($id: ID!) { grantRole(userId: $id, role: "engineer", reason: "test") { id } }';
  return (await service.query<{ grantRole: { id: string } }>(mutation, { id: userId })).grantRole.id;
};
const revoke = (id: string) => service.query('mutation ($id: ID!) { revokeGrant(id: $id) { id } }', { id });

test('the package gives what it names, with types, and nothing else', async () => {
  await consumer.write('names.mjs', "console.log(Object.keys(await import('access-service/client')).sort().join())");
  expect(await consumer.run('names.mjs')).toBe('RequestRefused,SnapshotNeeded,createAccessFeed,createAccessMirror\n');
  await consumer.write('inside.mjs', "await import('access-service/dist/src/runtime.js')");
  await expect(consumer.run('inside.mjs')).rejects.toThrow('ERR_PACKAGE_PATH_NOT_EXPORTED');

  await consumer.write(
    'typed.ts',
    `import { createAccessFeed, createAccessMirror, type FeedItem, SnapshotNeeded } from 'access-service/client';
     export const mirror = createAccessMirror({ url: '', token: async () => '', organizationId: [''], whenStale: 'deny' });
     export const allowed: boolean = mirror.can('user', 'permission');
     export const items: AsyncIterable<FeedItem> = createAccessFeed({ url: '', token: '' });
     export const isExpired = (error: unknown) => error instanceof SnapshotNeeded && error.code === 'CURSOR_EXPIRED';
     // @ts-expect-error: a choice that must be made
     createAccessMirror({ url: '', token: '', organizationId: '' });`,
  );
  const tsc = join(import.meta.dirname, '../../node_modules/typescript/bin/tsc');
  const types = join(import.meta.dirname, '../../node_modules/@types');
  const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--types', 'node', '--typeRoots', types];
  expect(await consumer.run(tsc, ...flags, 'typed.ts')).toBe('');
});

test('the app of the README answers as the service does, and follows it', async () => {
  const people = await waitFor(
    'people who may write',
    async () => {
      const found = await mayWrite();
      return found.some(({ allowed }) => allowed) && found.some(({ allowed }) => !allowed) ? found : null;
    },
    PATIENT,
  );
  const nobody = people.find(({ allowed }) => !allowed) as (typeof people)[number];
  const port = String(await freePort());
  const app = start('app.mjs', { ORG_ID: nobody.organizationId, APP_PORT: port });
  const ask = async (userId: string) => {
    const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { 'x-user-id': userId } });
    return ((await response.json()) as { allowed: boolean }).allowed;
  };
  const grantId = await grant(nobody.id);
  await waitFor('the grant at the app', () => ask(nobody.id), { ...PATIENT, missing: app.output });
  await revoke(grantId);
  await waitFor('the revocation at the app', async () => !(await ask(nobody.id)), { ...PATIENT, missing: app.output });
  await waitFor('the line about it', () => app.output().includes(`end the sessions of ${nobody.id}: lost`), { missing: app.output });
  // The company goes on living: both are asked until they agree, everybody at once.
  await waitFor(
    'the app and the service to agree about everybody',
    async () => {
      const truth = (await mayWrite()).filter(({ organizationId }) => organizationId === nobody.organizationId);
      return (await Promise.all(truth.map(async ({ id, allowed }) => (await ask(id)) === allowed))).every(Boolean);
    },
    PATIENT,
  );
});

test('the worker of the README has every change exactly once, however often it is killed', async () => {
  const people = await waitFor(
    'people',
    async () => {
      const found = await mayWrite();
      return found.length > 0 ? found : null;
    },
    PATIENT,
  );
  const { organizationId } = people[0] as (typeof people)[number];
  const ours = people.filter((user) => user.organizationId === organizationId && !user.allowed).map(({ id }) => id);
  const stored = () => {
    const db = new DatabaseSync(join(consumer.dir, 'worker.db'), { readOnly: true });
    try {
      const place = db.prepare('SELECT cursor FROM place').get() as { cursor: string } | undefined;
      return {
        place: place?.cursor,
        tasks: db
          .prepare('SELECT cursor FROM task ORDER BY rowid')
          .all()
          .map((row) => String(row.cursor)),
      };
    } finally {
      db.close();
    }
  };

  let worker = start('worker.mjs', { ORG_ID: organizationId });
  const begin = await waitFor('the worker to have its place', () => stored().place, { ...PATIENT, missing: worker.output });
  expect(ours.length).toBeGreaterThan(8);
  for (const [round, userId] of ours.slice(0, 9).entries()) {
    const before = stored().tasks.length;
    await revoke(await grant(userId));
    // Killed before it has any, between two, and after both, as it comes.
    const tasks = round % 3;
    await waitFor('tasks', () => stored().tasks.length >= before + tasks, { ...PATIENT, missing: worker.output });
    const gone = once(worker.child, 'exit');
    worker.child.kill('SIGKILL');
    await gone;
    worker = start('worker.mjs', { ORG_ID: organizationId });
  }
  const query = `query ($org: ID!, $after: Cursor!) {
    entitlementChanges(filter: { organizationId: $org }, after: $after, first: 500) { cursor }
  }`;
  await waitFor(
    'the worker to have all that the log has',
    async () => {
      const { tasks } = stored();
      const { entitlementChanges } = await service.query<{ entitlementChanges: { cursor: string }[] }>(query, {
        org: organizationId,
        after: begin,
      });
      const log = entitlementChanges.map(({ cursor }) => cursor);
      return log.length >= 2 && JSON.stringify(tasks.slice(-log.length)) === JSON.stringify(log) && new Set(tasks).size === tasks.length;
    },
    { ...PATIENT, missing: worker.output },
  );
});
