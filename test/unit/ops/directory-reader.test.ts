import { expect, test } from 'vitest';
import { createDirectoryReader, type MemberPlace } from '../../../src/ops/directory-reader.ts';
import type { Page } from '../../../src/workos/client.ts';
import { WorkosError } from '../../../src/workos/workos-error.ts';

const { signal } = new AbortController();
const AT = new Date(0);
const page = (count: number, after: string | null = null): Page => ({
  items: Array.from({ length: count }, (_, n) => ({ id: `${n}` })),
  after,
  at: AT,
});

/** `answers` in order; the last one again and again. */
function readerOf(answers: readonly (Page | Error)[], userRequestsPerSecond = Number.POSITIVE_INFINITY) {
  const asked: { of: string; after: string | undefined; atMs: number }[] = [];
  const answer = async (of: string, after: string | undefined): Promise<Page> => {
    const next = answers[Math.min(asked.length, answers.length - 1)] as Page | Error;
    asked.push({ of, after, atMs: performance.now() });
    if (next instanceof Error) throw next;
    return next;
  };
  const reader = createDirectoryReader({
    workos: {
      listUsers: ({ after, ...of }) => answer('groupId' in of ? of.groupId : of.directoryId, after),
      listGroups: ({ after, ...of }) => answer('userId' in of ? of.userId : of.directoryId, after),
    },
    clock: () => new Date(),
    userRequestsPerSecond,
  });
  return { reader, asked };
}

const groupsAfter =
  (...ids: string[]) =>
  async (afterId: string, limit: number): Promise<string[]> =>
    ids.filter((id) => id > afterId).slice(0, limit);

test('requests for the users of one directory keep their distance, whoever asks', async () => {
  const { reader, asked } = readerOf([page(1)], 20);
  const members = reader.members('d', { groupId: null, pageAfter: null }, groupsAfter('g1', 'g2'), signal);
  await Promise.all([reader.users('d', null, signal), reader.users('d', null, signal), members]);
  expect(asked).toHaveLength(4);
  const times = asked.map(({ atMs }) => atMs);
  // Three distances of 50 ms; timers may be a little early.
  expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(140);
});

test('an empty page is looked at twice, a page with something once', async () => {
  const once = readerOf([page(1), page(0)]);
  expect((await once.reader.users('d', null, signal)).items).toHaveLength(1);
  expect(once.asked).toHaveLength(1);
  const mistaken = readerOf([page(0), page(2)]);
  expect((await mistaken.reader.groups('d', 'x', signal)).items).toHaveLength(2);
  const empty = readerOf([page(0)]);
  expect((await empty.reader.users('d', null, signal)).items).toHaveLength(0);
  expect(empty.asked).toHaveLength(2);
});

test('members come group by group: a group with more pages first, no more than make a fair transaction', async () => {
  const { reader, asked } = readerOf([page(100, 'p1'), page(100), page(100), page(100), page(100)]);
  const groups = groupsAfter('a', 'b', 'c', 'd');
  let place: MemberPlace = { groupId: null, pageAfter: null };
  const steps: string[][] = [];
  for (;;) {
    const read = await reader.members('d', place, groups, signal);
    if (read.pages.length === 0) break;
    steps.push(read.pages.map(({ groupId }) => groupId));
    place = read.place;
  }
  expect(steps).toEqual([['a'], ['a', 'b', 'c'], ['d']]);
  expect(asked.map(({ of, after }) => `${of} ${after ?? ''}`)).toEqual(['a ', 'a p1', 'b ', 'c ', 'd ']);
});

test('a group that is gone by now has no members; any other failure is one', async () => {
  const place = { groupId: null, pageAfter: null };
  const gone = readerOf([new WorkosError('not_found', 'gone'), page(1)]);
  const { pages } = await gone.reader.members('d', place, groupsAfter('a', 'b'), signal);
  expect(pages.map(({ items }) => items.length)).toEqual([0, 1]);
  await expect(readerOf([new WorkosError('unavailable', 'away')]).reader.members('d', place, groupsAfter('a'), signal)).rejects.toThrow(
    'away',
  );
  await expect(readerOf([new WorkosError('not_found', 'gone')]).reader.users('d', null, signal)).rejects.toThrow('gone');
});
