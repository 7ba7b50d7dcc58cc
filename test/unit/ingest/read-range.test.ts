// Reading a range of the Events API: in windows, page by page, with patience and with suspicion.
import { expect, test } from 'vitest';
import { type EventRange, readRange, windowsOf } from '../../../src/ingest/read-range.ts';
import { createLogger } from '../../../src/log.ts';
import type { EventsPage, ListEventsOptions } from '../../../src/workos/client.ts';
import { CORE_EVENT_TYPES, EVENT_TYPES } from '../../../src/workos/event-types.ts';
import { WorkosError } from '../../../src/workos/workos-error.ts';
import { anEvent, aUser } from '../../support/workos-objects.ts';

const day = (n: number): Date => new Date(Date.UTC(2026, 0, 1 + n));
const events = [1, 2, 3, 4, 5].map((n) => anEvent(n, 'dsync.user.created', aUser(`user_${n}`)));
const idsOf = (...numbers: number[]): string[] => numbers.map((n) => events[n - 1]?.id ?? '');
const page = (numbers: readonly number[], more = false): EventsPage => ({
  events: numbers.map((n) => JSON.parse(events[n - 1]?.raw ?? '') as unknown),
  after: more ? (idsOf(numbers.at(-1) ?? 0)[0] ?? null) : null,
  mangled: false,
});

type Answer = EventsPage | WorkosError;

/** Answers in turn, and keeps what was asked. */
function scripted(answers: Answer[]) {
  const asked: ListEventsOptions[] = [];
  return {
    asked,
    workos: {
      async listEvents(options: ListEventsOptions) {
        asked.push(options);
        const answer = answers.shift() ?? page([]);
        if (answer instanceof WorkosError) throw answer;
        return answer;
      },
    },
  };
}

async function read(answers: Answer[], over: Partial<EventRange> = {}, resume: string | null = null) {
  const { asked, workos } = scripted(answers);
  const range: EventRange = { from: day(0), to: day(10), organizationId: null, types: EVENT_TYPES, ...over };
  const pages: { ids: string[]; next: string | null }[] = [];
  const deps = { workos, log: createLogger('silent'), clock: () => day(100) };
  for await (const { events: found, next } of readRange(deps, range, resume, new AbortController().signal))
    pages.push({ ids: found.map(({ id }) => id), next });
  return { asked, pages };
}

test('a range is read in pieces of at most 30 days that leave nothing out', () => {
  expect(windowsOf(day(0), day(70))).toEqual([
    { from: day(0), to: day(30) },
    { from: day(30), to: day(60) },
    { from: day(60), to: day(70) },
  ]);
  expect(windowsOf(day(3), day(3))).toEqual([]);
  expect(windowsOf(day(4), day(3))).toEqual([]);
});

test('pages follow one another by event id within a window, then the next window begins; it goes on where it stopped', async () => {
  const range = { to: day(40), organizationId: 'org_1' };
  const { asked, pages } = await read([page([1, 2], true), page([3]), page([4, 5])], range);
  expect(pages.map(({ ids }) => ids)).toEqual([idsOf(1, 2), idsOf(3), idsOf(4, 5)]);
  expect(asked.map(({ after, rangeStart, rangeEnd, organizationId }) => [after, rangeStart, rangeEnd, organizationId])).toEqual([
    [undefined, day(0).toISOString(), day(30).toISOString(), 'org_1'],
    [...idsOf(2), undefined, day(30).toISOString(), 'org_1'],
    [undefined, day(30).toISOString(), day(40).toISOString(), 'org_1'],
  ]);
  expect(pages.at(-1)?.next).toBeNull();

  const later = await read([page([3]), page([4, 5])], range, pages[0]?.next);
  expect(later.pages.map(({ ids }) => ids)).toEqual([idsOf(3), idsOf(4, 5)]);
  expect(later.asked[0]?.after).toBe(idsOf(2)[0]);
  const last = await read([page([4, 5])], range, pages[1]?.next);
  expect(last.asked.map(({ rangeStart }) => rangeStart)).toEqual([day(30).toISOString()]);
});

test('no types: nothing is asked', async () => {
  expect((await read([], { types: [] })).asked).toEqual([]);
});

test('what WorkOS asks to wait for is waited for, and too large a page is asked for in halves', async () => {
  const { asked, pages } = await read([
    new WorkosError('rate_limited', 'slow down', 1),
    new WorkosError('too_large', 'too large'),
    page([1]),
  ]);
  expect(pages.map(({ ids }) => ids)).toEqual([idsOf(1)]);
  expect(asked.map(({ limit }) => limit)).toEqual([100, 100, 50]);
});

test('a server that does not know the optional types is asked for the others', async () => {
  const { asked, pages } = await read([new WorkosError('refused', 'unknown type'), page([1])]);
  expect(pages).toHaveLength(1);
  expect(asked.map(({ events: types }) => types)).toEqual([EVENT_TYPES, CORE_EVENT_TYPES]);
  await expect(read([new WorkosError('refused', 'no'), new WorkosError('refused', 'no')])).rejects.toMatchObject({ kind: 'refused' });
});

test('a page that contradicts itself, or is empty and promises more, is asked for again', async () => {
  const empty: EventsPage = { events: [], after: idsOf(1)[0] ?? null, mangled: false };
  const { asked, pages } = await read([page([2, 1]), empty, page([1, 2])]);
  expect(pages.map(({ ids }) => ids)).toEqual([idsOf(1, 2)]);
  expect(asked).toHaveLength(3);
  // It stays with it: taken as it comes, in its own order.
  expect((await read([page([2, 1]), page([2, 1]), page([2, 1])])).pages.map(({ ids }) => ids)).toEqual([idsOf(2, 1)]);
});

test('a server that does not get on is not followed for ever', async () => {
  const stuck = page([1], true);
  await expect(read([stuck, stuck, stuck, stuck, stuck, stuck])).rejects.toMatchObject({ kind: 'bad_response' });
});

test('an outage and a wrong key end it', async () => {
  for (const kind of ['unavailable', 'unauthorized'] as const)
    await expect(read([page([1], true), new WorkosError(kind, 'x')])).rejects.toMatchObject({ kind });
});
