// B4: one change to 1,000 and to 10,000 subscribers of one node, who all ask the same or who ask 1,000 different things. Each
// change begins when the one before has arrived everywhere, and its time when it is handed to Redis. Ours: it stands in the log
// by then, and is handed over as a relay does; a `serve` process delivers it, to callers with keys, from cursors. Others get the
// same change, as the same text, over Redis; nothing is stored (`propagation` measures what that takes).
import { setTimeout as delay } from 'node:timers/promises';
import { FOLLOW_CHANGES } from '../../../src/client/documents.ts';
import { userId } from '../dataset-rows.ts';
import { type Contenders, type Name, openContenders } from '../fan-out-contenders.ts';
import { alternate, type BenchOptions, type Comparison, quantile, type Scenario } from '../scenario.ts';
import type { StreamServer } from '../stream-servers.ts';
import { type Deliveries, type Subscribers, startSubscribers } from '../subscribers.ts';

interface Crowd {
  name: string;
  subscribers: number;
  /** Different filters; 1: they are all the same. */
  groups: number;
}

const CROWDS: readonly Crowd[] = [
  { name: '1,000 subscribers, one filter', subscribers: 1_000, groups: 1 },
  { name: '1,000 subscribers, 1,000 filters', subscribers: 1_000, groups: 1_000 },
  { name: '10,000 subscribers, one filter', subscribers: 10_000, groups: 1 },
  { name: '10,000 subscribers, 1,000 filters', subscribers: 10_000, groups: 1_000 },
];
const QUICK: readonly Crowd[] = [
  { name: '300 subscribers, one filter', subscribers: 300, groups: 1 },
  { name: '300 subscribers, 300 filters', subscribers: 300, groups: 300 },
];
/** One change after the other for so long: a round of a few would measure what else the machine did in that moment. */
const ROUND_MS = 2_000;
const QUICK_ROUND_MS = 200;
const WARM_UP_ROUNDS = 3;
const WARMING = 300;
const SETTLE_MS = 2_000;
/** The message itself may differ in the order of its keys and in its id. */
const MAX_BYTES_APART = 16;

const variablesOf = ({ groups }: Crowd): object[] =>
  Array.from({ length: groups }, (_, n) => (groups === 1 ? {} : { filter: { userIds: [userId(0), userId(n + 1)] } }));

async function* run({ quick, rounds, say }: BenchOptions): AsyncGenerator<Comparison> {
  const contenders = await openContenders({ users: quick ? 10_000 : 100_000, say });
  try {
    for (const crowd of quick ? QUICK : CROWDS)
      yield* await measure(crowd, { ...contenders, rounds, roundMs: quick ? QUICK_ROUND_MS : ROUND_MS, say });
  } finally {
    await contenders.close();
  }
}

interface Means extends Pick<Contenders, 'start' | 'publish'> {
  rounds: number;
  roundMs: number;
  say(text: string): void;
}

async function measure(crowd: Crowd, { start, publish, rounds, roundMs, say }: Means): Promise<Comparison[]> {
  const names = Object.keys(start) as Name[];
  const open: { name: Name; server: StreamServer; subscribers: Subscribers; idleBytes: number }[] = [];
  try {
    for (const name of names) {
      say(`${crowd.name}: ${name}`);
      const server = await start[name]();
      const subscribers = startSubscribers();
      const contender = { name, server, subscribers, idleBytes: 0 };
      open.push(contender);
      const options = {
        url: server.url,
        authorization: server.authorization,
        query: FOLLOW_CHANGES,
        variables: variablesOf(crowd),
        greets: name === 'ours',
      };
      // What is loaded and compiled for the first of them is not the cost of the others.
      await subscribers.open({ ...options, count: WARMING });
      await subscribers.close();
      const before = await server.memory();
      await subscribers.open({ ...options, count: crowd.subscribers });
      await subscribers.rollCall(publish[name]);
      await delay(SETTLE_MS);
      contender.idleBytes = ((await server.memory()) - before) / crowd.subscribers;
    }
    const slowest = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
    const bytes = new Map<Name, number>();
    const contend =
      ({ name, subscribers }: (typeof open)[number]) =>
      async (): Promise<number> => {
        const all: Deliveries[] = [];
        let ms = 0;
        while (ms < roundMs) {
          const deliveries = await subscribers
            .round(crowd.subscribers, publish[name])
            .catch((error: unknown) => Promise.reject(new Error(`${name}: a change did not come to all`, { cause: error })));
          all.push(deliveries);
          ms += deliveries.latencies.reduce((a, b) => Math.max(a, b), 0);
        }
        bytes.set(name, all[0]?.bytes ?? 0);
        slowest[name].push(
          quantile(
            all.flatMap(({ latencies }) => latencies),
            0.99,
          ),
        );
        return (crowd.subscribers * all.length * 1_000) / ms;
      };
    say(`${crowd.name}: rounds`);
    const rates = await alternate(
      rounds,
      Object.fromEntries(open.map((one) => [one.name, contend(one)])) as Record<Name, () => Promise<number>>,
      { warmUp: WARM_UP_ROUNDS },
    );
    const sizes = [...bytes.values()];
    if (Math.max(...sizes) - Math.min(...sizes) > MAX_BYTES_APART) throw new Error(`not the same bytes: ${JSON.stringify([...bytes])}`);
    return compare(crowd, {
      rates,
      slowest,
      idle: Object.fromEntries(open.map(({ name, idleBytes }) => [name, [idleBytes / 1_024]])) as Record<Name, number[]>,
    });
  } finally {
    for (const { server, subscribers } of open) {
      await subscribers.stop();
      await server.stop();
    }
  }
}

interface Measured {
  rates: Record<Name, number[]>;
  /** Of each round, those that warm up included. */
  slowest: Record<Name, number[]>;
  idle: Record<Name, number[]>;
}

const OTHERS: Record<Exclude<Name, 'ours'>, string> = {
  mercurius: 'mercurius, mqemitter-redis',
  yoga: "Yoga's PubSub, graphql-ws",
  broadcast: 'limit: ws broadcasting',
};
const GOALS: { rates: Partial<Record<Name, Comparison['goal']>>; idle: Partial<Record<Name, Comparison['goal']>> } = {
  rates: { mercurius: { atLeast: 2 }, broadcast: { atLeast: 0.5 } },
  idle: { broadcast: { atMost: 3 } },
};

function compare({ name, subscribers }: Crowd, { rates, slowest, idle }: Measured): Comparison[] {
  const others = Object.keys(OTHERS) as (keyof typeof OTHERS)[];
  const against = (measure: string, unit: string, values: Record<Name, number[]>, goals: Partial<Record<Name, Comparison['goal']>>) =>
    others.map((other): Comparison => {
      const goal = goals[other];
      return {
        measure: `${measure}, ${name}`,
        unit,
        ours: values.ours,
        other: OTHERS[other],
        theirs: values[other],
        ...(goal && { goal }),
      };
    });
  const warm = Object.fromEntries(
    Object.entries(slowest).map(([name, values]) => [name, values.slice(WARM_UP_ROUNDS)]),
  ) as Measured['slowest'];
  return [
    ...against('deliveries', '1/s', rates, GOALS.rates),
    ...against('p99 of a delivery', 'ms', warm, {}),
    // Fewer say little: a process grows in steps.
    ...(subscribers >= 5_000 ? against('memory of an idle subscriber', 'KiB', idle, GOALS.idle) : []),
  ];
}

export const fanOut: Scenario = {
  name: 'fan-out',
  about: 'one change to 1,000 and 10,000 subscribers of one node',
  run,
};
