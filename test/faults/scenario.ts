// A fault as a pair of tests: with the defence in place nothing is broken, and without it the same fault breaks what is said.
import { expect, test } from 'vitest';
import { SEED } from '../support/seed.ts';
import { waitFor } from '../support/wait-for.ts';
import { expectTruth, missing, violationsThatStay } from './oracle.ts';
import type { Mutation } from './preload.ts';
import { startWorld, type World, type WorldOptions } from './world.ts';

export interface Scenario {
  /** As the table of faults names it, and what happens. */
  name: string;
  world: Omit<WorldOptions, 'seed' | 'mutations'>;
  /** Provokes the fault. `patienceMs`: how long to wait for what must happen meanwhile. */
  run(world: World, patienceMs: number): Promise<void>;
  control: Control;
  /** Where more than one defence holds. */
  controls?: readonly Control[];
}

interface Control {
  /** The defence that is missing. */
  without: string;
  mutations: readonly Mutation[];
  /** A violation, or what `run` waited for in vain. */
  breaks: RegExp;
  /** Where the control needs another provocation. */
  run?: Scenario['run'];
}

const PATIENCE_MS = 60_000;
const TRUTH_TIMEOUT_MS = 150_000;
const CONTROL_PATIENCE_MS = 8_000;
const TIMEOUT = { timeout: 600_000 };

async function inWorld<T>(options: WorldOptions, work: (world: World) => Promise<T>): Promise<T> {
  const world = await startWorld(options);
  try {
    return await work(world);
  } finally {
    await world.close();
  }
}

export function faultTest({ name, world: options, run, control, controls = [] }: Scenario): void {
  test(name, TIMEOUT, () =>
    inWorld({ seed: SEED, ...options }, async (world) => {
      await run(world, PATIENCE_MS);
      await expectTruth(world, TRUTH_TIMEOUT_MS);
    }),
  );
  for (const { without, mutations, breaks, run: provoke = run } of [control, ...controls]) {
    test(`${name.split(':')[0]} control: ${without}`, TIMEOUT, () =>
      inWorld({ seed: SEED, ...options, mutations }, async (world) => {
        const broken = await provoke(world, CONTROL_PATIENCE_MS).then(
          () => violationsThatStay(world),
          (error: unknown) => [String(error)],
        );
        expect(broken.join('\n'), 'the control passed').toMatch(breaks);
      }),
    );
  }
}

/** Whatever happened so far is applied and told to every subscriber, also while something is out of order. */
export const everythingArrives = (world: World, when: string, patienceMs: number): Promise<unknown> =>
  waitFor(`everything to arrive ${when}`, async () => (await missing(world)).length === 0, {
    timeoutMs: patienceMs,
    everyMs: 100,
    missing: () => missing(world),
  });

/** The dead keep their leases for some seconds; nobody needs to wait for that here. */
export const buryLeases = async ({ db }: World): Promise<void> => {
  await db.$executeRawUnsafe("UPDATE lease SET expires_at = now() - interval '1 second'");
};
