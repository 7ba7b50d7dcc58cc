// Pure: where a page moves the cursor. The cursor is the id of an event that we hold, such that everything before it in the
// stream is held too (I5). For a page whose ids rise, that is its last element.
//
// A page whose ids do not rise breaks the server's promise (oldest first), and then its last element proves nothing about
// what lies before it. Its events are stored, but the cursor stays and the page is asked for again. If the server keeps to
// its order, the last element *as given* becomes the cursor: `after` is a place in the server's own list, so this asks for
// exactly what follows there; the greatest id of the page could skip what the server lists after it. Either way an element
// may come twice, and none is passed over.
import { type IncomingEvent, isEventId } from './envelope.ts';

export interface NextCursor {
  /** Whether the ids never fall. */
  rising: boolean;
  /** undefined: the page names no place. */
  target: { eventId: string; createdAt: Date | null } | undefined;
}

/** `from`: the `after` that was asked for, null when the page was asked for by time or from the oldest. */
export function nextCursor(events: readonly IncomingEvent[], pageAfter: string | null, from: string | null): NextCursor {
  let rising = true;
  let previous = from ?? '';
  for (const { id } of events.filter((event) => isEventId(event.id))) {
    rising &&= id >= previous; // a repeat is harmless
    previous = id;
  }
  const last = events.at(-1);
  if (!last) return { rising, target: undefined };
  if (isEventId(last.id)) return { rising, target: { eventId: last.id, createdAt: last.occurredAt } };
  // The last element has no id to go on from: the server's own word for the place, else the last id before it.
  if (pageAfter !== null) return { rising, target: { eventId: pageAfter, createdAt: null } };
  const usable = events.findLast((event) => isEventId(event.id));
  return { rising, target: usable && { eventId: usable.id, createdAt: usable.occurredAt } };
}
