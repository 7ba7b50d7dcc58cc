// F25: a replay is killed midway with its whole process, while another one overlaps it and the directory lives on.
import { setTimeout as delay } from 'node:timers/promises';
import { waitFor } from '../support/wait-for.ts';
import { buryLeases, everythingArrives, faultTest } from './scenario.ts';
import type { World } from './world.ts';

const REPLAY = 'mutation ($input: ReplayEventsInput!) { replayEvents(input: $input) { id } }';
const startReplay = async ({ serves }: World, input: Record<string, unknown>): Promise<void> => {
  await serves[0]?.query(REPLAY, { input: { reason: 'fault', ...input } });
};

/** Everybody was in some group; nobody is any more. Only a replay of the log brings that back. */
async function loseMemberships(world: World): Promise<void> {
  await world.underLoad(() => delay(2_000), 10);
  await everythingArrives(world, 'before the fault', 40_000);
  await world.works[0]?.kill();
  await world.db.membership.deleteMany({});
}

// At its failpoint it waits inside the transaction that repairs.
const REPAIRING = `
  SELECT 1 FROM replay WHERE phase = 'REPAIR' AND EXISTS (
    SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction' AND state_change < now() - interval '300 milliseconds')`;

/** SIGKILL with a chunk repaired and not committed. */
async function dieWhileRepairing(world: World): Promise<void> {
  const [worker] = world.works;
  await buryLeases(world);
  await worker?.start({ FAILPOINTS: 'replay-before-commit=sleep:1500' });
  await waitFor('a replay to repair', async () => (await world.db.$queryRawUnsafe<unknown[]>(REPAIRING)).length > 0, {
    timeoutMs: 60_000,
    missing: () => world.db.replay.findMany(),
  });
  await worker?.kill();
  await buryLeases(world);
  await worker?.start();
}

faultTest({
  name: 'F25: a replay is killed midway, overlaps another, and runs during live sync',
  // A full read of the directory would bring the memberships back by itself.
  world: { serves: 1, works: 1, subscribers: ['client'], env: { INITIAL_IMPORT: 'off' } },
  async run(world, patienceMs) {
    const { db } = world;
    await loseMemberships(world);
    await startReplay(world, { from: new Date(0).toISOString() });
    await startReplay(world, { organizationId: 'org_1' });
    await dieWhileRepairing(world);
    await world.underLoad(async () => {
      await waitFor('both replays to end', async () => (await db.replay.count({ where: { status: 'SUCCEEDED' } })) === 2, {
        timeoutMs: patienceMs + 30_000,
        missing: () => db.replay.findMany(),
      });
      await startReplay(world, { organizationId: 'org_2' });
      await waitFor('the third one to end', async () => (await db.replay.count({ where: { status: 'SUCCEEDED' } })) === 3, {
        timeoutMs: 60_000,
      });
    });
  },
  control: {
    without: 'a replay steps forward before what it repairs is kept',
    mutations: [
      {
        file: 'src/ops/replay-pass.ts',
        from: 'await stepReplay(tx, place, pass.room, step);',
        to: 'await stepReplay(preview ? tx : db, place, pass.room, step);',
      },
    ],
    breaks: /I1, state and truth differ/,
    async run(world) {
      const { db } = world;
      await loseMemberships(world);
      await startReplay(world, { from: new Date(0).toISOString() });
      await dieWhileRepairing(world);
      await waitFor('the replay to end', async () => (await db.replay.count({ where: { status: 'SUCCEEDED' } })) === 1, {
        timeoutMs: 60_000,
        missing: () => db.replay.findMany(),
      });
    },
  },
});
