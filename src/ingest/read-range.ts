// Reads a range of the Events API once more, besides the poller and without its cursor: in windows that the API accepts
// (at most 30 days a request), page by page, oldest first. With the poller's care: a server that does not know the optional
// types, a page that is too large, `Retry-After`, a page that contradicts itself or the one before.
import { sleep } from '../lib/sleep.ts';
import type { Logger } from '../log.ts';
import type { EventsPage, WorkosClient } from '../workos/client.ts';
import { CORE_EVENT_TYPES } from '../workos/event-types.ts';
import { WorkosError } from '../workos/workos-error.ts';
import { type IncomingEvent, isEventId, readElement } from './envelope.ts';

export interface EventRange {
  /** Inclusive. */
  from: Date;
  to: Date;
  organizationId: string | null;
  /** Of the types that we know (src/workos/event-types.ts); none: nothing is read. */
  types: readonly string[];
}

export interface RangeDeps {
  workos: Pick<WorkosClient, 'listEvents'>;
  log: Logger;
  clock: () => Date;
  /** 1–100. */
  pageSize?: number;
}

export interface RangePage {
  events: IncomingEvent[];
  /** Where to go on: give it as `resume`. null: that was the last page. */
  next: string | null;
}

const DAY_MS = 86_400_000;
const WINDOW_MS = 30 * DAY_MS;
const MAX_WAITS = 5;
const MAX_UNTRUSTED_TRIES = 3;

interface Window {
  from: Date;
  to: Date;
}

/** Pure: the range in pieces of at most 30 days, one ending where the next begins. */
export function windowsOf(from: Date, to: Date): Window[] {
  const windows: Window[] = [];
  for (let start = from.getTime(); start < to.getTime(); start += WINDOW_MS)
    windows.push({ from: new Date(start), to: new Date(Math.min(start + WINDOW_MS, to.getTime())) });
  return windows;
}

/** A place: the window's beginning, and the event after which it goes on there. */
const placeOf = (window: Window, after: string | null): string => `${window.from.toISOString()} ${after ?? ''}`;

/** `resume`: `next` of the page before, of the same range. Rejects with a WorkosError. */
export async function* readRange(
  deps: RangeDeps,
  range: EventRange,
  resume: string | null,
  signal: AbortSignal,
): AsyncGenerator<RangePage, void, void> {
  if (range.types.length === 0) return;
  const ask = createAsking(deps, range, signal);
  const [since, place] = resume?.split(' ') ?? [];
  const windows = windowsOf(range.from, range.to).filter(({ from }) => since === undefined || from.toISOString() >= since);
  for (const [index, window] of windows.entries()) {
    const following = windows[index + 1];
    let after = index === 0 && place ? place : null;
    for (let more = true; more; ) {
      const page = await ask(window, after);
      const last = page.events.findLast((event) => isEventId(event.id))?.id ?? page.after;
      more = page.after !== null && last !== null;
      if (more && last === after) throw new WorkosError('bad_response', 'The Events API does not get on: it sends the same page again.');
      after = last;
      const next = more ? placeOf(window, after) : following ? placeOf(following, null) : null;
      yield { events: page.events, next };
    }
  }
}

function createAsking(
  { workos, log, clock, pageSize = 100 }: RangeDeps,
  { organizationId, types: asked }: EventRange,
  signal: AbortSignal,
) {
  let types = asked;
  let limit = pageSize;

  async function once(window: Window, after: string | null): Promise<EventsPage> {
    for (let waits = 0; ; ) {
      try {
        const page = await workos.listEvents({
          events: types,
          ...(after === null ? { rangeStart: window.from.toISOString() } : { after }),
          rangeEnd: window.to.toISOString(),
          ...(organizationId !== null && { organizationId }),
          limit,
          signal,
        });
        limit = Math.min(pageSize, limit * 2);
        return page;
      } catch (error) {
        if (!(error instanceof WorkosError)) throw error;
        const core = types.filter((type) => CORE_EVENT_TYPES.includes(type));
        if (error.kind === 'too_large' && limit > 1) limit = Math.floor(limit / 2);
        else if (error.retryAfterMs !== undefined && waits < MAX_WAITS) {
          waits += 1;
          await sleep(error.retryAfterMs, signal);
          signal.throwIfAborted();
        } else if (error.kind === 'refused' && core.length < types.length && core.length > 0) types = core;
        else throw error;
      }
    }
  }

  /** An empty page that promises more, or one whose ids fall, is asked for again before it is taken as it comes. */
  return async (window: Window, after: string | null): Promise<{ events: IncomingEvent[]; after: string | null }> => {
    for (let tries = 1; ; tries += 1) {
      const page = await once(window, after);
      const receivedAt = clock();
      const events = page.events.map((element) => readElement(element, { receivedAt, mangled: page.mangled }));
      const ids = events.map((event) => event.id).filter(isEventId);
      const rising = ids.every((id, index) => id >= (ids[index - 1] ?? after ?? ''));
      if ((rising && (events.length > 0 || page.after === null)) || tries >= MAX_UNTRUSTED_TRIES) return { events, after: page.after };
      log.warn({ events: events.length }, 'a page of the Events API is not in order, or missing: asked for again');
    }
  };
}
