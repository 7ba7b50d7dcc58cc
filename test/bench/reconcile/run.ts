// Compares and repairs a directory of 100,000 users and 1,000 groups (or other numbers) with the real binary against the fake
// WorkOS as its own process: drift of every kind is planted, events flow all the while, the service is killed with SIGKILL in
// the midst of the read and started again. Fails unless exactly the planted drift is found and repaired.
//
//   node test/bench/reconcile/run.ts [USERS] [GROUPS]
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { EVENTS_PER_SECOND, plant, publish, startLife } from './happenings.ts';
import { DIRECTORY_ID, groupId } from './objects.ts';
import { itemsOf, reconcile } from './reports.ts';
import { say } from './say.ts';
import { forgetPeak, memory, query, startDirectory, startService, stopAll } from './service.ts';

const [users = 100_000, groups = 1_000] = process.argv.slice(2).map(Number);
const size = { users, groups };

const without = (a: readonly string[], b: readonly string[]): string[] => {
  const other = new Set(b);
  return a.filter((item) => !other.has(item));
};

let failures = 0;
const check = (what: string, holds: boolean, seen: unknown = ''): void => {
  if (!holds) failures += 1;
  say(`${holds ? 'ok    ' : 'FAILED'} ${what}${holds ? '' : ` ${JSON.stringify(seen).slice(0, 500)}`}`);
};

async function run(): Promise<void> {
  const fakeUrl = await startDirectory(size);
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

  const life = startLife(fakeUrl, size);
  await delay(3_000);
  const { events, expected } = plant(size);
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
  await stopAll();
}
process.exitCode = failures === 0 ? 0 : 1;
