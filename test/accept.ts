// `npm run accept -- DIR`: feeds a real history to the real processes and compares what GraphQL then says with the truth.
// DIR holds events.jsonl.gz (or .jsonl), catalog.json and expected.json; see ../shared/real-history/README.md for their shapes.
// Four runs, each on an empty database: the catalog applied before the events; after them; every event twice with the
// webhooks shuffled; and the initial import alone. Prints each difference and exits 1 on any.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { Argument } from 'commander';
import { freePort } from '../src/lib/free-port.ts';
import { script } from './support/script.ts';

interface ExpectedUser {
  id: string;
  state: string;
  permissions: string[];
  groups: string[];
}

interface ExpectedOrganization {
  organizationId: string;
  gone: boolean;
  users: ExpectedUser[];
  groups: { id: string; name: string; members: number }[];
}

type Run = 'before' | 'after' | 'shuffled' | 'import';
const RUNS: readonly Run[] = ['before', 'after', 'shuffled', 'import'];

const CLI = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
const KEY = 'accept-key-0123456789';
const SECRET = 'whsec_accept';
const DEADLINE_MS = 120_000;

const [dirArgument, only] = script(
  'npm run accept --',
  'Feeds a history to the real processes and compares what GraphQL then says with the truth.',
)
  .argument('<dir>', 'with events.jsonl.gz (or events.jsonl), catalog.json and expected.json')
  .addArgument(new Argument('[run]', 'one run alone').choices(RUNS))
  .parse().processedArgs as [string, Run | undefined];
const dir = resolve(dirArgument);
const eventsFile = ['events.jsonl.gz', 'events.jsonl'].map((name) => join(dir, name)).find(existsSync);
if (!eventsFile) {
  process.stderr.write(`${dir} has no events.jsonl.gz or events.jsonl\n`);
  process.exit(2);
}
const events = eventsFile;
const expected = JSON.parse(await readFile(join(dir, 'expected.json'), 'utf8')) as { organizations: ExpectedOrganization[] };
const raw = readFileSync(events);
const lines = (events.endsWith('.gz') ? gunzipSync(raw) : raw).toString('utf8').trim().split('\n');
const lastEventId = (JSON.parse(lines.at(-1) ?? '{}') as { id: string }).id;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

interface Started {
  process: ChildProcess;
  output(): string;
  stop(): Promise<void>;
}

function start(args: string[], env: Record<string, string>): Started {
  // As `npm start` and the binary do: a heap that stays close to what is alive.
  const child = spawn(process.execPath, ['--max-semi-space-size=32', '--heap-growing-percent=50', CLI, ...args], {
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString('utf8')).slice(-4_000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  return {
    process: child,
    output: () => output,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

async function graphql<T>(url: string, query: string, variables: Record<string, unknown> = {}): Promise<T> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}` },
    body: JSON.stringify({ query, variables }),
  });
  const answer = (await response.json()) as { data?: T; errors?: { message: string }[] };
  if (!answer.data || answer.errors) throw new Error(`GraphQL answered ${JSON.stringify(answer.errors)}`);
  return answer.data;
}

async function until(what: string, service: Started, check: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  let last = 'never';
  while (Date.now() < deadline) {
    if (service.process.exitCode !== null) throw new Error(`the service ended while waiting until ${what}:\n${service.output()}`);
    try {
      if (await check()) return;
      last = 'not yet';
    } catch (error) {
      last = String(error);
    }
    await delay(50);
  }
  throw new Error(`waited ${DEADLINE_MS / 1_000} s until ${what}; last: ${last}\n${service.output()}`);
}

const HEALTH = '{ syncHealth { cursor { eventId updatedAt } events { pending } problems { code } } }';
interface Health {
  syncHealth: { cursor: { eventId: string | null; updatedAt: string | null }; events: { pending: number }; problems: { code: string }[] };
}

interface Page<T> {
  nodes: T[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
}

/** Small enough for the service's limit on what one query may cost. */
const PAGE_SIZE = 50;

async function all<T>(url: string, field: string, args: string, selection: string, variables: Record<string, string>): Promise<T[]> {
  const declared = Object.keys(variables)
    .map((name) => `$${name}: ID`)
    .join(', ');
  const query = `query All(${declared}${declared && ', '}$after: String) { ${field}(${args}${args && ', '}first: ${PAGE_SIZE}, after: $after) { nodes { ${selection} } pageInfo { hasNextPage endCursor } } }`;
  const items: T[] = [];
  for (let after: string | null = null; ; ) {
    const answer: Record<string, Page<T>> = await graphql(url, query, { ...variables, after });
    const page = answer[field] as Page<T>;
    items.push(...page.nodes);
    if (!page.pageInfo.hasNextPage) return items;
    after = page.pageInfo.endCursor;
  }
}

interface User {
  id: string;
  state: string;
  groups: Page<{ id: string }>;
  entitlements: { permissions: { permission: string }[] };
}

interface Group {
  id: string;
  name: string;
  members: { totalCount: number };
}

const USER = 'id state groups(first: 50) { nodes { id } pageInfo { hasNextPage endCursor } } entitlements { permissions { permission } }';
/** All group ids of a user, however many. */
async function groupsOf(url: string, user: User): Promise<string[]> {
  const ids = user.groups.nodes.map((group) => group.id);
  const query =
    'query Groups($id: ID!, $after: String) { user(id: $id) { groups(first: 500, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } } }';
  for (let { pageInfo } = user.groups; pageInfo.hasNextPage; ) {
    const { groups } = (await graphql<{ user: { groups: Page<{ id: string }> } }>(url, query, { id: user.id, after: pageInfo.endCursor }))
      .user;
    ids.push(...groups.nodes.map((group) => group.id));
    pageInfo = groups.pageInfo;
  }
  return ids;
}

const sorted = (list: readonly string[]): string => [...list].sort().join(' ');

/** Every way in which the service differs from expected.json. */
async function differences(url: string): Promise<string[]> {
  const found: string[] = [];
  const organizations = await all<{ id: string }>(url, 'organizations', '', 'id', {});
  const known = new Set(expected.organizations.map((organization) => organization.organizationId));
  for (const { id } of organizations) if (!known.has(id)) found.push(`${id}: an organization that should not be there`);
  for (const organization of expected.organizations) {
    const { organizationId: id } = organization;
    const users = new Map((await all<User>(url, 'users', 'organizationId: $id', USER, { id })).map((user) => [user.id, user]));
    for (const want of organization.users) {
      const got = users.get(want.id);
      users.delete(want.id);
      if (!got) {
        found.push(`${want.id}: missing`);
        continue;
      }
      if (got.state.toLowerCase() !== want.state) found.push(`${want.id}: state ${got.state}, expected ${want.state}`);
      const groups = await groupsOf(url, got);
      if (sorted(groups) !== sorted(want.groups)) found.push(`${want.id}: groups [${sorted(groups)}], expected [${sorted(want.groups)}]`);
      const permissions = got.entitlements.permissions.map(({ permission }) => permission);
      if (sorted(permissions) !== sorted(want.permissions))
        found.push(`${want.id}: permissions [${sorted(permissions)}], expected [${sorted(want.permissions)}]`);
    }
    for (const user of users.values()) {
      if (user.state === 'ACTIVE') found.push(`${user.id}: active, and should not be there`);
      if (user.entitlements.permissions.length > 0) found.push(`${user.id}: has permissions, and should not be there`);
    }
    for (const user of await all<User>(url, 'users', 'organizationId: $id, state: DELETED', USER, { id })) {
      if (user.entitlements.permissions.length > 0) found.push(`${user.id}: deleted, and has permissions`);
      if (organization.users.some((want) => want.id === user.id)) found.push(`${user.id}: deleted, and should be there`);
    }
    const groups = new Map(
      (await all<Group>(url, 'groups', 'organizationId: $id', 'id name members { totalCount }', { id })).map((group) => [group.id, group]),
    );
    for (const want of organization.groups) {
      const got = groups.get(want.id);
      groups.delete(want.id);
      if (!got) found.push(`${want.id}: group missing`);
      else if (got.name !== want.name || got.members.totalCount !== want.members) {
        found.push(`${want.id}: group "${got.name}" with ${got.members.totalCount} members, expected "${want.name}" with ${want.members}`);
      }
    }
    for (const group of groups.values()) found.push(`${group.id}: a group that should not be there`);
  }
  return found;
}

/** Peak resident memory of a process, where the system tells it. */
const peakMegabytes = (pid: number | undefined): string => {
  const status = `/proc/${pid}/status`;
  const kilobytes = existsSync(status) ? /VmHWM:\s+(\d+)/.exec(readFileSync(status, 'utf8'))?.[1] : undefined;
  return kilobytes ? `${Math.round(Number(kilobytes) / 1024)} MB` : 'unknown';
};

async function accept(run: Run): Promise<number> {
  const dataDir = await mkdtemp(join(tmpdir(), 'access-accept-'));
  const [port, fakePort] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const fakeArguments = ['fake-workos', '--events', events, '--port', String(fakePort)];
  if (run === 'shuffled')
    fakeArguments.push(
      '--webhook-url',
      `${url}/webhooks/workos`,
      '--webhook-secret',
      SECRET,
      '--webhook-shuffle',
      '7',
      '--webhook-repeat',
      '2',
      '--page-repeats',
    );
  // History is years old: with a retention the Events API has nothing left, and only the state API can tell.
  if (run === 'import') fakeArguments.push('--retention-days', '30');
  const settings = {
    DATA_DIR: dataDir,
    PORT: String(port),
    ADMIN_API_KEY: KEY,
    LOG_LEVEL: 'warn',
    WORKOS_API_KEY: 'sk_fake_workos',
    WORKOS_API_URL: `http://127.0.0.1:${fakePort}`,
    WORKOS_WEBHOOK_SECRET: SECRET,
  };
  const service = start(['start'], { ...settings, INITIAL_IMPORT: run === 'import' ? 'auto' : 'off' });
  let fake: Started | undefined;
  const catalog = async (): Promise<void> => {
    const cli = start(['catalog', 'apply', join(dir, 'catalog.json'), '--url', url, '--yes'], { ADMIN_API_KEY: KEY });
    const [code] = await once(cli.process, 'exit');
    if (code !== 0) throw new Error(`the catalog was not applied:\n${cli.output()}`);
  };
  try {
    await until('the service is ready', service, async () => (await fetch(`${url}/readyz`)).ok);
    if (run !== 'after') await catalog();
    fake = start(fakeArguments, {});
    const startedAt = performance.now();
    await until('the service has caught up', service, async () => {
      const { cursor, events: counts, problems } = (await graphql<Health>(url, HEALTH)).syncHealth;
      if (run === 'import')
        return (
          cursor.updatedAt !== null &&
          !problems.some(({ code }) => code.startsWith('IMPORT')) &&
          (await graphql<{ users: { totalCount: number } }>(url, '{ users { totalCount } }')).users.totalCount > 0
        );
      return cursor.eventId === lastEventId && counts.pending === 0;
    });
    const seconds = (performance.now() - startedAt) / 1_000;
    if (run === 'after') await catalog();
    // The deliveries go on after the poller is done; they must not alter anything any more.
    if (run === 'shuffled') {
      await until('every webhook is delivered', service, async () => {
        const response = await fetch(`http://127.0.0.1:${fakePort}/_fake/requests`, {
          headers: { authorization: 'Bearer sk_fake_workos' },
        });
        const { webhooks } = (await response.json()) as { webhooks: { pending: number } };
        return webhooks.pending === 0 && (await graphql<Health>(url, HEALTH)).syncHealth.events.pending === 0;
      });
    }
    const found = await differences(url);
    for (const difference of found.slice(0, 200)) say(`  ${difference}`);
    const rate = Math.round(lines.length / seconds);
    say(
      `${run.padEnd(9)} ${found.length} differences; ${lines.length} events, caught up ${seconds.toFixed(1)} s after WorkOS appeared (${rate}/s); memory of the service ${peakMegabytes(service.process.pid)}`,
    );
    return found.length;
  } finally {
    await service.stop();
    await fake?.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

let total = 0;
for (const run of RUNS) if (!only || only === run) total += await accept(run);
say(total === 0 ? 'The result equals expected.json.' : `${total} differences from expected.json.`);
process.exitCode = total === 0 ? 0 : 1;
