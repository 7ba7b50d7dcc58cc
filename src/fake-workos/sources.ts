// Where the events of the fake come from over time: a recorded history at N times real time, or the living company.
import { runLoop } from '../lib/loop.ts';
import type { Random } from '../lib/random.ts';
import { sleep } from '../lib/sleep.ts';
import type { Logger } from '../log.ts';
import { nextCompanyEvents } from './company.ts';
import { type HistoryEvent, type NewEvent, parseTime } from './history.ts';
import type { FakeSource } from './options.ts';
import type { Truth } from './truth.ts';

export interface SourceDependencies {
  publish: (event: NewEvent) => void;
  truth: () => Truth;
  random: Random;
  clock: () => number;
  signal: AbortSignal;
  log: Logger;
}

/** A timer cannot wait longer than 24 days, and a history may pause for longer. */
const LONGEST_WAIT_MS = 3_600_000;

/** Runs until the source has nothing more to tell or the signal aborts. */
export async function startSource(source: FakeSource, dependencies: SourceDependencies): Promise<void> {
  switch (source.kind) {
    case 'scripted':
      return;
    case 'history':
      return replayHistory(dependencies, source.events, source.speed ?? Number.POSITIVE_INFINITY);
    case 'company':
      return liveCompany(dependencies, source.eventsPerSecond ?? 1);
  }
}

/** Publishes each event when it is due, counted from the first one. What the stream has already goes out by webhook only. */
async function replayHistory(
  { publish, clock, signal }: SourceDependencies,
  events: readonly HistoryEvent[],
  speed: number,
): Promise<void> {
  const startedAtMs = clock();
  const firstMs = parseTime(events[0]?.created_at ?? '');
  for (const event of events) {
    const dueMs = startedAtMs + (parseTime(event.created_at) - firstMs) / speed;
    for (let waitMs = dueMs - clock(); waitMs > 0 && !signal.aborted; waitMs = dueMs - clock()) {
      await sleep(Math.min(Math.ceil(waitMs), LONGEST_WAIT_MS), signal);
    }
    if (signal.aborted) return;
    publish(event);
  }
}

/** Lets the company live until the signal aborts, at this rate on average. */
async function liveCompany({ publish, truth, random, clock, signal, log }: SourceDependencies, eventsPerSecond: number): Promise<void> {
  const step = async (): Promise<number | 'idle'> => {
    const events = nextCompanyEvents(truth(), random, clock());
    for (const event of events) publish(event);
    return events.length === 0 ? 'idle' : Math.round(((0.5 + random.next()) * events.length * 1_000) / eventsPerSecond);
  };
  await runLoop(step, { signal, idleMs: 5_000, onError: (error) => log.error({ err: error }, 'the fake company stumbled') });
}
