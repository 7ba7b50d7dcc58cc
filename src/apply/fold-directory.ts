// Pure: facts about a directory itself. Its end is the end of everything in it.
import type { SourceDirectory } from '../model/fact.ts';
import { directoryRow, moveDirectory } from './directory-row.ts';
import { type Existence, foldExistence, isCovered, type Step, touchUsers, wins } from './fold-step.ts';
import { buryUser } from './fold-user.ts';
import { directoryStateOf, isDeleted } from './working-set.ts';

export function foldDirectory(step: Step, source: SourceDirectory, existence: Existence): boolean {
  if (isCovered(step, source.id)) return false;
  const { set, version } = step;
  const row = directoryRow(step, { directoryId: source.id, organizationId: source.organizationId });
  const before = directoryStateOf(row);
  let applied = foldExistence(row, existence, version);
  if (wins(source.updatedAt, version, row.sourceUpdatedAt, row.sourceVersion)) {
    const organizationId = source.organizationId ?? source.id;
    if (organizationId !== row.organizationId) moveDirectory(step, row, organizationId);
    Object.assign(row, {
      name: source.name,
      type: source.type,
      sourceState: source.state,
      sourceUpdatedAt: source.updatedAt,
      sourceVersion: version,
    });
    applied = true;
  }
  if (!applied) return false;
  set.dirty.directories.add(row);
  if (existence === 'alive' && row.aliveVersion === version && !isDeleted(row)) set.unread.add(row.id);
  // It is the only event for the whole directory: every user and group carries the tombstone too.
  if (existence === 'deleted') {
    for (const user of set.users.values()) if (user.directoryId === row.id) buryUser(step, user, version);
    for (const group of set.groups.values()) {
      if (group.directoryId === row.id && foldExistence(group, 'deleted', version)) set.dirty.groups.add(group);
    }
  }
  if (directoryStateOf(row) !== before) touchUsers(step, (user) => user.directoryId === row.id);
  return true;
}
