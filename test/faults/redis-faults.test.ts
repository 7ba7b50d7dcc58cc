// F6 to F11: what befalls Redis, seen from whole processes. The same defence stands in all controls: that a reader proves the
// contiguity of what it has, and reads the log itself wherever the stream does not tell.
import { setTimeout as delay } from 'node:timers/promises';
import { type OwnRedis, startRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait-for.ts';
import { redisCli, streamKey } from './inject.ts';
import { startProxy } from './proxy.ts';
import { everythingArrives, faultTest, type Scenario } from './scenario.ts';
import type { World, WorldOptions } from './world.ts';

const WORLD: Omit<WorldOptions, 'seed' | 'mutations'> = { serves: 1, works: 1, subscribers: ['client', 'sse'] };

const FLAP_MS = 30_000;
const FLAP_EVERY_MS = 200;

const BELIEVE_THE_STREAM: Pick<Scenario['control'], 'without' | 'mutations'> = {
  without: 'the feed believes the stream alone',
  mutations: [
    {
      file: 'src/feed/tail.ts',
      from: 'async function readToEnd(): Promise<void> {',
      to: 'async function readToEnd(): Promise<void> { certainAt = performance.now(); if (certainAt > 0) return;',
    },
  ],
};

const handedOn = (world: World): Promise<unknown> =>
  waitFor(
    'the relay to have handed everything on',
    async () => {
      const { relayedPosition, position } = await world.db.changeLogHead.findFirstOrThrow();
      return relayedPosition === position && (await world.db.directoryEvent.count({ where: { status: 'PENDING' } })) === 0;
    },
    { timeoutMs: 90_000 },
  );

/** Changes go through Redis, are marked as handed on, and the node that serves has not read them. */
async function handedOnUnread(world: World): Promise<void> {
  await everythingArrives(world, 'before the fault', 90_000);
  const { position } = await world.db.changeLogHead.findFirstOrThrow();
  world.serves[0]?.freeze();
  await waitFor(
    'changes',
    async () => {
      world.steps(10);
      return (await world.db.changeLogHead.findFirstOrThrow()).position >= position + 5n;
    },
    { timeoutMs: 90_000, everyMs: 300 },
  );
  await handedOn(world);
}

faultTest({
  name: 'F6: Redis is killed and comes back without its data',
  world: WORLD,
  async run(world, patienceMs) {
    await handedOnUnread(world);
    await world.redis.kill();
    await world.redis.restart();
    world.steps(20);
    world.serves[0]?.thaw();
    await everythingArrives(world, 'after Redis has lost its data', patienceMs);
    await world.underLoad(async () => {
      await world.redis.kill();
      await delay(500);
      await world.redis.restart();
    });
  },
  control: { ...BELIEVE_THE_STREAM, breaks: /I4, .* lacks/ },
});

faultTest({
  name: 'F6: Redis is killed and comes back with its data',
  world: WORLD,
  async run(world, patienceMs) {
    await handedOnUnread(world);
    const copy = await startRedis();
    try {
      await replicate(copy, world.redis.port);
      await world.redis.kill();
      await redisCli(copy.port, 'REPLICAOF', 'NO', 'ONE');
      world.redisProxy.turnTo(copy.port);
      world.steps(20);
      world.serves[0]?.thaw();
      await everythingArrives(world, 'through a Redis that has its data', patienceMs);
    } finally {
      await world.redis.restart();
      world.redisProxy.turnTo(world.redis.port);
      await copy.stop();
    }
  },
  control: { ...BELIEVE_THE_STREAM, breaks: /I4, .* lacks/ },
});

faultTest({
  name: 'F7: Redis is frozen, then silently unreachable',
  world: WORLD,
  async run(world, patienceMs) {
    const { redis, redisProxy } = world;
    await everythingArrives(world, 'before the fault', 90_000);
    redis.freeze();
    world.steps(60);
    await everythingArrives(world, 'while Redis is frozen', patienceMs);
    redis.thaw();
    redisProxy.stall();
    world.steps(40);
    await everythingArrives(world, 'while Redis is unreachable', patienceMs);
    redisProxy.flow();
  },
  control: { ...BELIEVE_THE_STREAM, breaks: /everything to arrive while Redis is frozen/ },
});

const flap = (world: World, rounds: number): Promise<void> =>
  world.underLoad(async () => {
    for (let round = 0; round < rounds; round += 1) {
      await redisCli(world.redis.port, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await delay(FLAP_EVERY_MS);
    }
  }, 100);

faultTest({
  name: 'F8: connections to Redis flap',
  world: WORLD,
  run: (world) => flap(world, FLAP_MS / FLAP_EVERY_MS),
  control: { ...BELIEVE_THE_STREAM, breaks: /I4, .* lacks/, run: (world) => flap(world, 20) },
});

faultTest({
  name: 'F9: FLUSHALL, and XTRIM below a reader',
  world: WORLD,
  async run(world, patienceMs) {
    const { redis, serves } = world;
    await handedOnUnread(world);
    await redisCli(redis.port, 'XTRIM', await streamKey(world), 'MAXLEN', '1');
    serves[0]?.thaw();
    await everythingArrives(world, 'over a trimmed stream', patienceMs);
    await handedOnUnread(world);
    await redisCli(redis.port, 'FLUSHALL');
    world.steps(20);
    serves[0]?.thaw();
    await everythingArrives(world, 'over an empty stream', patienceMs);
  },
  control: { ...BELIEVE_THE_STREAM, breaks: /everything to arrive over a trimmed stream/ },
});

const replicate = async (copy: OwnRedis, port: number): Promise<void> => {
  await redisCli(copy.port, 'REPLICAOF', '127.0.0.1', String(port));
  await waitFor(
    'the replica to be in step',
    async () => (await redisCli(copy.port, 'INFO', 'replication')).includes('master_link_status:up'),
    {
      timeoutMs: 90_000,
    },
  );
};

faultTest({
  name: 'F10: a failover to a replica that lacks the tail',
  world: WORLD,
  async run(world, patienceMs) {
    const { redis, redisProxy, serves } = world;
    const replica = await startRedis();
    const link = await startProxy(redis.port);
    try {
      await everythingArrives(world, 'before the fault', 90_000);
      await replicate(replica, link.port);
      link.stall();
      replica.freeze();
      await handedOnUnread(world);
      await redis.kill();
      replica.thaw();
      await redisCli(replica.port, 'REPLICAOF', 'NO', 'ONE');
      redisProxy.turnTo(replica.port);
      world.steps(20);
      serves[0]?.thaw();
      await everythingArrives(world, 'after the failover', patienceMs);
      await world.underLoad(() => delay(1_000));
      await everythingArrives(world, 'through the promoted one', patienceMs);
    } finally {
      await redis.restart();
      redisProxy.turnTo(redis.port);
      await link.close();
      await replica.stop();
    }
  },
  control: { ...BELIEVE_THE_STREAM, breaks: /everything to arrive after the failover/ },
});

faultTest({
  name: 'F11: Redis is out of memory',
  world: WORLD,
  async run(world, patienceMs) {
    const { redis } = world;
    await everythingArrives(world, 'before the fault', 90_000);
    await redisCli(redis.port, 'CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    await redisCli(redis.port, 'CONFIG', 'SET', 'maxmemory', '1mb');
    world.steps(60);
    await everythingArrives(world, 'while Redis takes nothing', patienceMs);
    await redisCli(redis.port, 'CONFIG', 'SET', 'maxmemory', '0');
  },
  control: { ...BELIEVE_THE_STREAM, breaks: /everything to arrive while Redis takes nothing/ },
});
