// How far pages are read ahead: bounded in pages and in text, and never past one that needs a second look.
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type Ahead, readAhead, readPage } from '../../../src/ingest/read-ahead.ts';
import { eventIdOf, userEvent } from '../../support/events.ts';

const numberOf = (id: string): number => Number(id.slice(-10));

/** Page after event n: event n + 1 alone, as long as asked for. */
function pagesOf({ padding = 0, odd }: { padding?: number; odd?: (n: number) => object } = {}) {
  const asked: number[] = [];
  const ask = async (after: string) => {
    const n = numberOf(after) + 1;
    asked.push(n);
    const event = { ...userEvent(n), padding: 'x'.repeat(padding) };
    const page = { events: [event], after: event.id, mangled: false, from: after, askedAt: new Date(0), gap: false };
    return readPage({ ...page, ...odd?.(n) }, new Date(0));
  };
  return { asked, ask };
}

async function settled(ahead: Ahead): Promise<number> {
  let count = 0;
  for (let node: Ahead | undefined = ahead; node; node = node.next) {
    await node.page.catch(() => undefined);
    await turn();
    if (node.plain) count += 1;
  }
  return count;
}

test('no more pages than the bound', async () => {
  const { asked, ask } = pagesOf();
  expect(await settled(readAhead(ask, eventIdOf(0), { pages: 5, bytes: 1e9 }))).toBe(5);
  expect(asked).toEqual([1, 2, 3, 4, 5]);
});

test('no page is begun beyond the bound of text', async () => {
  const { asked, ask } = pagesOf({ padding: 1_000_000 });
  await settled(readAhead(ask, eventIdOf(0), { pages: 100, bytes: 2_500_000 }));
  expect(asked).toEqual([1, 2, 3]);
});

test.each([
  ['mangled', { mangled: true }],
  ['empty', { events: [] }],
  ['behind a gap', { gap: true }],
  ['in the wrong order', { events: [userEvent(9), userEvent(3)] }],
  ['without a place to go on from', { events: [{ id: 7 }], after: null }],
  ['the last', { after: null }],
])('nothing is read ahead of a page that is %s', async (_, odd) => {
  const { asked, ask } = pagesOf({ odd: (n) => (n === 2 ? odd : {}) });
  await settled(readAhead(ask, eventIdOf(0), { pages: 5, bytes: 1e9 }));
  expect(asked).toEqual([1, 2]);
});

test('nor of one that fails, and nobody hears of it but who takes it', async () => {
  const ahead = readAhead(() => Promise.reject(new Error('away')), eventIdOf(0), { pages: 5, bytes: 1e9 });
  await expect(ahead.page).rejects.toThrow('away');
  expect([ahead.plain, ahead.next]).toEqual([undefined, undefined]);
});
