// One seed of the soak: a world of its own, load and faults by the schedule, then quiet, and the oracle.
import { setTimeout as delay } from 'node:timers/promises';
import { createInjector } from './inject.ts';
import { expectTruth } from './oracle.ts';
import { scheduleOf } from './schedule.ts';
import { startWorld } from './world.ts';

export interface RunReport {
  seed: number;
  /** Injected, by kind. */
  faults: Record<string, number>;
  events: number;
  changes: number;
  subscribers: number;
  received: number;
  /** null: none. */
  violation: string | null;
}

const SERVES = 2;
const WORKS = 2;
const SUBSCRIBERS = ['client', 'process', 'sse', 'process', 'client', 'sse'] as const;
const QUIET_TIMEOUT_MS = 150_000;

export async function runSeed(seed: number, print: (line: string) => void): Promise<RunReport> {
  const schedule = scheduleOf(seed, { nodes: SERVES + WORKS, works: WORKS, subscribers: SUBSCRIBERS.length });
  const report: RunReport = { seed, faults: {}, events: 0, changes: 0, subscribers: SUBSCRIBERS.length, received: 0, violation: null };
  const world = await startWorld({ seed, serves: SERVES, works: WORKS, postgres: 'own', subscribers: SUBSCRIBERS });
  const over = new AbortController();
  const injector = createInjector(world, over.signal);
  try {
    const startedAt = performance.now();
    const under: Promise<void>[] = [];
    await world.underLoad(async () => {
      for (const { atMs, injection } of schedule.strikes) {
        await delay(Math.max(0, startedAt + atMs - performance.now()));
        print(`  ${String(atMs).padStart(6)} ms ${JSON.stringify(injection)}`);
        report.faults[injection.kind] = (report.faults[injection.kind] ?? 0) + 1;
        under.push(injector.inject(injection).catch((error: unknown) => print(`  the fault itself failed: ${injection.kind}: ${error}`)));
      }
      await delay(Math.max(0, startedAt + schedule.durationMs - performance.now()));
    }, 30);
    over.abort();
    await Promise.all(under);
    await injector.heal();
    await expectTruth(world, QUIET_TIMEOUT_MS);
  } catch (error) {
    report.violation = error instanceof Error ? error.message : String(error);
    for (const node of world.nodes) print(`--- ${node.name}\n${node.output().slice(-4_000)}`);
  }
  report.events = world.published.length;
  report.changes = await world.db.entitlementChange.count().catch(() => 0);
  report.received = world.subscribers.reduce((sum, { received }) => sum + received.filter(({ change }) => change !== null).length, 0);
  await world.close();
  return report;
}
