// Whose access is computed again when a group is heard of. Everybody else in the group stands for it with access that was taken out
// of the set: whoever is computed again gets it back, as a step for the log.
import { expect, test } from 'vitest';
import { fold } from '../../../src/apply/fold.ts';
import type { Observation } from '../../../src/model/fact.ts';
import { CATALOG } from '../../support/catalog-sample.ts';
import { foldAll, observe } from '../../support/directory-state.ts';
import { aDirectory, aGroup, aMembership, anEvent, aUser } from '../../support/workos-objects.ts';

const GROUP = aGroup('group_1', { name: 'engineers' });
const MEMBERS = ['user_1', 'user_2', 'user_3'];

/** Members without their access, and the users to whom the event gives it. */
function computedAgain(type: string, data: unknown): string[] {
  const joined = MEMBERS.map((id, index) => anEvent(10 + index, 'dsync.group.user_added', aMembership(aUser(id), GROUP)));
  const set = foldAll(observe([anEvent(0, 'dsync.activated', aDirectory()), anEvent(1, 'dsync.group.created', GROUP), ...joined]), CATALOG);
  expect(MEMBERS.map((id) => set.effective.get(id)?.roles)).toEqual(MEMBERS.map(() => ['builder']));
  set.effective.clear();
  const [observation] = observe([anEvent(20, type, data)]);
  const { outcome, transitions } = fold(set, observation as Observation);
  expect(outcome).toBe('applied');
  return transitions.map(({ userId }) => userId);
}

test('one more member: the others are left alone, though the event carries their group', () => {
  const joiner = aMembership(aUser('user_9'), GROUP);
  expect(new Set(computedAgain('dsync.group.user_added', joiner))).toEqual(new Set(['user_9']));
});

test('one less: the others are left alone', () => {
  expect(new Set(computedAgain('dsync.group.user_removed', aMembership(aUser('user_1'), GROUP)))).toEqual(new Set(['user_1']));
});

test('news of the group that no access depends on: all are left alone', () => {
  expect(computedAgain('dsync.group.updated', { ...GROUP, idp_id: 'another' })).toEqual([]);
});

test.each([
  ['another name', 'dsync.group.updated', { ...GROUP, name: 'admins' }],
  ['its end', 'dsync.group.deleted', GROUP],
])('%s: every member is computed again', (_, type, data) => {
  expect(new Set(computedAgain(type, data))).toEqual(new Set(MEMBERS));
});
