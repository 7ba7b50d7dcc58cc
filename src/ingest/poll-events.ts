// Ingest by the Events API: the one stream that is complete and in order, so the only one that moves the cursor. A page and
// the move past it are one transaction, and the move is a compare-and-set: of two pollers one wins, the other changes
// nothing and looks again (I5). While a page is being stored the next one is already asked for, never more than one.
import type { Db } from '../db/client.ts';
import { inTransaction } from '../db/transaction.ts';
import { failpoint } from '../lib/failpoint.ts';
import { sleep } from '../lib/sleep.ts';
import type { Logger } from '../log.ts';
import { NO_TRACING, type Tracing } from '../model/telemetry.ts';
import type { WorkosClient } from '../workos/client.ts';
import { WorkosError } from '../workos/workos-error.ts';
import { type IncomingEvent, readElement } from './envelope.ts';
import { createPageSource, type FetchedPage } from './fetch-page.ts';
import { nextCursor } from './next-cursor.ts';
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
  /** One page. Rejects with a WorkosError or an error of the database; the next step waits out a `Retry-After` by itself. */
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
}

const DAY_MS = 86_400_000;
/** So often is a page asked for that contradicts itself or the one before, until it is taken as it comes. */
const MAX_UNTRUSTED_TRIES = 3;

export function createPoller({ db, workos, log, clock, eventsRetentionDays, tracing = NO_TRACING, pageSize = 100 }: PollerDeps): Poller {
  const retentionMs = eventsRetentionDays * DAY_MS;
  const pages = createPageSource({ workos, log, clock, retentionMs, pageSize });
  let ahead: { after: string; page: Promise<FetchedPage> } | undefined;
  /** The cursor after which the server said that there is more. */
  let promised: string | null = null;
  let untrustedTries = 0;
  let notBefore = 0;

  function prefetch(after: string, signal: AbortSignal): void {
    const page = pages.after(after, signal);
    page.catch(() => undefined); // whoever takes the page sees the failure
    ahead = { after, page };
  }

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

  async function poll(signal: AbortSignal): Promise<PollResult> {
    const cursor = await readSyncCursor(db);
    const first = ahead?.after === cursor.eventId ? ahead?.page : undefined;
    ahead = undefined;
    const page = await pages.next(cursor, signal, first);
    await failpoint('fetched');
    const away = cursor.caughtUpAt !== null && clock().getTime() - cursor.caughtUpAt.getTime() > retentionMs;
    const gap = page.gap || away;

    const receivedAt = clock();
    const events = page.events.map((element) => readElement(element, { receivedAt, mangled: page.mangled }));
    for (const { id, refusal } of events) if (refusal) log.warn({ eventId: id, reason: refusal }, 'an event is quarantined');
    const { rising, target } = nextCursor(events, page.after, page.from);

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

    // In a mangled page the word for the next one may have been lost.
    const caughtUp = events.length === 0 || (page.after === null && !page.mangled);
    const to = target?.eventId ?? cursor.eventId;
    if (!caughtUp && to === cursor.eventId) {
      await keep(events);
      throw new WorkosError('bad_response', 'The Events API does not get past our cursor: it sends the same page again.');
    }
    promised = caughtUp || page.after === null ? null : to;
    if (!caughtUp && to !== null) prefetch(to, signal);
    const result = await store(events, {
      from: cursor.eventId,
      to,
      eventCreatedAt: target?.createdAt ?? null,
      caughtUpAt: caughtUp ? page.askedAt : null,
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
