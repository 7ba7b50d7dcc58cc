// One subscriber's way through the log: a position, one batch of changes not yet pulled, and what it was told last.
//
// Checkpoints: first of all; when it has caught up after reading from the log; when it has caught up after delivering (once
// a second at most, so that a trickle does not double the traffic); after every interval of silence; and when it is not
// certain any more to be caught up, because the log cannot be read. A subscriber left uncertain too long is sent away.
import { setImmediate } from 'node:timers/promises';
import { readHead } from '../changes/head.ts';
import { readPage } from '../changes/read-after.ts';
import type { Db } from '../db/client.ts';
import type { Take } from '../lib/parkable.ts';
import type { Ending } from '../lib/pull-iterator.ts';
import { sleep } from '../lib/sleep.ts';
import type { ChangeFilter, RecordedChange } from '../model/change.ts';
import { encodeCursor, type Position } from '../model/cursor.ts';
import type { Crowd, Waiter } from './crowd.ts';
import { cursorBeyondEnd, cursorExpired, feedUnavailable } from './feed-errors.ts';
import type { ReadPersistently } from './read-persistently.ts';
import type { Tail } from './tail.ts';
import { withinBytes } from './weigh.ts';

export type FeedItem =
  | { kind: 'change'; change: RecordedChange }
  /** Every match at or below `position` was delivered. `caughtUp`: the log held nothing newer, as far as I7 lets a node know. */
  | { kind: 'checkpoint'; position: Position; caughtUp: boolean; at: Date };

export interface Subscription {
  /** Takes its place in the log; throws when the cursor is no place in this log. `next` does it where it was not done. */
  start(signal: AbortSignal): Promise<void>;
  /** The next item, however long that takes; undefined when it is not wanted any more. */
  next(ending: Ending): Promise<FeedItem | undefined>;
  /** See lib/parkable.ts. */
  park(take: Take<FeedItem>): boolean;
  /** Nothing is asked for any more. A pending `next` may never settle. */
  end(): void;
  /** Every match at or below was pulled; null before the start. */
  delivered(): Position | null;
  /** The same, as a client knows it. */
  cursor(): string | null;
}

export interface SubscriptionOptions {
  db: Db;
  tail: Tail;
  crowd: Crowd;
  readPersistently: ReadPersistently;
  filter: ChangeFilter;
  after: Position | null;
  tenant: string | null;
  checkpointIntervalMs: number;
  batchSize: number;
  batchBytes: number;
  giveUpAfterMs: number;
  /** A checkpoint; the same object for many, where it says the same. */
  checkpoint(position: Position, caughtUp: boolean): FeedItem;
}

const CAUGHT_UP_CHECKPOINT_MS = 1_000;
const NO_PROGRESS_MS = 100;

export function createSubscription(options: SubscriptionOptions): Subscription {
  const { db, tail, crowd, readPersistently, filter, after, tenant, checkpointIntervalMs, batchSize, batchBytes, giveUpAfterMs } = options;
  let waiter: Waiter | undefined;
  let starting: Promise<void> | undefined;
  let headAtStart: Position | null = null;
  let logId = '';
  /** The log was looked through up to here. */
  let position: Position = 0n;
  let batch: RecordedChange[] = [];
  let taken = 0;
  /** What the last checkpoint claimed, if that is still so; null before the first. */
  let claimed: boolean | null = null;
  /** Of the first change since the last checkpoint; null: none. */
  let deliveredAtMs: number | null = null;
  let itemAtMs = 0;
  let waiting = false;

  const known = (head: Position) => (tail.position() > head ? tail.position() : head);

  async function takePlace(signal: AbortSignal): Promise<void> {
    const head = await readPersistently(() => readHead(db), signal);
    position = after ?? head.position;
    if (position > head.position) throw cursorBeyondEnd();
    if (position < head.keptAfter) throw cursorExpired();
    headAtStart = head.position;
    logId = head.logId;
  }

  function start(signal: AbortSignal): Promise<void> {
    starting ??= takePlace(signal);
    return starting;
  }

  /** When a checkpoint is due, by performance.now(); at once for 0. */
  function checkpointDueAt(atEnd: boolean): number {
    if (claimed === null || (atEnd && claimed === tail.isStale())) return 0;
    const afterSilence = itemAtMs + checkpointIntervalMs;
    return atEnd && deliveredAtMs !== null ? Math.min(afterSilence, deliveredAtMs + CAUGHT_UP_CHECKPOINT_MS) : afterSilence;
  }

  function checkpoint(atEnd: boolean): FeedItem {
    claimed = atEnd && !tail.isStale();
    deliveredAtMs = null;
    itemAtMs = performance.now();
    return options.checkpoint(position, claimed);
  }

  /** As much of it as this subscriber may hold; the rest is looked up again. */
  function hold(changes: RecordedChange[], upTo: Position): void {
    batch = withinBytes(changes, batchBytes);
    position = batch.length < changes.length ? (batch.at(-1) as RecordedChange).position : upTo;
  }

  /** Takes the next changes from the ring, or from the log where the ring does not reach. */
  async function load({ group }: Waiter, ending: Ending): Promise<void> {
    taken = 0;
    const held = tail.after(position, batchSize);
    if (held !== 'too old' && held.length > 0) {
      hold(held.filter(group.matches), held.at(-1)?.position ?? position);
      return;
    }
    const { signal } = ending;
    const page = await readPersistently(() => readPage(db, { after: position, limit: batchSize, filter, tenant }), signal);
    if (page.keptAfter > position) throw cursorExpired();
    if (page.scannedTo === position) await sleep(NO_PROGRESS_MS, signal);
    hold(page.changes, page.scannedTo);
    claimed = false;
  }

  function wait(me: Waiter, untilMs: number): void {
    me.position = position;
    me.dueAtMs = untilMs;
    batch = [];
    taken = 0;
    waiting = true;
    crowd.wait(me);
  }

  /** Until there is a change, or the time is over, or the tail changes its mind about being current. */
  function pause(me: Waiter, untilMs: number): Promise<void> {
    return new Promise((resolve) => {
      me.wake = (change) => {
        waiting = false;
        position = me.position;
        if (change) batch = [change];
        resolve();
      };
      wait(me, untilMs);
    });
  }

  function hand(change: RecordedChange): FeedItem {
    itemAtMs = performance.now();
    deliveredAtMs ??= itemAtMs;
    return { kind: 'change', change };
  }

  let parked: Take<FeedItem> | undefined;
  function wakeParked(change: RecordedChange | null): void {
    const take = parked;
    parked = undefined;
    waiting = false;
    if (!waiter || !take) return;
    position = waiter.position;
    const atEnd = position >= tail.position();
    const item = change ? hand(change) : checkpointDueAt(atEnd) <= performance.now() ? checkpoint(atEnd) : null;
    if (take(item) && item && !park(take)) take(null);
  }
  function park(take: Take<FeedItem>): boolean {
    if (!waiter || batch[taken] || claimed === null || position < known(headAtStart ?? 0n)) return false;
    const dueAtMs = checkpointDueAt(true);
    // What is due by time, the crowd's timer sees to; what is due at once, for another reason than time, it must not wait for.
    if (dueAtMs === 0 || tail.isStale()) return false;
    parked = take;
    waiter.wake = wakeParked;
    wait(waiter, dueAtMs);
    return true;
  }

  async function next(ending: Ending): Promise<FeedItem | undefined> {
    if (headAtStart === null) await start(ending.signal);
    while (!ending.aborted) {
      waiter ??= { group: crowd.join(filter, tenant), position, dueAtMs: 0, wake: () => {} };
      const change = batch[taken];
      if (change) {
        taken += 1;
        return hand(change);
      }
      const atEnd = position >= known(headAtStart ?? 0n);
      const dueAtMs = checkpointDueAt(atEnd);
      if (dueAtMs <= performance.now()) return checkpoint(atEnd);
      if (!atEnd) {
        // A consumer that never waits itself would otherwise spin through the ring in microtasks and stop the process.
        await setImmediate();
        if (!ending.aborted) await load(waiter, ending);
      } else if (tail.staleForMs() > giveUpAfterMs) {
        throw feedUnavailable();
      } else {
        await pause(waiter, dueAtMs);
      }
    }
    return undefined;
  }

  function delivered(): Position | null {
    if (headAtStart === null) return null;
    if (waiting) return crowd.lookedTo() > position ? crowd.lookedTo() : position;
    const untaken = batch[taken];
    return untaken ? untaken.position - 1n : position;
  }

  return {
    start,
    next,
    park,
    end() {
      if (waiter) crowd.leave(waiter);
      waiter = undefined;
      waiting = false;
      const take = parked;
      parked = undefined;
      take?.(null);
    },
    delivered,
    cursor() {
      const upTo = delivered();
      return upTo === null ? null : encodeCursor(logId, upTo);
    },
  };
}
