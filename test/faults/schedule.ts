// Pure: the faults of one run of the soak and when they strike, drawn from the seed alone, so that a seed is a run.
import type { Fault } from '../../src/fake-workos/server.ts';
import { FAILPOINTS } from '../../src/lib/failpoint.ts';
import { createRandom, type Random } from '../../src/lib/random.ts';

export type Injection =
  | { kind: 'kill' | 'stop'; node: number; downMs: number }
  | { kind: 'freeze'; node: number; forMs: number }
  | { kind: 'failpoint'; node: number; point: string; pass: number }
  | { kind: 'clock'; node: number; shiftMs: number; forMs: number }
  | { kind: 'postgres-terminate' | 'postgres-cut' | 'postgres-crash' | 'redis-cut' | 'redis-flush' | 'redis-kill' }
  | { kind: 'postgres-freeze' | 'postgres-stall' | 'redis-freeze' | 'redis-stall' | 'redis-flap' | 'redis-full'; forMs: number }
  | { kind: 'commit'; after: string; reachesServer: boolean }
  | { kind: 'redis-trim'; keep: number }
  | { kind: 'workos'; fault: Fault }
  | { kind: 'subscriber-freeze'; subscriber: number; forMs: number }
  | { kind: 'replay' }
  | { kind: 'grant'; user: number };

export interface Strike {
  atMs: number;
  injection: Injection;
}

export interface Schedule {
  seed: number;
  /** Of load with faults; quiet comes after it. */
  durationMs: number;
  strikes: Strike[];
}

/** Of these, only what a worker passes under a live stream. */
const KILLING = FAILPOINTS.filter((name) => !name.startsWith('re') && name !== 'webhook-stored' && !name.startsWith('import'));

const WORKOS: readonly Fault[] = [
  { kind: 'status', status: 429, retryAfter: '1', times: 2 },
  { kind: 'status', status: 429, retryAfter: null, times: 3 },
  { kind: 'status', status: 503, times: 5 },
  { kind: 'html', status: 500, times: 3 },
  { kind: 'html', status: 200, times: 1 },
  { kind: 'truncated', times: 2 },
  { kind: 'slow', delayMs: 2_000, times: 2 },
  { kind: 'reset', times: 3 },
  { kind: 'reset', midBody: true, times: 2 },
  { kind: 'empty', path: '/events', times: 1 },
  { kind: 'duplicated', path: '/events', times: 2 },
  { kind: 'reordered', path: '/events', times: 2 },
  { kind: 'lost', path: 'webhook', times: 20 },
  { kind: 'slow', path: 'webhook', delayMs: 3_000, times: 20 },
  { kind: 'duplicated', path: 'webhook', times: 20 },
  { kind: 'bad_signature', path: 'webhook', times: 5 },
];

const WROTE = ['directory_event', 'change_log_head', 'sync_cursor'];

function draw(random: Random, { nodes, works, subscribers }: { nodes: number; works: number; subscribers: number }): Injection {
  const node = random.below(nodes);
  /** The last ones are those that work. */
  const worker = nodes - works + random.below(works);
  const forMs = 500 + random.below(7_000);
  const kinds: (() => Injection)[] = [
    () => ({ kind: 'kill', node, downMs: random.below(2_000) }),
    () => ({ kind: 'kill', node: worker, downMs: random.below(2_000) }),
    () => ({ kind: 'stop', node, downMs: random.below(1_000) }),
    () => ({ kind: 'freeze', node, forMs: 2 * forMs }),
    () => ({ kind: 'freeze', node: worker, forMs: 2 * forMs }),
    () => ({ kind: 'failpoint', node: worker, point: random.pick(KILLING), pass: 1 + random.below(12) }),
    () => ({ kind: 'failpoint', node: worker, point: random.pick(KILLING), pass: 1 + random.below(3) }),
    // Webhooks go to the first one that serves.
    () => ({ kind: 'failpoint', node: 0, point: 'webhook-stored', pass: 1 + random.below(12) }),
    () => ({ kind: 'clock', node, shiftMs: random.chance(0.5) ? 600_000 : -600_000, forMs: 3 * forMs }),
    () => ({ kind: 'postgres-terminate' }),
    () => ({ kind: 'postgres-cut' }),
    () => ({ kind: 'postgres-crash' }),
    () => ({ kind: 'postgres-freeze', forMs: random.chance(0.2) ? 30_000 : forMs }),
    () => ({ kind: 'postgres-stall', forMs }),
    () => ({ kind: 'commit', after: random.pick(WROTE), reachesServer: random.chance(0.6) }),
    () => ({ kind: 'commit', after: random.pick(WROTE), reachesServer: random.chance(0.6) }),
    () => ({ kind: 'redis-cut' }),
    () => ({ kind: 'redis-flush' }),
    () => ({ kind: 'redis-kill' }),
    () => ({ kind: 'redis-freeze', forMs }),
    () => ({ kind: 'redis-stall', forMs }),
    () => ({ kind: 'redis-flap', forMs: random.chance(0.2) ? 30_000 : forMs }),
    () => ({ kind: 'redis-full', forMs }),
    () => ({ kind: 'redis-trim', keep: random.below(10) }),
    () => ({ kind: 'workos', fault: random.pick(WORKOS) }),
    () => ({ kind: 'workos', fault: random.pick(WORKOS) }),
    () => ({ kind: 'subscriber-freeze', subscriber: random.below(subscribers), forMs }),
    () => ({ kind: 'replay' }),
    () => ({ kind: 'grant', user: random.below(1_000) }),
  ];
  return random.pick(kinds)();
}

export function scheduleOf(seed: number, world: { nodes: number; works: number; subscribers: number }): Schedule {
  const random = createRandom(seed ^ 0x5eed);
  const durationMs = 30_000 + random.below(30_000);
  const strikes: Strike[] = [];
  for (let atMs = 500 + random.below(1_500); atMs < durationMs; atMs += 300 + random.below(4_500)) {
    strikes.push({ atMs, injection: draw(random, world) });
  }
  return { seed, durationMs, strikes };
}
