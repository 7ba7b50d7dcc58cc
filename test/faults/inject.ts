// Carries out the faults of a schedule on a world. Each is over by itself; `heal` ends what is left and has every process run.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { sleep } from '../../src/lib/sleep.ts';
import type { ServiceNode } from './node.ts';
import { withClock } from './node.ts';
import type { Injection } from './schedule.ts';
import type { World } from './world.ts';

export interface Injector {
  inject(injection: Injection): Promise<void>;
  heal(): Promise<void>;
}

const REPLAY = 'mutation ($input: ReplayEventsInput!) { replayEvents(input: $input) { id } }';
const GRANT = 'mutation ($id: ID!) { grantRole(userId: $id, role: "reader", reason: "soak") { id } }';

export const redisCli = async (port: number, ...args: string[]): Promise<string> =>
  (await promisify(execFile)('redis-cli', ['-p', String(port), ...args], { timeout: 5_000 })).stdout;

export const streamKey = async ({ db }: Pick<World, 'db'>): Promise<string> =>
  `access-service:{${(await db.changeLogHead.findFirstOrThrow()).logId}}:changes`;

/** `signal`: ends the waits, and with them the faults. */
export function createInjector(world: World, signal: AbortSignal): Injector {
  const { nodes, redis, redisProxy, databaseProxy: databases, postgres, subscribers, fake } = world;
  const wait = (ms: number): Promise<unknown> => sleep(ms, signal);
  // One fault at a time on each thing that is started and stopped, so that no two of them leave it in a state of neither.
  const busy = new Set<unknown>();
  async function alone(thing: unknown, work: () => Promise<void>): Promise<void> {
    if (busy.has(thing)) return;
    busy.add(thing);
    try {
      await work();
    } finally {
      busy.delete(thing);
    }
  }
  /** Starting may fail while Postgres is away: then it is tried again. */
  async function start(node: ServiceNode, env: Record<string, string> = {}): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await node.start(env);
      } catch (error) {
        if (attempt === 5) throw error;
        await sleep(1_000, new AbortController().signal);
      }
    }
  }
  const onNode = (index: number, work: (node: ServiceNode) => Promise<void>): Promise<void> => {
    const node = nodes[index];
    return node ? alone(node, () => work(node)) : Promise.resolve();
  };

  async function inject(injection: Injection): Promise<void> {
    switch (injection.kind) {
      case 'kill':
        return onNode(injection.node, async (node) => {
          await node.kill();
          await wait(injection.downMs);
          await start(node);
        });
      case 'stop':
        return onNode(injection.node, async (node) => {
          await node.stop();
          await wait(injection.downMs);
          await start(node);
        });
      case 'freeze':
        return onNode(injection.node, async (node) => {
          node.freeze();
          await wait(injection.forMs);
          node.thaw();
        });
      case 'failpoint':
        return onNode(injection.node, async (node) => {
          await node.kill();
          await node.startDoomed({ FAILPOINTS: `${injection.point}=kill@${injection.pass}` }, () => wait(15_000));
          await node.kill();
          await start(node);
        });
      case 'clock':
        return onNode(injection.node, async (node) => {
          await node.kill();
          await start(node, withClock(injection.shiftMs));
          await wait(injection.forMs);
          await node.kill();
          await start(node);
        });
      case 'postgres-terminate':
        await postgres?.terminateBackends();
        return;
      case 'postgres-cut':
        databases.cut();
        return;
      case 'postgres-crash':
        return alone(postgres, async () => postgres?.crashAndRestart());
      case 'postgres-freeze':
        return alone(postgres, async () => {
          await postgres?.freeze();
          await wait(injection.forMs);
          await postgres?.thaw();
        });
      case 'postgres-stall':
        return alone(databases, async () => {
          databases.stall();
          await wait(injection.forMs);
          databases.flow();
        });
      case 'commit':
        void databases.cutAtCommit(injection);
        return;
      case 'redis-cut':
        redisProxy.cut();
        return;
      case 'redis-stall':
        return alone(redisProxy, async () => {
          redisProxy.stall();
          await wait(injection.forMs);
          redisProxy.flow();
        });
      case 'redis-kill':
        return alone(redis, async () => {
          await redis.kill();
          await redis.restart();
        });
      case 'redis-freeze':
        return alone(redis, async () => {
          redis.freeze();
          await wait(injection.forMs);
          redis.thaw();
        });
      case 'redis-flush':
        return alone(redis, async () => void (await redisCli(redis.port, 'FLUSHALL')));
      case 'redis-trim':
        return alone(
          redis,
          async () => void (await redisCli(redis.port, 'XTRIM', await streamKey(world), 'MAXLEN', String(injection.keep))),
        );
      case 'redis-flap':
        return alone(redis, async () => {
          const until = performance.now() + injection.forMs;
          while (performance.now() < until && !signal.aborted) {
            await redisCli(redis.port, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
            await wait(200);
          }
        });
      case 'redis-full':
        return alone(redis, async () => {
          await redisCli(redis.port, 'CONFIG', 'SET', 'maxmemory', '1000000');
          await wait(injection.forMs);
          await redisCli(redis.port, 'CONFIG', 'SET', 'maxmemory', '0');
        });
      case 'workos':
        fake.fault(injection.fault);
        return;
      case 'subscriber-freeze': {
        const subscriber = subscribers[injection.subscriber];
        return alone(subscriber, async () => {
          subscriber?.freeze?.();
          await wait(injection.forMs);
          subscriber?.thaw?.();
        });
      }
      case 'replay':
        // Answered or not: a caller that gets an error tries again, and this one does not.
        await nodes[0]?.query(REPLAY, { input: { organizationId: 'org_1', reason: 'soak' } }).catch(() => undefined);
        return;
      case 'grant': {
        const ids = [...fake.truth().users.keys()];
        await nodes[0]?.query(GRANT, { id: ids[injection.user % Math.max(1, ids.length)] ?? '' }).catch(() => undefined);
        return;
      }
      default:
        injection satisfies never;
    }
  }

  return {
    inject,
    async heal() {
      databases.flow();
      redisProxy.flow();
      fake.clearFaults();
      await postgres?.thaw();
      redis.thaw();
      for (const node of nodes) node.thaw();
      await redisCli(redis.port, 'CONFIG', 'SET', 'maxmemory', '0');
      for (const node of nodes) if (!node.running()) await start(node);
    },
  };
}
