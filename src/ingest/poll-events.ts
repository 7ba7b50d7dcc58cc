// Ingest by the Events API: the one stream that is complete and in order, so the only one that moves the cursor. A page and
// the move past it are one transaction, and the move is a compare-and-set: of two pollers one wins, the other changes
// nothing and looks again (I5). While pages are being stored the next ones are already asked for (read-ahead.ts), and those that
// are there by then are stored together: the cursor moves once, past all of them, or not at all.
import type { Db } from '../db/client.ts';
import { inTransaction } from '../db/transaction.ts';
import { failpoint } from '../lib/failpoint.ts';
import { sleep } from '../lib/sleep.ts';
import type { Logger } from '../log.ts';
import { NO_TRACING, type Tracing } from '../model/telemetry.ts';
import type { WorkosClient } from '../workos/client.ts';
import { WorkosError } from '../workos/workos-error.ts';
import type { IncomingEvent } from './envelope.ts';
import { createPageSource, type FetchedPage } from './fetch-page.ts';
import { type Ahead, type ReadPage, readAhead, readPage } from './read-ahead.ts';
import { type StoreResult, storeEvents } from './store-events.ts';
import { type CursorMove, moveSyncCursor, readSyncCursor } from './sync-cursor.ts';
import { traceStored } from './trace-stored.ts';

export interface PollResult extends Pick<StoreResult, 'stored' | 'duplicate'> {
  /** The end of the stream was reached: wait before the next step. */
  caughtUp: boolean;
  /** We were away for longer than WorkOS keeps events: some may never have been seen, only a full read of the directories brings us back in step. */
  gap: boolean;
}

export interface Poller {
  /** One page, or several that are there already. Rejects with a WorkosError or an error of the database; the next step waits out a `Retry-After` by itself. */
  step(signal: AbortSignal): Promise<PollResult>;
}

export interface PollerDeps {
  db: Db;
  workos: Pick<WorkosClient, 'listEvents'>;
  log: Logger;
  clock: () => Date;
  eventsRetentionDays: number;
  tracing?: Pick<Tracing, 'on' | 'stage'>;
  /** 1–100. */
  pageSize?: number;
  /** Pages in one transaction at the most, and as many again read ahead. */
  pagesTogether?: number;
}

const DAY_MS = 86_400_000;
/** So often is a page asked for that contradicts itself or the one before, until it is taken as it comes. */
const MAX_UNTRUSTED_TRIES = 3;
/** Of pages that are stored together, and as much again is read ahead; a single page may be larger. */
const TOGETHER_BYTES = 4 * 1024 * 1024;

export function createPoller({
  db,
  workos,
  log,
  clock,
  eventsRetentionDays,
  tracing = NO_TRACING,
  pageSize = 100,
  pagesTogether = 10,
}: PollerDeps): Poller {
  const bounds = { pages: pagesTogether, bytes: TOGETHER_BYTES };
  const retentionMs = eventsRetentionDays * DAY_MS;
  const pages = createPageSource({ workos, log, clock, retentionMs, pageSize });
  let ahead: Ahead | undefined;
  /** The cursor after which the server said that there is more. */
  let promised: string | null = null;
  let untrustedTries = 0;
  let notBefore = 0;

  const prefetch = (after: string, signal: AbortSignal): Ahead =>
    readAhead(async (from) => readPage(await pages.after(from, signal), clock()), after, bounds);

  /** undefined: another poller has moved the cursor. */
  async function store(events: IncomingEvent[], move: CursorMove): Promise<StoreResult | undefined> {
    const startMs = Date.now();
    // First the cursor: a poller that was overtaken waits here, and then writes nothing.
    const result = await inTransaction(db, async (tx) => {
      if (!(await moveSyncCursor(tx, move))) return undefined;
      const stored = await storeEvents(tx, events, 'EVENTS_API');
      await failpoint('inserted');
      return stored;
    });
    if (result) traceStored(tracing, result, { channel: 'EVENTS_API', startMs });
    await failpoint('polled');
    return result;
  }

  /** Stored, with the cursor where it is. */
  async function keep(events: IncomingEvent[]): Promise<StoreResult> {
    const startMs = Date.now();
    const result = await inTransaction(db, (tx) => storeEvents(tx, events, 'EVENTS_API'));
    traceStored(tracing, result, { channel: 'EVENTS_API', startMs });
    return result;
  }

  /** One that was read ahead was taken apart then. */
  const asRead = (page: FetchedPage | ReadPage): ReadPage => ('rising' in page ? page : readPage(page, clock()));

  const warnOfRefusals = (events: readonly IncomingEvent[]): void => {
    for (const { id, refusal } of events) if (refusal) log.warn({ eventId: id, reason: refusal }, 'an event is quarantined');
  };

  async function poll(signal: AbortSignal): Promise<PollResult> {
    const cursor = await readSyncCursor(db);
    const first = ahead?.after === cursor.eventId ? ahead : undefined;
    ahead = undefined;
    const page = asRead(await pages.next(cursor, signal, first?.page));
    await failpoint('fetched');
    const away = cursor.caughtUpAt !== null && clock().getTime() - cursor.caughtUpAt.getTime() > retentionMs;
    const gap = page.gap || away;
    const { events, rising } = page;
    warnOfRefusals(events);

    // Nothing, where the page before promised more: not the end of the stream either.
    const trusted = rising && !(events.length === 0 && promised === page.from && promised !== null);
    untrustedTries = trusted ? 0 : untrustedTries + 1;
    if (!trusted && untrustedTries < MAX_UNTRUSTED_TRIES) {
      log.warn(
        { cursor: cursor.eventId, events: events.length },
        'a page of the Events API is not in order, or missing: kept, and asked for again',
      );
      const { stored, duplicate } = await keep(events);
      return { stored, duplicate, caughtUp: false, gap };
    }
    untrustedTries = 0;

    const to = page.target?.eventId ?? cursor.eventId;
    if (!page.caughtUp && to === cursor.eventId) {
      await keep(events);
      throw new WorkosError('bad_response', 'The Events API does not get past our cursor: it sends the same page again.');
    }

    // What is there already goes with it.
    let last = page;
    let next = page.caughtUp || to === null ? undefined : (first?.next ?? prefetch(to, signal));
    const batch = [...events];
    for (let [count, bytes] = [1, page.bytes]; next?.plain && count < bounds.pages && bytes < bounds.bytes; count += 1) {
      last = next.plain;
      bytes += last.bytes;
      warnOfRefusals(last.events);
      batch.push(...last.events);
      next = last.caughtUp || !last.target ? undefined : (next.next ?? prefetch(last.target.eventId, signal));
    }
    ahead = next;
    const { caughtUp } = last;
    const target = last.target?.eventId ?? cursor.eventId;
    promised = caughtUp || last.after === null ? null : target;
    const result = await store(batch, {
      from: cursor.eventId,
      to: target,
      eventCreatedAt: last.target?.createdAt ?? null,
      caughtUpAt: caughtUp ? last.askedAt : null,
    });
    return result
      ? { stored: result.stored, duplicate: result.duplicate, caughtUp, gap }
      : { stored: 0, duplicate: 0, caughtUp: false, gap };
  }

  return {
    async step(signal) {
      const waitMs = notBefore - performance.now();
      if (waitMs > 0) await sleep(waitMs, signal);
      signal.throwIfAborted();
      try {
        return await poll(signal);
      } catch (error) {
        if (error instanceof WorkosError && error.retryAfterMs !== undefined) notBefore = performance.now() + error.retryAfterMs;
        throw error;
      }
    },
  };
}
