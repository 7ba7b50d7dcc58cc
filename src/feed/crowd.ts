// Those who have everything and wait. A change wakes whom it concerns and costs the others nothing: who asked the same stands
// together and is asked once, under the users or the organization of its filter. One timer for all of them.
//
// Whoever waits has, besides what it has pulled, everything up to `lookedTo()`: that was looked through on its behalf.
// Wakes so many at a time, so that a change for ten thousand does not keep the process from everything else, and what the first
// are told is on its way while the others are woken.
import { changeMatcher } from '../changes/match.ts';
import type { ChangeFilter, RecordedChange } from '../model/change.ts';
import type { Position } from '../model/cursor.ts';
import type { Tail } from './tail.ts';

export interface Waiter {
  readonly group: Group;
  /** Nothing up to here is of interest any more. */
  position: Position;
  /** By performance.now(). */
  dueAtMs: number;
  /** Called once for each `wait`: with the first change of interest; with null when it is time, or when the tail changes its mind about being current. */
  wake(change: RecordedChange | null): void;
}

export interface Group {
  readonly key: string;
  /** What a change must be of to be of interest. */
  readonly places: readonly string[];
  readonly matches: (change: RecordedChange) => boolean;
  readonly waiting: Set<Waiter>;
  members: number;
}

export interface Crowd {
  /** Those who ask the same. */
  join(filter: ChangeFilter, tenant: string | null): Group;
  /** Once for every `join`. */
  leave(waiter: Waiter): void;
  wait(waiter: Waiter): void;
  lookedTo(): Position;
}

/** A longer list of users would cost more as an index than as a question. */
const MAX_INDEXED_USERS = 100;
const placeOfUser = (id: string): string => `user ${id}`;
const placeOfOrganization = (id: string): string => `organization ${id}`;
const EVERYWHERE = '';
const WOKEN_AT_A_TIME = 64;
const LOOK_AT_A_TIME = 500;

export function createCrowd({ tail, tickMs }: { tail: Tail; tickMs: number }): Crowd {
  const groups = new Map<string, Group>();
  const standing = new Map<string, Set<Group>>();
  const woken: { waiter: Waiter; change: RecordedChange | null }[] = [];
  let lookedTo = tail.position();
  let wasStale = tail.isStale();
  let leaveTail: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  let waking = false;

  const reach = (waiter: Waiter): void => {
    if (waiter.position < lookedTo) waiter.position = lookedTo;
  };

  function wakeSome(): void {
    waking = true;
    for (const { waiter, change } of woken.splice(0, WOKEN_AT_A_TIME)) waiter.wake(change);
    waking = woken.length > 0;
    if (waking) setImmediate(wakeSome);
  }
  function wakeAll(): void {
    if (!waking) wakeSome();
  }

  function wakeWhoWaits(isMeant: (waiter: Waiter) => boolean): void {
    for (const { waiting } of groups.values()) {
      for (const waiter of waiting) {
        if (!isMeant(waiter)) continue;
        waiting.delete(waiter);
        reach(waiter);
        woken.push({ waiter, change: null });
      }
    }
    wakeAll();
  }

  function tell(change: RecordedChange): void {
    for (const place of [placeOfUser(change.userId), placeOfOrganization(change.organizationId), EVERYWHERE]) {
      for (const { waiting, matches } of standing.get(place) ?? []) {
        if (waiting.size === 0 || !matches(change)) continue;
        for (const waiter of waiting) {
          if (waiter.position >= change.position) continue;
          waiting.delete(waiter);
          waiter.position = change.position;
          woken.push({ waiter, change });
        }
      }
    }
  }

  function onAdvance(): void {
    for (;;) {
      const changes = tail.after(lookedTo, LOOK_AT_A_TIME);
      if (changes === 'too old') {
        // What lies in between is in the log only.
        wakeWhoWaits(() => true);
        lookedTo = tail.position();
        break;
      }
      if (changes.length === 0) break;
      for (const change of changes) {
        tell(change);
        lookedTo = change.position;
      }
    }
    const stale = tail.isStale();
    if (stale !== wasStale) wakeWhoWaits(() => true);
    wasStale = stale;
    wakeAll();
  }

  function tick(): void {
    const now = performance.now();
    wakeWhoWaits(({ dueAtMs }) => dueAtMs <= now);
  }

  function open(): void {
    lookedTo = tail.position();
    wasStale = tail.isStale();
    leaveTail = tail.onAdvance(onAdvance);
    timer = setInterval(tick, tickMs);
  }
  function close(): void {
    leaveTail?.();
    clearInterval(timer);
  }

  return {
    join(filter, tenant) {
      const key = JSON.stringify([tenant, filter]);
      let group = groups.get(key);
      if (!group) {
        if (groups.size === 0) open();
        group = { key, places: placesOf(filter, tenant), matches: changeMatcher(filter, tenant), waiting: new Set(), members: 0 };
        groups.set(key, group);
        for (const place of group.places) {
          const there = standing.get(place) ?? new Set();
          there.add(group);
          standing.set(place, there);
        }
      }
      group.members += 1;
      return group;
    },
    leave(waiter) {
      const { group } = waiter;
      group.waiting.delete(waiter);
      group.members -= 1;
      if (group.members > 0) return;
      groups.delete(group.key);
      for (const place of group.places) {
        const there = standing.get(place);
        there?.delete(group);
        if (there?.size === 0) standing.delete(place);
      }
      if (groups.size === 0) close();
    },
    wait(waiter) {
      waiter.group.waiting.add(waiter);
      // Never from in here: who has just begun to wait is not ready to be woken.
      if (tail.position() > lookedTo) queueMicrotask(onAdvance);
    },
    lookedTo: () => lookedTo,
  };
}

/** A group stands at places of one kind, so a change meets it once. */
function placesOf({ userIds, organizationId }: ChangeFilter, tenant: string | null): string[] {
  if (userIds && userIds.length <= MAX_INDEXED_USERS) return [...new Set(userIds)].map(placeOfUser);
  const organization = organizationId ?? tenant;
  return [organization === null ? EVERYWHERE : placeOfOrganization(organization)];
}
