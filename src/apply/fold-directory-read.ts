// Pure: the end of a full read of a directory.
import { newest } from '../model/version.ts';
import { buryGroup } from './fold-group.ts';
import { endUnseen } from './fold-membership.ts';
import type { Step } from './fold-step.ts';
import { buryUser } from './fold-user.ts';
import type { Tombstone } from './working-set.ts';
import { isDeleted } from './working-set.ts';

/** The read showed everything that exists: what was known before and not seen in it is gone as of its version. */
export function foldDirectoryRead(step: Step, directoryId: string): boolean {
  const { set, version } = step;
  const row = set.directories.get(directoryId);
  if (!row) return false;
  const unseen = (entity: { seenVersion: string } & Tombstone): boolean =>
    !isDeleted(entity) && newest(entity.seenVersion, entity.aliveVersion) < version;
  for (const user of set.users.values()) if (user.directoryId === directoryId && unseen(user)) buryUser(step, user, version);
  for (const group of set.groups.values()) {
    if (group.directoryId === directoryId && unseen(group)) buryGroup(step, group);
  }
  for (const own of set.memberships.values()) endUnseen(step, own.values(), directoryId);
  row.importedVersion = newest(row.importedVersion, version);
  set.dirty.directories.add(row);
  return true;
}
