// F25: a replay is killed midway with its whole process, while another one overlaps it and the directory lives on.
import { setTimeout as delay } from 'node:timers/promises';
import { waitFor } from '../support/wait-for.ts';
import { buryLeases, everythingArrives, faultTest } from './scenario.ts';
import type { World } from './world.ts';

const REPLAY = 'mutation ($input: ReplayEventsInput!) { replayEvents(input: $input) { id } }';
/** Chunks of the preview, one an organization; the next one is the first that repairs. */
const PREVIEWED_CHUNKS = 3;

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

faultTest({
  name: 'F25: a replay is killed midway, overlaps another, and runs during live sync',
  world: { serves: 1, works: 1, subscribers: ['client'] },
  async run(world, patienceMs) {
    const { db, works } = world;
    await loseMemberships(world);
    await startReplay(world, { from: new Date(0).toISOString() });
    await startReplay(world, { organizationId: 'org_1' });
    await buryLeases(world);
    const died = await works[0]?.startDoomed({ FAILPOINTS: `replay-before-commit=kill@${PREVIEWED_CHUNKS + 1}` }, () => delay(40_000));
    if (!died) throw new Error('the replay did not come so far');
    await buryLeases(world);
    await works[0]?.start();
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
      const { db, works } = world;
      await loseMemberships(world);
      await startReplay(world, { from: new Date(0).toISOString() });
      await buryLeases(world);
      await works[0]?.startDoomed({ FAILPOINTS: `replay-before-commit=kill@${PREVIEWED_CHUNKS + 1}` }, () => delay(40_000));
      await buryLeases(world);
      await works[0]?.start();
      await waitFor('the replay to end', async () => (await db.replay.count({ where: { status: 'SUCCEEDED' } })) === 1, {
        timeoutMs: 60_000,
        missing: () => db.replay.findMany(),
      });
    },
  },
});
