// One subscriber's way through the log: a position, one batch of changes not yet pulled, and what it was told last.
//
// Checkpoints: first of all; when it has caught up after reading from the log; when it has caught up after delivering (once
// a second at most, so that a trickle does not double the traffic); after every interval of silence; and when it is not
// certain any more to be caught up, because the log cannot be read. A subscriber left uncertain too long is sent away.
import { setImmediate } from 'node:timers/promises';
import { readHead } from '../changes/head.ts';
import { changeMatcher } from '../changes/match.ts';
import { readPage } from '../changes/read-after.ts';
import type { Db } from '../db/client.ts';
import { sleep } from '../lib/sleep.ts';
import type { ChangeFilter, RecordedChange } from '../model/change.ts';
import { encodeCursor, type Position } from '../model/cursor.ts';
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
  /** The next item, however long that takes; undefined once the signal has aborted. */
  next(signal: AbortSignal): Promise<FeedItem | undefined>;
  /** Every match at or below was pulled; null before the start. */
  delivered(): Position | null;
  /** The same, as a client knows it. */
  cursor(): string | null;
}

export interface SubscriptionOptions {
  db: Db;
  tail: Tail;
  readPersistently: ReadPersistently;
  filter: ChangeFilter;
  after: Position | null;
  tenant: string | null;
  checkpointIntervalMs: number;
  batchSize: number;
  batchBytes: number;
  giveUpAfterMs: number;
  clock: () => Date;
}

const CAUGHT_UP_CHECKPOINT_MS = 1_000;
const NO_PROGRESS_MS = 100;

export function createSubscription(options: SubscriptionOptions): Subscription {
  const { db, tail, readPersistently, filter, after, tenant, checkpointIntervalMs, batchSize, batchBytes, giveUpAfterMs, clock } = options;
  const matches = changeMatcher(filter, tenant);
  let starting: Promise<void> | undefined;
  let headAtStart: Position | null = null;
  let logId = '';
  /** The log was looked through up to here. */
  let position: Position = 0n;
  let batch: RecordedChange[] = [];
  let taken = 0;
  /** What the last checkpoint claimed, if that is still so; null before the first. */
  let claimed: boolean | null = null;
  let deliveredSince = false;
  let checkpointAt = 0;
  let itemAt = 0;

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

  /** Milliseconds until a checkpoint is due; not positive when it is. */
  function checkpointDueMs(atEnd: boolean): number {
    const now = performance.now();
    if (claimed === null || (atEnd && claimed === tail.isStale())) return 0;
    const afterSilence = itemAt + checkpointIntervalMs - now;
    return atEnd && deliveredSince ? Math.min(afterSilence, checkpointAt + CAUGHT_UP_CHECKPOINT_MS - now) : afterSilence;
  }

  function checkpoint(atEnd: boolean): FeedItem {
    claimed = atEnd && !tail.isStale();
    deliveredSince = false;
    checkpointAt = performance.now();
    itemAt = checkpointAt;
    return { kind: 'checkpoint', position, caughtUp: claimed, at: clock() };
  }

  /** As much of it as this subscriber may hold; the rest is looked up again. */
  function hold(changes: RecordedChange[], upTo: Position): void {
    batch = withinBytes(changes, batchBytes);
    position = batch.length < changes.length ? (batch.at(-1) as RecordedChange).position : upTo;
  }

  /** Takes the next changes from the ring, or from the log where the ring does not reach. */
  async function load(signal: AbortSignal): Promise<void> {
    taken = 0;
    const held = tail.after(position, batchSize);
    if (held !== 'too old' && held.length > 0) {
      hold(held.filter(matches), held.at(-1)?.position ?? position);
      return;
    }
    const page = await readPersistently(() => readPage(db, { after: position, limit: batchSize, filter, tenant }), signal);
    if (page.keptAfter > position) throw cursorExpired();
    if (page.scannedTo === position) await sleep(NO_PROGRESS_MS, signal);
    hold(page.changes, page.scannedTo);
    claimed = false;
  }

  /** Until the tail advances or changes its mind about being current, or the time is over. */
  function pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        leave();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      const leave = tail.onAdvance(done);
      signal.addEventListener('abort', done);
    });
  }

  async function next(signal: AbortSignal): Promise<FeedItem | undefined> {
    await start(signal);
    while (!signal.aborted) {
      const change = batch[taken];
      if (change) {
        taken += 1;
        deliveredSince = true;
        itemAt = performance.now();
        return { kind: 'change', change };
      }
      const atEnd = position >= known(headAtStart ?? 0n);
      const dueMs = checkpointDueMs(atEnd);
      if (dueMs <= 0) return checkpoint(atEnd);
      if (!atEnd) {
        // A consumer that never waits itself would otherwise spin through the ring in microtasks and stop the process.
        await setImmediate();
        await load(signal);
      } else if (tail.staleForMs() > giveUpAfterMs) {
        throw feedUnavailable();
      } else {
        await pause(dueMs, signal);
      }
    }
    return undefined;
  }

  function delivered(): Position | null {
    if (headAtStart === null) return null;
    const waiting = batch[taken];
    return waiting ? waiting.position - 1n : position;
  }

  return {
    start,
    next,
    delivered,
    cursor() {
      const upTo = delivered();
      return upTo === null ? null : encodeCursor(logId, upTo);
    },
  };
}
