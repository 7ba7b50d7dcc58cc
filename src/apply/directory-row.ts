// Pure: the row of a directory, however it came to be known, and its move to another organization.
import { NO_ACCESS } from '../model/entitlement.ts';
import { NO_VERSION } from '../model/version.ts';
import { organizationRow } from './fold-organization.ts';
import type { Step } from './fold-step.ts';
import type { DirectoryRow } from './working-set.ts';
import { isUntold, UNTOLD } from './working-set.ts';

/**
 * A directory known only from facts about its users and groups is VALIDATING: no access until it is known to be active. It
 * stands in the organization that the newest of these facts names; any fact about the directory itself wins over them.
 */
export function directoryRow(step: Step, subject: { directoryId: string; organizationId: string | null }): DirectoryRow {
  const { set, version } = step;
  const organizationId = subject.organizationId ?? subject.directoryId;
  let row = set.directories.get(subject.directoryId);
  if (!row) {
    row = {
      id: subject.directoryId,
      organizationId,
      name: subject.directoryId,
      type: 'unknown',
      sourceState: 'VALIDATING',
      sourceUpdatedAt: UNTOLD,
      sourceVersion: version,
      aliveVersion: NO_VERSION,
      deletedVersion: NO_VERSION,
      importedVersion: NO_VERSION,
    };
    set.directories.set(row.id, row);
    set.dirty.directories.add(row);
    set.unread.add(row.id);
    organizationRow(step, organizationId);
  } else if (isUntold(row) && placesAnew(row, subject.organizationId, version)) {
    if (row.organizationId !== organizationId) moveDirectory(step, row, organizationId);
    row.sourceVersion = version;
    set.dirty.directories.add(row);
  }
  return row;
}

/** One that names an organization before one that names none, then the newest. */
function placesAnew(row: DirectoryRow, organizationId: string | null, version: string): boolean {
  const isPlaced = row.organizationId !== row.id;
  const names = organizationId !== null;
  return names === isPlaced ? version > row.sourceVersion : names;
}

/** Access under the old organization ends before anything counts under the new one. */
export function moveDirectory(step: Step, row: DirectoryRow, organizationId: string): void {
  const { set, cause } = step;
  for (const user of set.users.values()) {
    if (user.directoryId !== row.id) continue;
    const before = set.effective.get(user.id) ?? NO_ACCESS;
    step.transitions.push({
      kind: 'access',
      userId: user.id,
      organizationId: user.organizationId,
      directoryId: row.id,
      before,
      after: NO_ACCESS,
      cause,
    });
    set.effective.set(user.id, NO_ACCESS);
    user.organizationId = organizationId;
    set.dirty.users.add(user);
    step.touched.add(user.id);
  }
  for (const own of set.memberships.values()) {
    for (const membership of own.values()) {
      if (membership.directoryId !== row.id) continue;
      const { userId, groupId, active } = membership;
      if (active)
        step.transitions.push({ kind: 'membership', userId, groupId, organizationId: membership.organizationId, active: false, cause });
      Object.assign(membership, { organizationId, active: false });
      set.dirty.memberships.add(membership);
    }
  }
  for (const group of set.groups.values()) {
    if (group.directoryId !== row.id) continue;
    group.organizationId = organizationId;
    set.dirty.groups.add(group);
  }
  row.organizationId = organizationId;
  organizationRow(step, organizationId);
}
