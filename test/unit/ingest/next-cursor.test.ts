import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readElement } from '../../../src/ingest/envelope.ts';
import { nextCursor } from '../../../src/ingest/next-cursor.ts';

const idOf = (n: number) => `event_01HZZZZZZZ${String(n).padStart(16, '0')}`;
const at = new Date('2026-03-01T00:00:00Z');
const page = (...ids: (number | 'bad')[]) =>
  ids.map((n) =>
    readElement(
      { id: n === 'bad' ? 17 : idOf(n), event: 'role.created', created_at: at.toJSON(), data: {} },
      { receivedAt: at, mangled: false },
    ),
  );
const place = (n: number) => ({ eventId: idOf(n), createdAt: at });

describe('where a page moves the cursor', () => {
  it('to its last element when the ids rise', () => {
    expect(nextCursor(page(2, 3, 5), idOf(5), idOf(1))).toEqual({ rising: true, target: place(5) });
  });
  it('a repeated element is no disorder', () => {
    expect(nextCursor(page(1, 2, 2, 3), null, idOf(1))).toEqual({ rising: true, target: place(3) });
  });
  it('a page in another order is not trusted; its last element is the place in the list of the server', () => {
    expect(nextCursor(page(3, 1, 2), null, null)).toEqual({ rising: false, target: place(2) });
  });
  it('a page that begins before the cursor is not trusted', () => {
    expect(nextCursor(page(1, 2), null, idOf(4)).rising).toBe(false);
  });
  it('an element without an id at the end: the word of the server, else the last id', () => {
    expect(nextCursor(page(2, 'bad'), 'event_after', idOf(1)).target).toEqual({ eventId: 'event_after', createdAt: null });
    expect(nextCursor(page(2, 'bad'), null, idOf(1)).target).toEqual(place(2));
    expect(nextCursor(page('bad'), null, idOf(1)).target).toBeUndefined();
  });
  it('nowhere for an empty page', () => {
    expect(nextCursor([], null, idOf(1))).toEqual({ rising: true, target: undefined });
  });
  it('a shuffled page is noticed', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 999 }), { minLength: 1, maxLength: 30 }), (ids) => {
        const sorted = ids.every((n, i) => i === 0 || n > (ids[i - 1] as number));
        expect(nextCursor(page(...ids), null, null).rising).toBe(sorted);
      }),
    );
  });
});
