// I1 over the pure fold: the state is a function of the set of facts, not of their order or repetition.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { arrivals } from '../../support/arrivals.ts';
import { CATALOG } from '../../support/catalog-sample.ts';
import { foldAll, observe, stateOfSet, visible } from '../../support/directory-state.ts';
import { anyHistory, plausibleHistory } from '../../support/history-generator.ts';
import { seeded } from '../../support/seed.ts';
import { readAccount, readDirectory } from '../../support/state-reads.ts';

const LENGTH = 60;

test('any order and any repetition of a history ends in the state of the sorted one', () => {
  fc.assert(
    fc.property(anyHistory(LENGTH), arrivals(LENGTH), ({ events }, arrive) => {
      const expected = stateOfSet(foldAll(observe(events), CATALOG));
      expect(stateOfSet(foldAll(observe(arrive(events)), CATALOG))).toEqual(expected);
    }),
    seeded(250),
  );
});

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
    seeded(250),
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
    seeded(250),
  );
});
