// What happens in the directory of run.ts: differences that no event tells of, and a life that goes on meanwhile.
import { setTimeout as delay } from 'node:timers/promises';
import { groupId, groupObject, groupsOf, member, type Size, userId, userObject } from './objects.ts';
import { FAKE_KEY } from './service.ts';

export const EVENTS_PER_SECOND = 20;
/** People of each kind of difference. */
const eachOf = (users: number): number => Math.min(100, Math.floor(users / 100));

interface NewEvent {
  event: string;
  data: unknown;
  viaApi?: boolean;
}

export const publish = async (fakeUrl: string, events: readonly NewEvent[]): Promise<void> => {
  const response = await fetch(`${fakeUrl}/_fake/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${FAKE_KEY}` },
    body: JSON.stringify(events),
  });
  if (!response.ok) throw new Error(`the fake WorkOS answered ${response.status}`);
};

/** Of people 0 to 6 * each, and of the last groups; what is planted is true, and no event tells of it. */
export function plant({ users, groups }: Size): { events: NewEvent[]; expected: string[] } {
  const each = eachOf(users);
  const events: NewEvent[] = [];
  const expected: string[] = [];
  const lost = (event: string, data: unknown): void => void events.push({ event, data, viaApi: false });
  const now = { updated_at: new Date().toISOString() };
  const range = (from: number): number[] => Array.from({ length: each }, (_, index) => from * each + index);
  const gone = new Set([groupId(groups - 1), groupId(groups - 2)]);
  for (const n of range(0)) {
    lost('dsync.user.deleted', userObject(n));
    expected.push(`MISSING_AT_SOURCE ${userId(n)}`);
  }
  for (const n of range(1)) {
    lost('dsync.user.updated', userObject(n, { ...now, state: 'inactive' }));
    expected.push(`STATE ${userId(n)}`);
  }
  for (const n of range(2)) {
    lost('dsync.user.updated', userObject(n, { ...now, email: `moved.${n}@bench.example` }));
    expected.push(`ATTRIBUTES ${userId(n)}`);
  }
  for (const n of range(3)) {
    lost('dsync.user.updated', userObject(n, { ...now, roles: [{ slug: 'auditor' }] }));
    expected.push(`ROLE ${userId(n)}`);
  }
  for (const n of range(4)) {
    const [first = ''] = groupsOf(n, groups);
    lost('dsync.group.user_removed', member(userObject(n), first));
    if (!gone.has(first)) expected.push(`MEMBERSHIP ${userId(n)} ${first}`);
  }
  for (const n of range(5)) {
    const other = groupId((n + groups / 2) % groups);
    if (groupsOf(n, groups).includes(other)) continue;
    lost('dsync.group.user_added', member(userObject(n), other));
    if (!gone.has(other)) expected.push(`MEMBERSHIP ${userId(n)} ${other}`);
  }
  for (const n of range(0)) {
    lost('dsync.user.created', userObject(users + n));
    expected.push(`MISSING_LOCALLY ${userId(users + n)}`);
  }
  for (const n of [groups, groups + 1]) {
    lost('dsync.group.created', groupObject(groupId(n)));
    expected.push(`MISSING_LOCALLY ${groupId(n)}`);
  }
  // Who was in a group that is gone is in it no more.
  for (const id of gone) {
    lost('dsync.group.deleted', groupObject(id));
    expected.push(`MISSING_AT_SOURCE ${id}`);
  }
  for (let n = each; n < users; n += 1)
    for (const id of groupsOf(n, groups)) if (gone.has(id)) expected.push(`MEMBERSHIP ${userId(n)} ${id}`);
  return { events, expected: expected.sort() };
}

/** Of people beyond 10 * each who are in no group that goes. */
export function startLife(fakeUrl: string, { users, groups }: Size): { stop(): Promise<number> } {
  const each = eachOf(users);
  let told = 0;
  let stopping = false;
  const busy = (n: number): number => {
    for (let i = 10 * each + ((n * 7_919) % (users - 10 * each)); ; i = i + 1 < users ? i + 1 : 10 * each)
      if (groupsOf(i, groups).every((id) => id < groupId(groups - 2))) return i;
  };
  const next = (n: number): NewEvent[] => {
    const user = userObject(busy(n), { updated_at: new Date().toISOString(), last_name: `Renamed ${n}` });
    const id = groupId((n * 31) % (groups - 2));
    switch (n % 5) {
      case 0:
        return [{ event: 'dsync.user.updated', data: user }];
      case 1:
        return [{ event: 'dsync.group.user_added', data: member(user, id) }];
      case 2:
        return [{ event: 'dsync.group.user_removed', data: member(userObject(busy(n)), groupsOf(busy(n), groups)[0] ?? '') }];
      case 3:
        return [
          { event: 'dsync.user.created', data: userObject(2 * users + n) },
          { event: 'dsync.group.user_added', data: member(userObject(2 * users + n), id) },
        ];
      default:
        return [{ event: 'dsync.user.updated', data: { ...user, state: n % 2 ? 'suspended' : 'active' } }];
    }
  };
  const living = (async () => {
    for (let n = 0; !stopping; n += 1) {
      await delay(1_000 / EVENTS_PER_SECOND);
      const events = next(n);
      await publish(fakeUrl, events);
      told += events.length;
    }
  })();
  // Told by stop(), which awaits it.
  living.catch(() => undefined);
  return {
    async stop() {
      stopping = true;
      await living;
      return told;
    },
  };
}
