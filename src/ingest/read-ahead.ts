// Pages that were asked for before the ones in front of them are stored: so that fetching and storing overlap, and so that a
// backlog is stored many pages at a time. Never more pages, nor more text, than the bounds say.
import { type IncomingEvent, readElement } from './envelope.ts';
import type { FetchedPage } from './fetch-page.ts';
import { nextCursor } from './next-cursor.ts';

/** A page, its events taken out of it. */
export interface ReadPage extends FetchedPage {
  events: IncomingEvent[];
  /** See next-cursor.ts. */
  rising: boolean;
  target: { eventId: string; createdAt: Date | null } | undefined;
  /** The page ends the stream. */
  caughtUp: boolean;
  bytes: number;
}

/** One page that is under way or there, and what comes after it. */
export interface Ahead {
  after: string;
  page: Promise<ReadPage>;
  /** There, and nothing about it needs a second look: rising ids, a place to go on from, or the end of the stream. */
  plain: ReadPage | undefined;
  next: Ahead | undefined;
}

export interface ReadAheadBounds {
  pages: number;
  bytes: number;
}

export function readPage(page: FetchedPage, receivedAt: Date): ReadPage {
  const events = page.events.map((element) => readElement(element, { receivedAt, mangled: page.mangled }));
  return {
    ...page,
    events,
    ...nextCursor(events, page.after, page.from),
    // In a mangled page the word for the next one may have been lost.
    caughtUp: events.length === 0 || (page.after === null && !page.mangled),
    bytes: events.reduce((sum, { raw }) => sum + raw.length, 0),
  };
}

const isPlain = ({ events, rising, mangled, gap, target }: ReadPage, after: string): boolean =>
  events.length > 0 && rising && !mangled && !gap && target !== undefined && target.eventId !== after;

/** Asks for the page after this event, and when it is there for the one after that, within the bounds. */
export function readAhead(ask: (after: string) => Promise<ReadPage>, after: string, { pages, bytes }: ReadAheadBounds): Ahead {
  const take = async (): Promise<ReadPage> => {
    const page = await ask(after);
    if (!isPlain(page, after)) return page;
    ahead.plain = page;
    const left = { pages: pages - 1, bytes: bytes - page.bytes };
    if (!page.caughtUp && page.target && left.pages > 0 && left.bytes > 0) ahead.next = readAhead(ask, page.target.eventId, left);
    return page;
  };
  const ahead: Ahead = { after, page: Promise.resolve().then(take), plain: undefined, next: undefined };
  ahead.page.catch(() => undefined); // whoever takes the page sees the failure
  return ahead;
}
