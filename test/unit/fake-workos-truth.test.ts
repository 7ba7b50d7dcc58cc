import { describe, expect, it } from 'vitest';
import { loadHistory, type NewEvent } from '../../src/fake-workos/history.ts';
import { createLedger } from '../../src/fake-workos/ledger.ts';
import type { Truth } from '../../src/fake-workos/truth.ts';

const SMALL = new URL('../fixtures/small-history.jsonl', import.meta.url).pathname;
const T = '2024-01-01T00:00:00.000Z';
const LATER = '2024-01-02T00:00:00.000Z';

const user = (id: string, more: object = {}) => ({
  id,
  directory_id: 'directory_1',
  organization_id: 'org_1',
  state: 'active',
  created_at: T,
  updated_at: T,
  ...more,
});
const group = (id: string, more: object = {}) => ({
  id,
  directory_id: 'directory_1',
  organization_id: 'org_1',
  name: id,
  created_at: T,
  updated_at: T,
  ...more,
});

let serial = 0;
const nextId = () => `event_${String(serial++).padStart(26, '0')}`;
const event = (type: string, data: unknown, id = nextId()) => ({ id, event: type, data, created_at: T });

function foldOf(...events: (NewEvent & { id: string; created_at: string })[]): Truth {
  const ledger = createLedger();
  for (const one of events) ledger.add(one, 0, true);
  return ledger.truth();
}

const summary = (truth: Truth) => ({
  users: Object.fromEntries([...truth.users.values()].map(({ id, state }) => [id, [state, ...truth.groupsOf(id)]])),
  groups: Object.fromEntries([...truth.groups.values()].map(({ id, name }) => [id, [name, ...truth.membersOf(id)]])),
});

describe('the truth of the fake WorkOS', () => {
  it('is the fold of a small history', async () => {
    const ledger = createLedger();
    for (const one of await loadHistory(SMALL)) ledger.add(one, 0, true);
    const truth = ledger.truth();
    expect(summary(truth)).toEqual({
      users: {
        directory_user_ann: ['active', 'directory_group_engineering'],
        directory_user_bob: ['active', 'directory_group_finance'],
        directory_user_cem: ['inactive'],
        directory_user_eve: ['active', 'directory_group_engineering'],
      },
      groups: {
        directory_group_engineering: ['engineering', 'directory_user_ann', 'directory_user_eve'],
        directory_group_finance: ['money', 'directory_user_bob'],
      },
    });
    expect([...truth.organizations.values()].map(({ name }) => name)).toEqual(['Small']);
    expect([...truth.directories.values()].map(({ name }) => name)).toEqual(['Small directory']);
    expect(truth.users.get('directory_user_cem')).not.toHaveProperty('previous_attributes');
  });

  it('is the same whatever the order of arrival and however often an event is repeated', async () => {
    const events = await loadHistory(SMALL);
    const straight = createLedger();
    const shuffled = createLedger();
    for (const one of events) straight.add(one, 0, true);
    for (const one of [...events.toReversed(), ...events]) shuffled.add(one, 0, true);
    expect(summary(shuffled.truth())).toEqual(summary(straight.truth()));
    expect(shuffled.stream.events()).toEqual(straight.stream.events());
  });

  it('keeps the attributes with the newest updated_at', () => {
    const truth = foldOf(
      event('dsync.user.created', user('u', { email: 'new@x', updated_at: LATER })),
      event('dsync.user.updated', user('u', { email: 'old@x' })),
    );
    expect(truth.users.get('u')?.email).toBe('new@x');
  });

  it('brings a deleted user back only by user.created, and without the old memberships', () => {
    const before = [
      event('dsync.user.created', user('u')),
      event('dsync.group.created', group('g')),
      event('dsync.group.user_added', { user: user('u'), group: group('g') }),
      event('dsync.user.deleted', user('u')),
      event('dsync.user.updated', user('u', { updated_at: LATER })),
      event('dsync.group.user_removed', { user: user('u'), group: group('g') }),
    ];
    expect(summary(foldOf(...before)).users).toEqual({});
    expect(summary(foldOf(...before, event('dsync.user.created', user('u', { updated_at: LATER })))).users).toEqual({ u: ['active'] });
  });

  it('takes everything of a deleted directory away', () => {
    const truth = foldOf(
      event('dsync.group.user_added', { user: user('u'), group: group('g') }),
      event('dsync.deleted', { id: 'directory_1', name: 'd', type: 't', state: 'deleting', created_at: T, updated_at: T }),
    );
    expect([truth.directories.size, truth.users.size, truth.groups.size, truth.groupsOf('u')]).toEqual([0, 0, 0, []]);
  });

  it('is not changed by events that it cannot read', () => {
    const truth = foldOf(
      event('dsync.user.created', null),
      event('dsync.user.created', { id: 7 }),
      event('dsync.user.created', user('u', { state: 'asleep' })),
      event('dsync.group.user_added', { user: user('u') }),
      event('toString', {}),
    );
    expect(truth.users.size).toBe(0);
  });

  it('is not changed when old events are forgotten', async () => {
    const events = await loadHistory(SMALL);
    const ledger = createLedger();
    for (const one of events.slice(0, 20)) ledger.add(one, 0, true);
    const { base, events: kept } = ledger.keepNewest(5);
    const restarted = createLedger(base);
    for (const one of kept) restarted.add(one, 0, true);
    for (const one of events.slice(20)) for (const each of [ledger, restarted]) each.add(one, 0, true);
    const whole = createLedger();
    for (const one of events) whole.add(one, 0, true);
    expect(ledger.stream.size).toBe(events.length - 15);
    expect(summary(ledger.truth())).toEqual(summary(whole.truth()));
    expect(summary(restarted.truth())).toEqual(summary(whole.truth()));
  });
});
