// The one place per process that knows the newest changes. Three hints feed it: entries of the stream, the relay of the
// same process, and a timer. A hint is believed only as far as it continues what is held, position by position; on any
// hole, and on every tick, the log itself is read. So the stream may repeat, lose, lag or end: that costs latency only.
//
// Bounds (I7): a change is held at the latest one poll after its commit. The poll is quicker while there is no stream to
// wake it. `staleForMs` says how long ago the tail last knew that it held everything; readers must not claim more.
import { readHead } from '../changes/head.ts';
import { MAX_LIMIT, readPage } from '../changes/read-after.ts';
import type { Db } from '../db/client.ts';
import { messageOf } from '../errors.ts';
import { runLoop } from '../lib/loop.ts';
import { createNudge } from '../lib/nudge.ts';
import { sleep } from '../lib/sleep.ts';
import { within } from '../lib/within.ts';
import type { Logger } from '../log.ts';
import type { RecordedChange } from '../model/change.ts';
import type { Position } from '../model/cursor.ts';
import { type Counts, NO_COUNTS } from '../model/telemetry.ts';
import type { ChangeStream } from '../redis/change-stream.ts';
import { createRing, type Ring } from './ring.ts';

export interface Tail {
  /** Of the newest change held. */
  position(): Position;
  /** Up to `limit` changes after a position; 'too old' when they must be read from the log. */
  after(position: Position, limit: number): RecordedChange[] | 'too old';
  /** Age of the change after a position, the oldest one held where that is gone; null when there is none. */
  lagSeconds(position: Position): number | null;
  /** Milliseconds since it was last certain that nothing newer is in the log. */
  staleForMs(): number;
  /** Whether that is too long ago to call a reader caught up. */
  isStale(): boolean;
  /** Called when the position moves and when staleness begins or ends. Returns how to leave. */
  onAdvance(listener: () => void): () => void;
  /** true once the position is reached, false when the signal aborts before. */
  reached(position: Position, signal: AbortSignal): Promise<boolean>;
  /** Changes that were committed, in order, from wherever: the relay's `onPublished`. */
  offer(changes: readonly RecordedChange[]): void;
  run(signal: AbortSignal): Promise<void>;
}

export interface TailOptions {
  db: Db;
  /** null: no Redis. */
  stream: Pick<ChangeStream, 'read'> | null;
  log: Logger;
  maxCount?: number;
  maxBytes?: number;
  /** With the stream connected, and without. */
  pollIntervalMs?: { streaming: number; alone: number };
  staleAfterMs?: number;
  /** Replaces the ring that `maxCount` and `maxBytes` describe. */
  ring?: (start: Position) => Ring;
  counts?: Pick<Counts, 'gapBackfilled'>;
}

const READ_TIMEOUT_MS = 5_000;
const STALENESS_CHECK_MS = 500;
const STREAM_DISTRUST_MS = 1_000;

/** Starts at the head of the log. */
export async function createTail({
  db,
  stream,
  log,
  maxCount = 10_000,
  maxBytes = 32 * 1024 * 1024,
  pollIntervalMs = { streaming: 750, alone: 250 },
  staleAfterMs = 5_000,
  ring: makeRing = (start) => createRing(start, { maxCount, maxBytes }),
  counts = NO_COUNTS,
}: TailOptions): Promise<Tail> {
  const listeners = new Set<() => void>();
  const nudge = createNudge();
  let certainAt = performance.now();
  let streaming = false;
  let wasStale = false;
  let notifiedAt = 0n;
  const ring = makeRing((await readHead(db)).position);

  const staleForMs = () => performance.now() - certainAt;
  const isStale = () => staleForMs() > staleAfterMs;

  function notify(): void {
    const stale = isStale();
    if (ring.end() === notifiedAt && stale === wasStale) return;
    notifiedAt = ring.end();
    wasStale = stale;
    for (const listener of [...listeners]) listener();
  }

  /** Takes what continues the ring; false when something is missing in between. */
  function take(changes: readonly RecordedChange[]): boolean {
    for (const change of changes) {
      if (change.position > ring.end() && !ring.push(change)) return false;
    }
    return true;
  }

  async function readToEnd(): Promise<void> {
    for (;;) {
      const askedAt = performance.now();
      const page = await readPage(db, { after: ring.end(), limit: MAX_LIMIT });
      // Too far behind for the ring: its readers take the part in between from the log.
      if (page.end - ring.end() > BigInt(maxCount)) ring.restart(page.end);
      // Rows missing in the log itself were pruned; the ring must not bridge them.
      for (const change of page.changes) {
        if (change.position <= ring.end() || ring.push(change)) continue;
        ring.restart(change.position - 1n);
        ring.push(change);
      }
      if (ring.end() < page.scannedTo) ring.restart(page.scannedTo);
      const done = ring.end() >= page.end;
      if (done) certainAt = Math.max(certainAt, askedAt);
      notify();
      if (done) return;
    }
  }

  // One reading at a time, each bounded: a query that never returns must not stop the ones after it.
  let reading: Promise<void> = Promise.resolve();
  function catchUp(): Promise<void> {
    const turn = reading.then(() => within(READ_TIMEOUT_MS, 'change log', readToEnd()));
    reading = turn.catch(() => {});
    return turn;
  }

  function offer(changes: readonly RecordedChange[]): void {
    const complete = take(changes);
    notify();
    if (complete) return;
    counts.gapBackfilled();
    nudge.nudge();
  }

  async function poll(signal: AbortSignal): Promise<void> {
    let failing = false;
    const step = async () => {
      await catchUp();
      if (failing) log.info('the feed reads the change log again');
      failing = false;
      return streaming ? pollIntervalMs.streaming : pollIntervalMs.alone;
    };
    const onError = (error: unknown) => {
      if (!failing) log.warn({ err: messageOf(error) }, 'the feed cannot read the change log; trying again');
      failing = true;
    };
    await runLoop(step, { signal, nudge, idleMs: pollIntervalMs.alone, onError, failureMinMs: 100, failureMaxMs: 1_000 });
  }

  async function follow(from: Pick<ChangeStream, 'read'>, signal: AbortSignal): Promise<void> {
    let distrusted = false;
    // Ends only to begin anew with the next connection, when the stream holds what the log does not.
    while (!signal.aborted) {
      for await (const news of from.read(ring.end, signal)) {
        if (news.kind === 'lost') {
          if (streaming) log.warn({ err: messageOf(news.error) }, 'the stream was lost; the feed polls');
          streaming = false;
          nudge.nudge();
          continue;
        }
        if (news.kind === 'entries') {
          const complete = take(news.changes);
          notify();
          if (complete && ring.end() >= news.lastId) {
            streaming = true;
            continue;
          }
          if (!complete) counts.gapBackfilled();
        }
        // Whatever happened to the stream before this connection, and whatever lies in a hole, is in the log.
        const caughtUp = await catchUp().then(
          () => true,
          () => false,
        );
        if (!caughtUp) {
          nudge.nudge();
          continue;
        }
        streaming = ring.end() >= news.lastId;
        if (!streaming) {
          const facts = { lastId: String(news.lastId), position: String(ring.end()) };
          if (!distrusted) log.warn(facts, 'the stream is ahead of the change log; the feed polls until it was thrown away');
          distrusted = true;
          await sleep(STREAM_DISTRUST_MS, signal);
          break;
        }
        distrusted = false;
      }
    }
    streaming = false;
  }

  async function watchStaleness(signal: AbortSignal): Promise<void> {
    for (; !signal.aborted; await sleep(STALENESS_CHECK_MS, signal)) notify();
  }

  return {
    position: ring.end,
    after: ring.after,
    lagSeconds(position) {
      if (position >= ring.end()) return null;
      const waiting = ring.next(position) ?? ring.next(ring.begin());
      return waiting ? Math.max(0, (Date.now() - waiting.recordedAt.getTime()) / 1_000) : null;
    },
    staleForMs,
    isStale,
    onAdvance(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    reached(position, signal) {
      return new Promise((resolve) => {
        const check = () => {
          if (ring.end() < position && !signal.aborted) return;
          leave();
          signal.removeEventListener('abort', check);
          resolve(ring.end() >= position);
        };
        listeners.add(check);
        const leave = () => listeners.delete(check);
        signal.addEventListener('abort', check);
        check();
      });
    },
    offer,
    async run(signal) {
      await Promise.all([poll(signal), watchStaleness(signal), ...(stream ? [follow(stream, signal)] : [])]);
    },
  };
}
