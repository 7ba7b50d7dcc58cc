// I1 over the pure fold: the state is a function of the set of facts, not of their order or repetition.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { causeOfEvent } from '../../../src/apply/parse-event.ts';
import { parseRead, type StateReadPage } from '../../../src/apply/parse-read.ts';
import type { Observation, Subject } from '../../../src/model/fact.ts';
import { versionOfRead } from '../../../src/model/version.ts';
import { arrivals } from '../../support/arrivals.ts';
import { CATALOG } from '../../support/catalog-sample.ts';
import { foldAll, observe, stateOfSet, visible } from '../../support/directory-state.ts';
import { anyHistory, type History, plausibleHistory, type World } from '../../support/history-generator.ts';
import { seeded } from '../../support/seed.ts';
import type { Json, SourceEvent } from '../../support/workos-objects.ts';

const LENGTH = 60;

test('any order and any repetition of a history ends in the state of the sorted one', () => {
  fc.assert(
    fc.property(anyHistory(LENGTH), arrivals(LENGTH), ({ events }, arrive) => {
      const expected = stateOfSet(foldAll(observe(events), CATALOG));
      expect(stateOfSet(foldAll(observe(arrive(events)), CATALOG))).toEqual(expected);
    }),
    seeded(400),
  );
});

const pageOf = (
  history: History,
  n: number,
  page: Partial<StateReadPage> & Pick<StateReadPage, 'kind' | 'directoryId' | 'items'>,
): Observation => {
  const last = history.events[n - 1] as SourceEvent;
  const parsed = parseRead({ group: null, userId: null, ...page });
  if (parsed.kind === 'refused') throw new Error(parsed.reason);
  return { version: versionOfRead(last.id), facts: parsed.facts, cause: { ...causeOfEvent(last), kind: 'RECONCILIATION' } };
};

/** The state API's answer about one directory after the first `n` events, as of the last of them. */
function readDirectory(history: History, n: number, directoryId: string): Observation[] {
  const world = history.worlds[n] as World;
  const directory = world.directories.find((one) => one.id === directoryId);
  if (n === 0 || !directory?.json) return [];
  const users = [...world.users.values()].filter((user) => user.directory_id === directoryId);
  const groups = [...world.groups.values()].filter((group) => group.directory_id === directoryId);
  const page = (kind: StateReadPage['kind'], items: Json[], group: Subject | null = null): Observation =>
    pageOf(history, n, { directoryId, kind, group, items });
  return [
    page('DIRECTORY', [directory.json]),
    page('USERS', users),
    page('GROUPS', groups),
    ...groups.map(({ id }) =>
      page(
        'MEMBERS',
        users.filter((user) => world.memberships.has(`${user.id} ${id}`)),
        { id: String(id), directoryId, organizationId: directory.organizationId },
      ),
    ),
    page('COMPLETE', []),
  ];
}

/** The state API's answer about one account after the first `n` events, as of the last of them. */
function readAccount(history: History, n: number, pick: number): Observation[] {
  const known = [...new Map(history.worlds.flatMap(({ users }) => [...users])).values()];
  const user = known[pick % Math.max(1, known.length)];
  const world = history.worlds[n] as World;
  if (n === 0 || !user) return [];
  const [userId, directoryId] = [String(user.id), String(user.directory_id)];
  const now = world.users.get(userId);
  if (!now) return [pageOf(history, n, { directoryId, kind: 'USER_GONE', userId, items: [] })];
  const groups = [...world.groups.values()].filter((group) => world.memberships.has(`${userId} ${group.id}`));
  const pages = [
    pageOf(history, n, { directoryId, kind: 'USERS', items: [now] }),
    pageOf(history, n, { directoryId, kind: 'USER_GROUPS', userId, items: groups }),
  ];
  return [{ ...(pages[0] as Observation), facts: pages.flatMap(({ facts }) => facts) }];
}

test('a full read of the state API may come before, between or after the events that it knows of', () => {
  fc.assert(
    fc.property(
      plausibleHistory(LENGTH),
      fc.nat(LENGTH),
      fc.nat(2),
      arrivals(LENGTH),
      fc.array(fc.nat(1_000), { minLength: 12, maxLength: 12 }),
      (history, readAfter, directory, arrive, places) => {
        const readAt = readAfter % (history.events.length + 1);
        const read = readDirectory(history, readAt, `directory_${directory}`);
        const sorted = observe(history.events);
        const before = sorted.filter((one) => one.version <= (history.events[readAt - 1]?.id ?? ''));
        const expected = stateOfSet(foldAll([...before, ...read, ...sorted.slice(before.length)], CATALOG));
        // The pages come in their order, each anywhere among the events.
        const mixed = observe(arrive(history.events));
        const spots = read.map((_, index) => (places[index] ?? 0) % (mixed.length + 1)).sort((a, b) => a - b);
        for (const [index, page] of read.entries()) mixed.splice((spots[index] ?? 0) + index, 0, page);
        expect(visible(stateOfSet(foldAll(mixed, CATALOG)))).toEqual(visible(expected));
      },
    ),
    seeded(400),
  );
});

test('a read of one account is newer than every event that it knows of, in whichever order they come', () => {
  fc.assert(
    fc.property(
      plausibleHistory(LENGTH),
      fc.nat(LENGTH),
      fc.nat(20),
      arrivals(LENGTH),
      fc.nat(1_000),
      (history, readAfter, pick, arrive, place) => {
        const readAt = readAfter % (history.events.length + 1);
        const read = readAccount(history, readAt, pick);
        const sorted = observe(history.events);
        const before = sorted.filter((one) => one.version <= (history.events[readAt - 1]?.id ?? ''));
        const expected = stateOfSet(foldAll([...before, ...read, ...sorted.slice(before.length)], CATALOG));
        const mixed = observe(arrive(history.events));
        // An account that is gone leaves its mark on what is known of it only: such a read comes after an event that shows the account.
        const known = mixed.findIndex(({ facts }) =>
          facts.some(
            (fact) => fact.kind === 'userSeen' && read[0]?.facts.some((one) => one.kind === 'userGone' && one.userId === fact.user.id),
          ),
        );
        const gone = read[0]?.facts.some((one) => one.kind === 'userGone');
        mixed.splice(gone ? known + 1 + (place % (mixed.length - known)) : place % (mixed.length + 1), 0, ...read);
        expect(visible(stateOfSet(foldAll(mixed, CATALOG)))).toEqual(visible(expected));
      },
    ),
    seeded(400),
  );
});
