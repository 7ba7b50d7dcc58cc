// Pure: facts about users.
import type { SourceUser } from '../model/fact.ts';
import { NO_VERSION, newest } from '../model/version.ts';
import { directoryRow } from './directory-row.ts';
import { EPOCH, type Existence, foldExistence, isCovered, type Step, wins } from './fold-step.ts';
import type { DirectoryRow, UserRow, WorkingSet } from './working-set.ts';
import { isDeleted } from './working-set.ts';

function newUser(directory: DirectoryRow, source: SourceUser): UserRow {
  return {
    ...source,
    organizationId: directory.organizationId,
    sourceState: source.state,
    updatedAt: EPOCH,
    sourceVersion: NO_VERSION,
    aliveVersion: NO_VERSION,
    seenVersion: NO_VERSION,
    // What the directory's tombstone has taken, it has taken from latecomers too.
    deletedVersion: directory.deletedVersion,
    barrierVersion: directory.deletedVersion,
    driftSuspected: false,
  };
}

/** `barrierVersion`: memberships older than it no longer count where the user turns out to have no access. */
export function foldUser(step: Step, source: SourceUser, existence: Existence, barrierVersion = step.version): boolean {
  if (isCovered(step, source.directoryId)) return false;
  const { set, version } = step;
  const directory = directoryRow(step, source);
  let row = set.users.get(source.id);
  let applied = false;
  if (!row) {
    row = newUser(directory, source);
    set.users.set(row.id, row);
    applied = true;
  }
  const barrier = row.barrierVersion;
  applied = foldExistence(row, existence, version) || applied;
  if (wins(source.updatedAt, version, row.updatedAt, row.sourceVersion)) {
    const { idpId, email, firstName, lastName, displayName, state, customAttributes, directoryRoles, createdAt, updatedAt } = source;
    Object.assign(row, {
      idpId,
      email,
      firstName,
      lastName,
      displayName,
      sourceState: state,
      customAttributes,
      directoryRoles,
      createdAt,
      updatedAt,
      sourceVersion: version,
    });
    applied = true;
  }
  if (existence === 'deleted' || source.state !== 'ACTIVE') row.barrierVersion = newest(barrier, barrierVersion);
  applied = applied || row.barrierVersion !== barrier;
  if (existence !== 'deleted') row.seenVersion = newest(row.seenVersion, version);
  doubtDeletion(set, row);
  set.dirty.users.add(row);
  if (applied) step.touched.add(row.id);
  return applied;
}

/** Only a fact that brings into being revives; one that merely shows the user after the deletion is a reason to ask. */
function doubtDeletion(set: WorkingSet, user: UserRow): void {
  if (isDeleted(user) && user.seenVersion > user.deletedVersion) set.refreshes.set(user.id, 'SEEN_AFTER_DELETION');
}

export function buryUser(step: Step, user: UserRow, version: string): void {
  user.deletedVersion = newest(user.deletedVersion, version);
  user.barrierVersion = newest(user.barrierVersion, version);
  doubtDeletion(step.set, user);
  step.set.dirty.users.add(user);
  step.touched.add(user.id);
}

export function foldUserGone(step: Step, userId: string): boolean {
  const user = step.set.users.get(userId);
  if (!user || user.deletedVersion >= step.version) return false;
  buryUser(step, user, step.version);
  return true;
}
