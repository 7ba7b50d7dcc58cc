// Compares and repairs a directory of 100,000 users and 1,000 groups (or other numbers) with the real binary against the fake
// WorkOS as its own process: drift of every kind is planted, events flow all the while, the service is killed with SIGKILL in
// the midst of the read and started again. Fails unless exactly the planted drift is found and repaired.
//
//   node test/bench/reconcile.ts [USERS] [GROUPS]
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort, postGraphql } from '../support/service-process.ts';
import { DIRECTORY_ID, groupId, groupObject, groupsOf, member, userId, userObject } from './reconcile-objects.ts';

const [users = 100_000, groups = 1_000] = process.argv.slice(2).map(Number);
const EACH = Math.min(100, Math.floor(users / 100));
const EVENTS_PER_SECOND = 20;
const KEY = 'bench-key-0123456789abcdef';
const FAKE_KEY = 'sk_fake_workos';
const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const COMPANY = fileURLToPath(new URL('reconcile-directory.ts', import.meta.url));

const startedAt = performance.now();
const say = (text: string): void =>
  void process.stdout.write(`${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(7)} s  ${text}\n`);

// ------------------------------------------------------------------ processes

const dir = await mkdtemp(join(tmpdir(), 'access-service-bench-'));
const port = await freePort();
const url = `http://127.0.0.1:${port}`;
const children: ChildProcess[] = [];

async function startDirectory(): Promise<string> {
  const child = spawn(process.execPath, [COMPANY, String(users), String(groups)], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return line.toString().trim();
}

async function startService(fakeUrl: string): Promise<ChildProcess> {
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: process.env.HOME ?? '',
    DATA_DIR: dir,
    PORT: String(port),
    ADMIN_API_KEY: KEY,
    WORKOS_API_KEY: FAKE_KEY,
    WORKOS_API_URL: fakeUrl,
    RECONCILE_INTERVAL_HOURS: '0',
    LOG_LEVEL: 'warn',
  };
  // A heap without a bound grows as long as the machine has room, whatever is held: the bound shows what is needed.
  const child = spawn(process.execPath, ['--max-semi-space-size=8', '--max-old-space-size=256', CLI, 'start'], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  children.push(child);
  for (;;) {
    const ready = await fetch(`${url}/readyz`).then(
      (response) => response.ok,
      () => false,
    );
    if (ready) return child;
    if (child.exitCode !== null) throw new Error('the service did not start');
    await delay(200);
  }
}

const memory = async (child: ChildProcess, what: 'VmRSS' | 'VmHWM'): Promise<number> => {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
  return Number(new RegExp(`^${what}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) / 1_024;
};
const forgetPeak = (child: ChildProcess): Promise<void> => writeFile(`/proc/${child.pid}/clear_refs`, '5').catch(() => undefined);

async function query<T>(text: string, variables: Record<string, unknown> = {}): Promise<T> {
  const { data, errors } = await postGraphql<T>(url, KEY, text, variables);
  if (!data || errors) throw new Error(JSON.stringify(errors));
  return data;
}

// ------------------------------------------------------------------ what happens in the directory

interface NewEvent {
  event: string;
  data: unknown;
  viaApi?: boolean;
}

const publish = async (fakeUrl: string, events: readonly NewEvent[]): Promise<void> => {
  const response = await fetch(`${fakeUrl}/_fake/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${FAKE_KEY}` },
    body: JSON.stringify(events),
  });
  if (!response.ok) throw new Error(`the fake WorkOS answered ${response.status}`);
};

/** Of people 0 to 6 * EACH, and of the last groups; what is planted is true, and no event tells of it. */
function plant(): { events: NewEvent[]; expected: string[] } {
  const events: NewEvent[] = [];
  const expected: string[] = [];
  const lost = (event: string, data: unknown): void => void events.push({ event, data, viaApi: false });
  const now = { updated_at: new Date().toISOString() };
  const range = (from: number): number[] => Array.from({ length: EACH }, (_, index) => from * EACH + index);
  const gone = new Set([groupId(groups - 1), groupId(groups - 2)]);
  for (const n of range(0)) {
    lost('dsync.user.deleted', userObject(n));
    expected.push(`MISSING_AT_SOURCE ${userId(n)}`);
  }
  for (const n of range(1)) {
    lost('dsync.user.updated', userObject(n, { ...now, state: 'inactive' }));
    expected.push(`STATE ${userId(n)}`);
  }
  for (const n of range(2)) {
    lost('dsync.user.updated', userObject(n, { ...now, email: `moved.${n}@bench.example` }));
    expected.push(`ATTRIBUTES ${userId(n)}`);
  }
  for (const n of range(3)) {
    lost('dsync.user.updated', userObject(n, { ...now, roles: [{ slug: 'auditor' }] }));
    expected.push(`ROLE ${userId(n)}`);
  }
  for (const n of range(4)) {
    const [first = ''] = groupsOf(n, groups);
    lost('dsync.group.user_removed', member(userObject(n), first));
    if (!gone.has(first)) expected.push(`MEMBERSHIP ${userId(n)} ${first}`);
  }
  for (const n of range(5)) {
    const other = groupId((n + groups / 2) % groups);
    if (groupsOf(n, groups).includes(other)) continue;
    lost('dsync.group.user_added', member(userObject(n), other));
    if (!gone.has(other)) expected.push(`MEMBERSHIP ${userId(n)} ${other}`);
  }
  for (const n of range(0)) {
    lost('dsync.user.created', userObject(users + n));
    expected.push(`MISSING_LOCALLY ${userId(users + n)}`);
  }
  for (const n of [groups, groups + 1]) {
    lost('dsync.group.created', groupObject(groupId(n)));
    expected.push(`MISSING_LOCALLY ${groupId(n)}`);
  }
  // Who was in a group that is gone is in it no more.
  for (const id of gone) {
    lost('dsync.group.deleted', groupObject(id));
    expected.push(`MISSING_AT_SOURCE ${id}`);
  }
  for (let n = EACH; n < users; n += 1)
    for (const id of groupsOf(n, groups)) if (gone.has(id)) expected.push(`MEMBERSHIP ${userId(n)} ${id}`);
  return { events, expected: expected.sort() };
}

/** Of people beyond 10 * EACH who are in no group that goes. */
function startLife(fakeUrl: string): { stop(): Promise<number> } {
  let told = 0;
  let stopping = false;
  const busy = (n: number): number => {
    for (let i = 10 * EACH + ((n * 7_919) % (users - 10 * EACH)); ; i = i + 1 < users ? i + 1 : 10 * EACH)
      if (groupsOf(i, groups).every((id) => id < groupId(groups - 2))) return i;
  };
  const next = (n: number): NewEvent[] => {
    const user = userObject(busy(n), { updated_at: new Date().toISOString(), last_name: `Renamed ${n}` });
    const id = groupId((n * 31) % (groups - 2));
    switch (n % 5) {
      case 0:
        return [{ event: 'dsync.user.updated', data: user }];
      case 1:
        return [{ event: 'dsync.group.user_added', data: member(user, id) }];
      case 2:
        return [{ event: 'dsync.group.user_removed', data: member(userObject(busy(n)), groupsOf(busy(n), groups)[0] ?? '') }];
      case 3:
        return [
          { event: 'dsync.user.created', data: userObject(2 * users + n) },
          { event: 'dsync.group.user_added', data: member(userObject(2 * users + n), id) },
        ];
      default:
        return [{ event: 'dsync.user.updated', data: { ...user, state: n % 2 ? 'suspended' : 'active' } }];
    }
  };
  const living = (async () => {
    for (let n = 0; !stopping; n += 1) {
      await delay(1_000 / EVENTS_PER_SECOND);
      const events = next(n);
      await publish(fakeUrl, events);
      told += events.length;
    }
  })();
  // Told by stop(), which awaits it.
  living.catch(() => undefined);
  return {
    async stop() {
      stopping = true;
      await living;
      return told;
    },
  };
}

// ------------------------------------------------------------------ reports

interface Report {
  id: string;
  status: string;
  phase: string;
  usersRead: number;
  groupsRead: number;
  membershipsRead: number;
  accountsChecked: number;
  accountsDrifted: number;
  repaired: number;
  confirmToken: string | null;
  error: string | null;
  byKind: { kind: string; count: number }[];
}

const FIELDS = `id status phase usersRead groupsRead membershipsRead accountsChecked accountsDrifted repaired confirmToken error byKind { kind count }`;
const RECONCILE = `mutation ($id: ID!, $repair: Boolean!, $token: String) { reconcileDirectory(directoryId: $id, repair: $repair, confirmToken: $token) { ${FIELDS} } }`;

async function follow(started: Report, each: (report: Report) => Promise<void>): Promise<Report> {
  for (let shown = ''; ; ) {
    const { driftReport: report } = await query<{ driftReport: Report }>(`query ($id: ID!) { driftReport(id: $id) { ${FIELDS} } }`, {
      id: started.id,
    });
    const line = `${report.status} ${report.phase}: read ${report.usersRead} users, ${report.groupsRead} groups, ${report.membershipsRead} memberships; checked ${report.accountsChecked}, drifted ${report.accountsDrifted}, repaired ${report.repaired}`;
    if (line !== shown) say(`  ${line}`);
    shown = line;
    if (report.status !== 'PENDING' && report.status !== 'RUNNING') return report;
    await each(report);
    await delay(2_000);
  }
}

const reconcile = async (
  repair: boolean,
  token: string | null,
  each: (report: Report) => Promise<void> = async () => {},
): Promise<Report> => {
  const { reconcileDirectory } = await query<{ reconcileDirectory: Report }>(RECONCILE, { id: DIRECTORY_ID, repair, token });
  return follow(reconcileDirectory, each);
};

async function itemsOf(id: string): Promise<string[]> {
  interface Page {
    driftReport: {
      items: {
        nodes: { kind: string; userId: string | null; groupId: string | null }[];
        pageInfo: { hasNextPage: boolean; endCursor: string };
      };
    };
  }
  const found: string[] = [];
  for (let after: string | null = null; ; ) {
    const page: Page = await query<Page>(
      `query ($id: ID!, $after: String) { driftReport(id: $id) { items(first: 500, after: $after) { nodes { kind userId groupId } pageInfo { hasNextPage endCursor } } } }`,
      { id, after },
    );
    const { nodes, pageInfo } = page.driftReport.items;
    found.push(...nodes.map((item) => [item.kind, item.userId, item.groupId].filter(Boolean).join(' ')));
    if (!pageInfo.hasNextPage) return found.sort();
    after = pageInfo.endCursor;
  }
}

const without = (a: readonly string[], b: readonly string[]): string[] => {
  const other = new Set(b);
  return a.filter((item) => !other.has(item));
};

let failures = 0;
const check = (what: string, holds: boolean, seen: unknown = ''): void => {
  if (!holds) failures += 1;
  say(`${holds ? 'ok    ' : 'FAILED'} ${what}${holds ? '' : ` ${JSON.stringify(seen).slice(0, 500)}`}`);
};

// ------------------------------------------------------------------ the run

async function run(): Promise<void> {
  const fakeUrl = await startDirectory();
  say(`a directory of ${users} users and ${groups} groups stands at ${fakeUrl}`);
  let service = await startService(fakeUrl);
  const health = `query { syncHealth { problems { code } } directory(id: "${DIRECTORY_ID}") { userCount groupCount } }`;
  for (;;) {
    const { directory, syncHealth } = await query<{
      directory: { userCount: number; groupCount: number } | null;
      syncHealth: { problems: { code: string }[] };
    }>(health);
    if (
      directory?.userCount === users &&
      directory.groupCount === groups &&
      !syncHealth.problems.some(({ code }) => code.includes('IMPORT'))
    )
      break;
    await delay(2_000);
  }
  say(`first read finished; peak memory of the service ${(await memory(service, 'VmHWM')).toFixed(0)} MB`);
  const roles = Array.from({ length: 20 }, (_, n) => ({ slug: `role-${n}`, permissions: [`thing-${n}:read`, `thing-${n}:write`] }));
  const groupMappings = Array.from({ length: groups }, (_, n) => ({
    organizationId: 'org_bench',
    groupId: groupId(n),
    roles: [`role-${n % 20}`],
  }));
  await query(`mutation ($catalog: CatalogInput!) { applyCatalog(catalog: $catalog) { affectedUsers } }`, {
    catalog: { roles, groupMappings },
  });
  say('catalog applied');

  const life = startLife(fakeUrl);
  await delay(3_000);
  const { events, expected } = plant();
  for (let from = 0; from < events.length; from += 200) await publish(fakeUrl, events.slice(from, from + 200));
  say(`planted ${expected.length} differences; ${EVENTS_PER_SECOND} happenings a second go on`);

  let peak = 0;
  await forgetPeak(service);
  const began = performance.now();
  let killed = false;
  const report = await reconcile(false, null, async ({ phase }) => {
    if (killed || phase !== 'MEMBERSHIPS') return;
    killed = true;
    peak = await memory(service, 'VmHWM');
    service.kill('SIGKILL');
    await once(service, 'exit');
    service = await startService(fakeUrl);
    say('  the service was killed and started again');
  });
  const seconds = (performance.now() - began) / 1_000;
  peak = Math.max(peak, await memory(service, 'VmHWM'));
  const found = await itemsOf(report.id);
  check(
    `the comparison ended: ${report.accountsChecked} accounts checked in ${seconds.toFixed(0)} s, ${report.accountsDrifted} drifted`,
    report.status === 'SUCCEEDED',
    report,
  );
  check('nothing planted was missed', without(expected, found).length === 0, without(expected, found));
  check('nothing was invented', without(found, expected).length === 0, without(found, expected));
  check(`peak memory of the service ${peak.toFixed(0)} MB, less than 500`, peak < 500);
  say(JSON.stringify(report.byKind));

  await forgetPeak(service);
  const beganRepair = performance.now();
  let repair = await reconcile(true, null);
  if (repair.status === 'AWAITING_CONFIRMATION') {
    say(`  it waits: ${repair.error}`);
    repair = await reconcile(true, repair.confirmToken);
  }
  const repairPeak = await memory(service, 'VmHWM');
  check(
    `the repair ended in ${((performance.now() - beganRepair) / 1_000).toFixed(0)} s: ${repair.repaired} differences put right`,
    repair.status === 'SUCCEEDED' && repair.repaired === expected.length,
    repair,
  );
  check(`peak memory of the service ${repairPeak.toFixed(0)} MB, less than 500`, repairPeak < 500);
  const told = await life.stop();
  const last = await reconcile(false, null);
  check(
    `nothing is left, after ${told} events`,
    last.status === 'SUCCEEDED' && last.accountsDrifted === 0 && last.byKind.length === 0,
    last,
  );
}

try {
  await run();
} finally {
  for (const child of children.toReversed()) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
  }
  await rm(dir, { recursive: true, force: true });
}
process.exitCode = failures === 0 ? 0 : 1;
