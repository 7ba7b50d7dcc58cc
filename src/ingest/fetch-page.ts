// Asks the Events API for the page after a cursor, and knows the ways around its refusals: an event type that the server
// does not know, a cursor that it no longer takes, a page that is too large.
import type { Logger } from '../log.ts';
import type { EventsPage, WorkosClient } from '../workos/client.ts';
import { CORE_EVENT_TYPES, EVENT_TYPES, OPTIONAL_EVENT_TYPES } from '../workos/event-types.ts';
import { WorkosError } from '../workos/workos-error.ts';
import type { SyncCursor } from './sync-cursor.ts';

export interface FetchedPage extends EventsPage {
  /** The cursor that was asked for; null when asked by time or from the oldest. */
  from: string | null;
  askedAt: Date;
  /** Events between the cursor and this page may be lost to us. */
  gap: boolean;
}

export interface PageSource {
  /** The page after exactly this event; no ways around. */
  after(eventId: string | null, signal: AbortSignal): Promise<FetchedPage>;
  /** The page after the cursor; `first` is the answer (or its failure) when it was asked for already. */
  next(cursor: SyncCursor, signal: AbortSignal, first?: Promise<FetchedPage>): Promise<FetchedPage>;
}

export interface PageSourceDeps {
  workos: Pick<WorkosClient, 'listEvents'>;
  log: Logger;
  clock: () => Date;
  retentionMs: number;
  /** 1–100. */
  pageSize: number;
}

// Before the moment of the last caught-up poll: covers the seconds for which WorkOS holds events back, and clocks that are wrong.
const OVERLAP_MS = 3_600_000;

/** Neither: from the oldest event that the server has. */
type From = { after?: string; rangeStart?: string };

export function createPageSource({ workos, log, clock, retentionMs, pageSize }: PageSourceDeps): PageSource {
  let types = EVENT_TYPES;
  let limit = pageSize;

  async function ask(from: From, signal: AbortSignal, gap = false): Promise<FetchedPage> {
    const askedAt = clock();
    for (;;) {
      try {
        const page = await workos.listEvents({ events: types, ...from, limit, signal });
        limit = Math.min(pageSize, limit * 2);
        return { ...page, from: from.after ?? null, askedAt, gap };
      } catch (error) {
        if (!(isWorkosError(error, 'too_large') && limit > 1)) throw error;
        limit = Math.floor(limit / 2);
      }
    }
  }

  /** Whether the optional types were what the server refused; from then on they are not asked for. */
  async function withoutOptionalTypes(from: From, signal: AbortSignal): Promise<FetchedPage | undefined> {
    if (types === CORE_EVENT_TYPES) return undefined;
    types = CORE_EVENT_TYPES;
    try {
      const page = await ask(from, signal);
      log.warn({ types: OPTIONAL_EVENT_TYPES }, 'the Events API does not know some of these types: they are not asked for any more');
      return page;
    } catch (error) {
      types = EVENT_TYPES;
      if (isWorkosError(error, 'refused') || isWorkosError(error, 'cursor_refused')) return undefined;
      throw error;
    }
  }

  /** Behind a refused cursor: from shortly before we were last caught up, repeats do no harm; else from the oldest there is. */
  function withoutCursor(cursor: SyncCursor, signal: AbortSignal): Promise<FetchedPage> {
    const knownUntil = (cursor.caughtUpAt ?? cursor.eventCreatedAt)?.getTime() ?? 0;
    const gap = clock().getTime() - knownUntil > retentionMs;
    log.warn({ cursor: cursor.eventId, gap }, 'the Events API does not take the cursor any more');
    return gap ? ask({}, signal, true) : ask({ rangeStart: new Date(knownUntil - OVERLAP_MS).toISOString() }, signal);
  }

  const from = (eventId: string | null): From => (eventId === null ? {} : { after: eventId });

  return {
    after: (eventId, signal) => ask(from(eventId), signal),
    async next(cursor, signal, first = ask(from(cursor.eventId), signal)) {
      try {
        return await first;
      } catch (error) {
        if (!(error instanceof WorkosError) || (error.kind !== 'refused' && error.kind !== 'cursor_refused')) throw error;
        const page = await withoutOptionalTypes(from(cursor.eventId), signal);
        if (page) return page;
        if (error.kind === 'cursor_refused') return withoutCursor(cursor, signal);
        throw new WorkosError(
          'refused',
          `The Events API refuses our request, perhaps for one of the event types it names or for ${types.join(', ')}. ${error.message}`,
        );
      }
    },
  };
}

const isWorkosError = (error: unknown, kind: WorkosError['kind']): error is WorkosError =>
  error instanceof WorkosError && error.kind === kind;
