// What the state API would answer in the midst of a history, as observations.
import { causeOfEvent } from '../../src/apply/parse-event.ts';
import { parseRead, type StateReadPage } from '../../src/apply/parse-read.ts';
import type { Observation, Subject } from '../../src/model/fact.ts';
import { versionOfRead } from '../../src/model/version.ts';
import type { History, World } from './history-generator.ts';
import type { Json, SourceEvent } from './workos-objects.ts';

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
export function readDirectory(history: History, n: number, directoryId: string): Observation[] {
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
export function readAccount(history: History, n: number, pick: number): Observation[] {
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
