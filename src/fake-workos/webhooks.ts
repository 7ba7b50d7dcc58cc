// Deliveries to one webhook endpoint: signed, retried, in order or shuffled, repeated, lost. A bounded queue in memory;
// no promise floats: close() ends the waits and awaits what is under way.

import { messageOf } from '../errors.ts';
import { createRandom } from '../lib/random.ts';
import { sleep } from '../lib/sleep.ts';
import type { Logger } from '../log.ts';
import type { FaultList } from './faults.ts';
import type { HistoryEvent } from './history.ts';
import { isLost } from './respond.ts';
import { signWebhook } from './sign-webhook.ts';

export interface WebhookTarget {
  url: string;
  secret: string;
  /** Deliver out of order, eight at a time; without it one after the other, retries aside. */
  shuffleSeed?: number;
  /** Each delivery this many times. */
  repeat?: number;
  /** Never deliver each event with this probability, by `shuffleSeed`. */
  lossProbability?: number;
  /** Waits before the second, third … attempt; after the last one the delivery is given up. */
  retryDelaysMs?: readonly number[];
}

export interface DeliveryCounts {
  /** Queued, under way, or waiting for the next attempt. */
  pending: number;
  delivered: number;
  failedAttempts: number;
  givenUp: number;
  /** Not sent on purpose, or because the queue was full. */
  lost: number;
}

export interface Webhooks {
  enqueue(event: HistoryEvent): void;
  counts(): DeliveryCounts;
  /** Resolves when nothing is pending. */
  drained(): Promise<void>;
  close(): Promise<void>;
}

export interface WebhookDependencies {
  target: WebhookTarget;
  faults: FaultList;
  log: Logger;
  clock: () => number;
  maxPending?: number;
}

interface Delivery {
  event: HistoryEvent;
  attempts: number;
  spoilt: boolean;
}

const RETRY_DELAYS_MS = [100, 500, 2_000, 10_000, 60_000, 300_000];
const SHUFFLE_WINDOW_MS = 200;
const SHUFFLED_AT_ONCE = 8;
const TIMEOUT_MS = 10_000;

export function createWebhooks({ target, faults, log, clock, maxPending = 200_000 }: WebhookDependencies): Webhooks {
  const { shuffleSeed, repeat = 1, lossProbability = 0, retryDelaysMs = RETRY_DELAYS_MS } = target;
  const random = createRandom(shuffleSeed ?? 1);
  const shuffled = shuffleSeed !== undefined;
  const counts: DeliveryCounts = { pending: 0, delivered: 0, failedAttempts: 0, givenUp: 0, lost: 0 };
  const ready: Delivery[] = [];
  const tasks = new Set<Promise<void>>();
  const waiters: (() => void)[] = [];
  const closing = new AbortController();
  let running = 0;
  let lossesSeen = 0;

  const track = (task: Promise<void>): void => {
    const tracked: Promise<void> = task.finally(() => tasks.delete(tracked));
    tasks.add(tracked);
  };
  const settle = (): void => {
    counts.pending -= 1;
    if (counts.pending === 0) for (const resolve of waiters.splice(0)) resolve();
  };
  const makeReady = async (delivery: Delivery, delayMs: number): Promise<void> => {
    if (delayMs > 0) await sleep(delayMs, closing.signal);
    ready.push(delivery);
    pump();
  };
  const pump = (): void => {
    while (running < (shuffled ? SHUFFLED_AT_ONCE : 1) && !closing.signal.aborted) {
      const delivery = shuffled ? takeAny(ready, random.below(ready.length)) : ready.shift();
      if (!delivery) return;
      running += 1;
      track(attempt(delivery));
    }
  };
  const attempt = async (delivery: Delivery): Promise<void> => {
    delivery.attempts += 1;
    const failure = await send(delivery);
    running -= 1;
    if (failure === undefined) {
      counts.delivered += 1;
      settle();
    } else if (!closing.signal.aborted) {
      counts.failedAttempts += 1;
      const delayMs = retryDelaysMs[delivery.attempts - 1];
      log.debug({ eventId: delivery.event.id, attempts: delivery.attempts, failure }, 'webhook delivery failed');
      if (delayMs !== undefined) track(makeReady(delivery, delayMs));
      else {
        log.warn({ eventId: delivery.event.id, attempts: delivery.attempts, failure }, 'webhook delivery given up');
        counts.givenUp += 1;
        settle();
      }
    }
    pump();
  };
  /** What went wrong, or undefined. */
  const send = async ({ event, spoilt }: Delivery): Promise<string | undefined> => {
    const body = Buffer.from(JSON.stringify(event));
    const signature = signWebhook(body, spoilt ? `not ${target.secret}` : target.secret, clock());
    try {
      const response = await fetch(target.url, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json', 'workos-signature': signature, 'user-agent': 'fake-workos' },
        signal: AbortSignal.any([closing.signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      await response.arrayBuffer();
      return response.ok ? undefined : `status ${response.status}`;
    } catch (error) {
      return messageOf(error);
    }
  };

  return {
    enqueue(event) {
      const fault = faults.strike('webhook');
      if (fault?.kind === 'lost') lossesSeen += 1;
      const lost = fault?.kind === 'lost' ? isLost(lossesSeen - 1, fault.everyNth) : lossProbability > 0 && random.chance(lossProbability);
      for (let copy = 0; copy < repeat * (fault?.kind === 'duplicated' ? 2 : 1); copy += 1) {
        if (lost || counts.pending >= maxPending || closing.signal.aborted) {
          counts.lost += 1;
          continue;
        }
        counts.pending += 1;
        const delayMs = fault?.kind === 'slow' ? fault.delayMs : shuffled ? random.below(SHUFFLE_WINDOW_MS) : 0;
        track(makeReady({ event, attempts: 0, spoilt: fault?.kind === 'bad_signature' }, delayMs));
      }
    },
    counts: () => ({ ...counts }),
    drained: () => (counts.pending === 0 ? Promise.resolve() : new Promise((resolve) => waiters.push(resolve))),
    async close() {
      closing.abort();
      while (tasks.size > 0) await Promise.all(tasks);
      for (const resolve of waiters.splice(0)) resolve();
    },
  };
}

/** Takes one out without moving the others. */
function takeAny<T>(items: T[], index: number): T | undefined {
  const last = items.pop();
  if (last === undefined || index >= items.length) return last;
  const taken = items[index];
  items[index] = last;
  return taken;
}
