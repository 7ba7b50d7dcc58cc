// What the state API would answer in the midst of a history, applied and kept as an import and a refresh do.
import { applyObservations } from '../../src/apply/apply-facts.ts';
import type { StateReadPage } from '../../src/apply/parse-read.ts';
import type { Db } from '../../src/db/client.ts';
import { versionOfRead } from '../../src/model/version.ts';
import { causeOfRead, keepStateRead, observationOf } from '../../src/ops/state-read.ts';
import type { History, World } from './history-generator.ts';

export interface KeptRead {
  version: string;
  pages: StateReadPage[];
}

const versionAfter = ({ events }: History, n: number): string => versionOfRead(events[n - 1]?.id ?? '');

/** The whole of a directory after the first `n` events. */
export function directoryRead(history: History, n: number, directoryId: string): KeptRead {
  const world = history.worlds[n] as World;
  const directory = world.directories.find((one) => one.id === directoryId);
  const base = { directoryId, group: null, userId: null };
  const version = versionAfter(history, n);
  if (n === 0 || !directory?.json) return { version, pages: [] };
  const users = [...world.users.values()].filter((user) => user.directory_id === directoryId);
  const groups = [...world.groups.values()].filter((group) => group.directory_id === directoryId);
  const members = groups.map(
    ({ id }): StateReadPage => ({
      ...base,
      kind: 'MEMBERS',
      group: { id: String(id), directoryId, organizationId: directory.organizationId },
      items: users.filter((user) => world.memberships.has(`${user.id} ${id}`)),
    }),
  );
  return {
    version,
    pages: [
      { ...base, kind: 'DIRECTORY', items: [directory.json] },
      { ...base, kind: 'USERS', items: users },
      { ...base, kind: 'GROUPS', items: groups },
      ...members,
      { ...base, kind: 'COMPLETE', items: [] },
    ],
  };
}

/** One account after the first `n` events. */
export function accountRead(history: History, n: number, pick: number): KeptRead {
  const known = [...new Map(history.worlds.flatMap(({ users }) => [...users])).values()];
  const user = known[pick % Math.max(1, known.length)];
  const version = versionAfter(history, n);
  if (n === 0 || !user) return { version, pages: [] };
  const world = history.worlds[n] as World;
  const [userId, directoryId] = [String(user.id), String(user.directory_id)];
  const base = { directoryId, group: null, userId: null };
  const now = world.users.get(userId);
  if (!now) return { version, pages: [{ ...base, kind: 'USER_GONE', userId, items: [] }] };
  const groups = [...world.groups.values()].filter((group) => world.memberships.has(`${userId} ${group.id}`));
  return {
    version,
    pages: [
      { ...base, kind: 'USERS', items: [now] },
      { ...base, kind: 'USER_GROUPS', userId, items: groups },
    ],
  };
}

/** All pages in one transaction each, as they come. */
export async function takeRead(db: Db, { version, pages }: KeptRead): Promise<void> {
  for (const page of pages) {
    const directory = await db.directory.findUnique({ where: { id: page.directoryId } });
    const observation = observationOf(page, version, causeOfRead('test', new Date('2026-03-01T00:00:00Z')));
    await applyObservations(db, directory?.organizationId ?? page.directoryId, [observation], (tx) => keepStateRead(tx, page, version));
  }
}
