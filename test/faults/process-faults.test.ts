// F1, F2, F13, F24, F30: what befalls the processes themselves.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Failpoint } from '../../src/lib/failpoint.ts';
import { waitFor } from '../support/wait-for.ts';
import { aUser } from '../support/workos-objects.ts';
import { withClock } from './node.ts';
import { buryLeases, everythingArrives, faultTest } from './scenario.ts';
import type { World } from './world.ts';

const die = async (world: World, point: Failpoint, pass: number, patienceMs: number): Promise<void> => {
  const [worker] = world.works;
  const died = await world.underLoad(async () => {
    await buryLeases(world);
    return worker?.startDoomed({ FAILPOINTS: `${point}=kill@${pass}` }, () => delay(patienceMs));
  });
  if (!died) throw new Error(`the worker never came by ${point} for the ${pass}. time`);
};

async function dieEverywhere(world: World, points: readonly Failpoint[], patienceMs: number): Promise<void> {
  for (const point of points) await die(world, point, point.startsWith('import') ? 1 : 1 + world.random.below(3), patienceMs);
  await buryLeases(world);
  await world.works[0]?.start();
}

/** An event that cannot be read, about somebody who is there: the account is read again. */
function tellNonsense(world: World): void {
  const data = { ...aUser('user_1_0', { directory_id: 'directory_1', organization_id: 'org_1' }), updated_at: 42 };
  world.poison.add(world.publish({ event: 'dsync.user.updated', data }));
}

const CURSOR_APART = {
  file: 'src/ingest/poll-events.ts',
  from: 'await moveSyncCursor(tx, move)',
  to: 'await moveSyncCursor(db, move)',
};

faultTest({
  name: 'F1: a worker is killed at every step',
  world: { serves: 1, works: 1, idle: true, webhook: null, subscribers: ['client', 'sse'] },
  async run(world, patienceMs) {
    world.steps(30);
    await dieEverywhere(world, ['import-fetched', 'fetched', 'inserted', 'polled', 'folded', 'before-commit', 'after-commit'], patienceMs);
    await everythingArrives(world, 'after seven deaths', patienceMs);
    await world.works[0]?.kill();
    tellNonsense(world);
    await die(world, 'refresh-fetched', 1, patienceMs);
    await buryLeases(world);
    await world.works[0]?.start();
  },
  control: {
    without: 'the cursor moves in a transaction of its own',
    mutations: [CURSOR_APART],
    breaks: /I5, the cursor is ahead/,
    async run(world) {
      await dieEverywhere(world, ['inserted'], 90_000);
    },
  },
});

const delivered = ({ fake }: World, what: string, patienceMs: number): Promise<unknown> =>
  waitFor(what, () => fake.deliveries()?.pending === 0, { timeoutMs: patienceMs, missing: () => fake.deliveries() });

faultTest({
  name: 'F1: a server is killed when a webhook is stored and not answered',
  // Nobody reads the Events API until the end: what is there came by webhook, again and again until it was answered.
  world: { serves: 1, works: 1, idle: true, subscribers: ['client'], webhook: { retryDelaysMs: Array.from({ length: 400 }, () => 300) } },
  async run(world, patienceMs) {
    const { serves, works, db, fake, publish } = world;
    const [serve] = serves;
    await delivered(world, 'the first deliveries', 90_000);
    await serve?.kill();
    // An answer to one of these that is not stored would lose it for good.
    const place = { directory_id: 'directory_1', organization_id: 'org_1', updated_at: new Date().toISOString() };
    const ids = [1, 2, 3, 4, 5].map((n) =>
      publish({ event: 'dsync.user.created', data: aUser(`user_hooked_${n}`, place) }, { viaApi: false }),
    );
    const stored = () => db.directoryEvent.count({ where: { id: { in: ids } } });
    const died = await serve?.startDoomed({ FAILPOINTS: 'webhook-stored=kill@2' }, () => delay(90_000));
    if (!died) throw new Error('no second webhook was stored');
    if ((await stored()) === 0 || fake.deliveries()?.pending === 0) throw new Error('none was stored and not answered');
    await serve?.start();
    await delivered(world, 'every delivery to be taken', patienceMs);
    if (fake.deliveries()?.givenUp !== 0 || (await stored()) < ids.length) throw new Error(`only ${await stored()} were stored`);
    await works[0]?.start();
    world.steps(20);
    await everythingArrives(world, 'when it is back', patienceMs);
  },
  control: {
    without: 'an event id that is there already is an error',
    mutations: [{ file: 'src/ingest/store-events.ts', from: 'ON CONFLICT (id) DO NOTHING', to: '' }],
    breaks: /in vain for every delivery to be taken/,
  },
});

faultTest({
  name: 'F2: the relay dies between XADD and its mark',
  world: { serves: 1, works: 1, idle: true, subscribers: ['client', 'client'] },
  async run(world, patienceMs) {
    for (const point of ['xadd-before-mark', 'marked'] as const) await die(world, point, 1, 90_000);
    await buryLeases(world);
    await world.works[0]?.start();
    await everythingArrives(world, 'after its death', patienceMs);
  },
  control: {
    without: 'an entry that is in the stream already is an error',
    mutations: [
      {
        file: 'src/redis/change-stream.ts',
        from: "if (!error.message.includes('equal or smaller')) throw error;",
        to: 'throw error;',
      },
    ],
    breaks: /the relay handed on up to/,
    async run(world) {
      await die(world, 'xadd-before-mark', 1, 90_000);
      await buryLeases(world);
      await world.works[0]?.start();
    },
  },
});

const GRANT = 'mutation ($id: ID!, $until: DateTime) { grantRole(userId: $id, role: "reader", reason: "fault", expiresAt: $until) { id } }';

const epochs = async ({ db }: World): Promise<string> =>
  (await db.lease.findMany({ orderBy: { job: 'asc' } })).map(({ job, epoch }) => `${job} ${epoch}`).join(', ');

faultTest({
  name: 'F13: the clocks of the nodes are wrong by ten minutes, in both directions',
  world: { serves: 1, works: 2, idle: true, subscribers: ['client'] },
  async run(world, patienceMs) {
    const [slow, fast] = world.works;
    const [serve] = world.serves;
    world.steps(20);
    await slow?.start(withClock(-600_000));
    await waitFor('the slow one to lead', async () => (await world.db.lease.count()) === 5, { timeoutMs: 90_000 });
    await everythingArrives(world, 'with a slow clock', 90_000);
    const before = await epochs(world);
    await fast?.start(withClock(600_000));
    await world.underLoad(() => delay(3_000));
    const after = await epochs(world);
    if (after !== before) throw new Error(`leadership moved though nobody died: ${before} → ${after}`);

    // The fast one leads, and must not end before its time what ends in five minutes; nor the slow one let it last longer.
    const user = await world.db.directoryUser.findFirstOrThrow({ where: { state: 'ACTIVE' } });
    await slow?.kill();
    await serve?.query(GRANT, { id: user.id, until: new Date(Date.now() + 300_000) });
    await buryLeases(world);
    await waitFor('the fast one to lead', async () => (await epochs(world)) !== after, { timeoutMs: 90_000 });
    await world.underLoad(() => delay(2_500));
    const early = await world.db.grant.count({ where: { revokedAt: { not: null } } });
    if (early > 0) throw new Error('a grant was ended five minutes before its time');
    await fast?.kill();
    await world.db.grant.updateMany({ data: { expiresAt: new Date() } });
    await buryLeases(world);
    await slow?.start(withClock(-600_000));
    await waitFor('the slow one to end the grant in time', async () => (await world.db.grant.count({ where: { revokedAt: null } })) === 0, {
      timeoutMs: patienceMs,
    });
  },
  control: {
    without: 'leases by the clocks of the nodes',
    mutations: [
      {
        file: 'src/db/lease.ts',
        from: 'clock_timestamp()',
        to: `clock_timestamp() + make_interval(secs => ${'$'}{Number(process.env.TEST_CLOCK_SHIFT_MS ?? 0) / 1000})`,
      },
    ],
    breaks: /leadership moved though nobody died/,
  },
});

faultTest({
  name: 'F24: a rolling restart of two nodes under load',
  world: { serves: 2, works: 2, subscribers: ['client', 'sse'] },
  async run(world) {
    const { db, nodes, works } = world;
    await world.underLoad(async () => {
      for (const node of nodes) {
        const pid = node.pid();
        await node.stop();
        const kept = (await db.lease.findMany({ where: { holder: { contains: `/${pid}/` } } })).filter(
          ({ expiresAt }) => expiresAt > new Date(),
        );
        if (works.includes(node) && kept.length > 0) throw new Error(`${node.name} left with the leases of ${kept.map(({ job }) => job)}`);
        await node.start();
      }
    });
  },
  control: {
    without: 'whoever leaves keeps its leases',
    mutations: [{ file: 'src/worker/leader.ts', from: 'await leases.release(lease)', to: 'await Promise.resolve()' }],
    breaks: /left with the leases/,
  },
});

const IDLE_SOCKETS = 120;

faultTest({
  name: 'F30: out of file descriptors, with a stalled event loop',
  world: { serves: 1, works: 1, subscribers: ['client'], env: { TEST_STALL_MS: '3000' } },
  async run(world, patienceMs) {
    const [serve] = world.serves;
    if (!serve) return;
    for (const node of world.nodes) await promisify(execFile)('prlimit', ['--pid', String(node.pid()), '--nofile=64:64']);
    const port = Number(new URL(serve.url).port);
    const sockets = Array.from({ length: IDLE_SOCKETS }, () => connect(port, '127.0.0.1'));
    for (const socket of sockets) socket.on('error', () => {});
    await Promise.all(sockets.map((socket) => Promise.race([once(socket, 'connect'), once(socket, 'close')])));
    await world.underLoad(async () => {
      // Everything that comes again meanwhile finds no descriptor.
      world.redisProxy.cut();
      world.databaseProxy.cut();
      for (const node of world.nodes) node.stall();
      await delay(3_000);
    });
    for (const socket of sockets) socket.destroy();
    await everythingArrives(world, 'when descriptors are free again', 2 * patienceMs);
  },
  control: {
    without: 'nobody hears the errors of the connection to Redis',
    mutations: [{ file: 'src/redis/client.ts', from: "request.on('error',", to: "request.on('nothing'," }],
    breaks: /unhandled/i,
  },
});

/** Milliseconds by which the event loop was late at worst since the last question; it is asked all the time. */
const lateness = async (url: string): Promise<number> => {
  const answer = await fetch(`${url}/livez`, { signal: AbortSignal.timeout(10_000) });
  return ((await answer.json()) as { eventLoopDelayMs: number }).eventLoopDelayMs;
};
const STALL_MS = 3_000;

faultTest({
  name: 'F30: event loops stall, and whoever asks is told',
  world: { serves: 1, works: 1, subscribers: ['client'], env: { TEST_STALL_MS: String(STALL_MS) } },
  async run(world, patienceMs) {
    await everythingArrives(world, 'before the fault', 90_000);
    await world.underLoad(async () => {
      for (const node of world.nodes) {
        node.stall();
        await waitFor(`${node.name} to tell of its stall`, async () => (await lateness(node.url)) > STALL_MS / 2, {
          timeoutMs: patienceMs,
        });
      }
    });
  },
  control: {
    without: 'nobody looks at the clock of the event loop',
    mutations: [{ file: 'src/lib/loop-lateness.ts', from: 'worst = Math.max(worst, now() - due);', to: '' }],
    breaks: /in vain for serve-1 to tell of its stall/,
  },
});
