// Pure: facts over a working set. Last writer wins by register, so that any order and any repetition of the same facts ends
// in the same rows (I1): attributes by (updated_at, version); existence by the newest fact that brings into being against
// the newest tombstone; a membership by the newest version of its pair. Whatever is derived (states, which memberships
// count, effective access) is a function of the registers, never of the order.
import type { Transition } from '../entitlements/transition.ts';
import type { Cause } from '../model/change.ts';
import { NO_ACCESS } from '../model/entitlement.ts';
import type { Fact, Observation, SourceDirectory, SourceGroup, SourceOrganization, SourceUser, Subject } from '../model/fact.ts';
import { justAfter, NO_VERSION, newest } from '../model/version.ts';
import { settleUser } from './settle-user.ts';
import type { DirectoryRow, MembershipRow, OrganizationRow, Tombstone, UserRow, WorkingSet } from './working-set.ts';
import { directoryStateOf, isDeleted, isUntold, putMembership, UNTOLD } from './working-set.ts';

export interface FoldResult {
  /** 'stale': everything that it says was known already, or is older than what is known. */
  outcome: 'applied' | 'stale';
  transitions: Transition[];
}

interface Step {
  set: WorkingSet;
  version: string;
  cause: Cause;
  /** Users whose access may have altered. */
  touched: Set<string>;
  transitions: Transition[];
}

const EPOCH = new Date(0);

export function fold(set: WorkingSet, observation: Observation): FoldResult {
  const step: Step = { set, version: observation.version, cause: observation.cause, touched: new Set(), transitions: [] };
  let applied = false;
  for (const fact of observation.facts) applied = foldFact(step, fact) || applied;
  for (const userId of [...step.touched].sort()) step.transitions.push(...settleUser(set, userId, observation.cause));
  return { outcome: applied ? 'applied' : 'stale', transitions: step.transitions };
}

function foldFact(step: Step, fact: Fact): boolean {
  switch (fact.kind) {
    case 'organizationSeen':
      return foldOrganization(step, fact.organization, fact.alive ? 'alive' : 'seen');
    case 'organizationDeleted':
      return foldOrganization(step, fact.organization, 'deleted');
    case 'directorySeen':
      return foldDirectory(step, fact.directory, fact.alive ? 'alive' : 'seen');
    case 'directoryDeleted':
      return foldDirectory(step, fact.directory, 'deleted');
    case 'userSeen':
      // Memberships that a read shows of somebody without access do not count until they are read again.
      return foldUser(step, fact.user, fact.alive ? 'alive' : 'seen', fact.read ? justAfter(step.version) : step.version);
    case 'userDeleted':
      return foldUser(step, fact.user, 'deleted');
    case 'groupSeen':
      return foldGroup(step, fact.group, fact.alive ? 'alive' : 'seen');
    case 'groupDeleted':
      return foldGroup(step, fact.group, 'deleted');
    case 'memberAdded':
      return foldMembership(step, fact.userId, fact.group, true);
    case 'memberRemoved':
      return foldMembership(step, fact.userId, fact.group, false);
    case 'directoryRead':
      return foldDirectoryRead(step, fact.directoryId);
    case 'userGroupsRead':
      return foldUserGroupsRead(step, fact.userId, fact.directoryId);
    case 'userGone':
      return foldUserGone(step, fact.userId);
    case 'groupGone':
      return foldGroupGone(step, fact.groupId);
    case 'roleSeen':
    case 'roleDeleted':
    case 'permissionSeen':
    case 'permissionDeleted':
      throw new Error(`${fact.kind} belongs to the catalog, not to the directory`);
    default:
      return fact satisfies never;
  }
}

type Existence = 'alive' | 'seen' | 'deleted';

/** Moves the registers of existence; true when one of them moved. */
function foldExistence(row: Tombstone, existence: Existence, version: string): boolean {
  const { aliveVersion, deletedVersion } = row;
  if (existence === 'alive') row.aliveVersion = newest(aliveVersion, version);
  if (existence === 'deleted') row.deletedVersion = newest(deletedVersion, version);
  return row.aliveVersion !== aliveVersion || row.deletedVersion !== deletedVersion;
}

const wins = (updatedAt: Date, version: string, overAt: Date, overVersion: string): boolean =>
  updatedAt.getTime() > overAt.getTime() || (updatedAt.getTime() === overAt.getTime() && version > overVersion);

/** A full read that is newer than this fact has seen all that it could say of this directory. */
const isCovered = (step: Step, directoryId: string): boolean =>
  step.version < (step.set.directories.get(directoryId)?.importedVersion ?? NO_VERSION);

function touchUsers(step: Step, belongs: (user: UserRow) => boolean): void {
  for (const user of step.set.users.values()) if (belongs(user)) step.touched.add(user.id);
}

// ------------------------------------------------------------------ organizations

function organizationRow(step: Step, id: string): OrganizationRow {
  let row = step.set.organizations.get(id);
  if (!row) {
    row = { id, name: null, sourceUpdatedAt: EPOCH, sourceVersion: NO_VERSION, aliveVersion: NO_VERSION, deletedVersion: NO_VERSION };
    step.set.organizations.set(id, row);
    step.set.dirty.organizations.add(row);
  }
  return row;
}

function foldOrganization(step: Step, source: SourceOrganization, existence: Existence): boolean {
  const row = organizationRow(step, source.id);
  const wasDeleted = isDeleted(row);
  let applied = foldExistence(row, existence, step.version);
  if (wins(source.updatedAt, step.version, row.sourceUpdatedAt, row.sourceVersion)) {
    Object.assign(row, { name: source.name, sourceUpdatedAt: source.updatedAt, sourceVersion: step.version });
    applied = true;
  }
  if (applied) step.set.dirty.organizations.add(row);
  if (isDeleted(row) !== wasDeleted) touchUsers(step, (user) => user.organizationId === row.id);
  return applied;
}

// ------------------------------------------------------------------ directories

/**
 * A directory known only from facts about its users and groups is VALIDATING: no access until it is known to be active. It
 * stands in the organization that the newest of these facts names; any fact about the directory itself wins over them.
 */
function directoryRow(step: Step, subject: { directoryId: string; organizationId: string | null }): DirectoryRow {
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

function foldDirectory(step: Step, source: SourceDirectory, existence: Existence): boolean {
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

/** Access under the old organization ends before anything counts under the new one. */
function moveDirectory(step: Step, row: DirectoryRow, organizationId: string): void {
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

/** The read showed everything that exists: what was known before and not seen in it is gone as of its version. */
function foldDirectoryRead(step: Step, directoryId: string): boolean {
  const { set, version } = step;
  const row = set.directories.get(directoryId);
  if (!row) return false;
  const unseen = (entity: { seenVersion: string } & Tombstone): boolean =>
    !isDeleted(entity) && newest(entity.seenVersion, entity.aliveVersion) < version;
  for (const user of set.users.values()) if (user.directoryId === directoryId && unseen(user)) buryUser(step, user, version);
  for (const group of set.groups.values()) {
    if (group.directoryId !== directoryId || !unseen(group)) continue;
    foldExistence(group, 'deleted', version);
    set.dirty.groups.add(group);
    for (const userId of set.membersOf.get(group.id) ?? []) step.touched.add(userId);
  }
  for (const own of set.memberships.values()) endUnseen(step, own.values(), directoryId);
  row.importedVersion = newest(row.importedVersion, version);
  set.dirty.directories.add(row);
  return true;
}

/** Memberships that a full read as of this version would have shown, and did not. */
function endUnseen(step: Step, memberships: Iterable<MembershipRow>, directoryId: string): boolean {
  const { set, version, cause } = step;
  let applied = false;
  for (const membership of memberships) {
    if (membership.directoryId !== directoryId || !membership.present || membership.version >= version) continue;
    Object.assign(membership, { present: false, version, since: cause.occurredAt, causeEventId: cause.eventId });
    set.dirty.memberships.add(membership);
    step.touched.add(membership.userId);
    applied = true;
  }
  return applied;
}

function foldUserGroupsRead(step: Step, userId: string, directoryId: string): boolean {
  const applied = endUnseen(step, step.set.memberships.get(userId)?.values() ?? [], directoryId);
  const user = step.set.users.get(userId);
  if (!user || user.barrierVersion >= step.version) return applied;
  // An older addition that is still to come must not count either.
  user.barrierVersion = step.version;
  step.set.dirty.users.add(user);
  step.touched.add(userId);
  return true;
}

// ------------------------------------------------------------------ users

function foldUserGone(step: Step, userId: string): boolean {
  const user = step.set.users.get(userId);
  if (!user || user.deletedVersion >= step.version) return false;
  buryUser(step, user, step.version);
  return true;
}

/** Only a fact that brings into being revives; one that merely shows the user after the deletion is a reason to ask. */
function doubtDeletion(set: WorkingSet, user: UserRow): void {
  if (isDeleted(user) && user.seenVersion > user.deletedVersion) set.refreshes.set(user.id, 'SEEN_AFTER_DELETION');
}

function buryUser(step: Step, user: UserRow, version: string): void {
  user.deletedVersion = newest(user.deletedVersion, version);
  user.barrierVersion = newest(user.barrierVersion, version);
  doubtDeletion(step.set, user);
  step.set.dirty.users.add(user);
  step.touched.add(user.id);
}

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

function foldUser(step: Step, source: SourceUser, existence: Existence, barrierVersion = step.version): boolean {
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

// ------------------------------------------------------------------ groups and memberships

function foldGroup(step: Step, source: SourceGroup, existence: Existence): boolean {
  if (isCovered(step, source.directoryId)) return false;
  const { set, version } = step;
  const directory = directoryRow(step, source);
  let row = set.groups.get(source.id);
  let applied = false;
  if (!row) {
    const registers = {
      sourceVersion: NO_VERSION,
      aliveVersion: NO_VERSION,
      seenVersion: NO_VERSION,
      deletedVersion: directory.deletedVersion,
    };
    row = { ...source, organizationId: directory.organizationId, updatedAt: EPOCH, ...registers };
    set.groups.set(row.id, row);
    applied = true;
  }
  applied = foldExistence(row, existence, version) || applied;
  if (wins(source.updatedAt, version, row.updatedAt, row.sourceVersion)) {
    const { idpId, name, createdAt, updatedAt } = source;
    Object.assign(row, { idpId, name, createdAt, updatedAt, sourceVersion: version });
    applied = true;
  }
  if (existence !== 'deleted') row.seenVersion = newest(row.seenVersion, version);
  set.dirty.groups.add(row);
  if (applied) for (const userId of set.membersOf.get(row.id) ?? []) step.touched.add(userId);
  return applied;
}

function foldGroupGone(step: Step, groupId: string): boolean {
  const { set, version } = step;
  const group = set.groups.get(groupId);
  if (!group || group.deletedVersion >= version) return false;
  foldExistence(group, 'deleted', version);
  set.dirty.groups.add(group);
  for (const userId of set.membersOf.get(groupId) ?? []) step.touched.add(userId);
  return true;
}

/** A removal of something unknown leaves its mark, so that an older addition that comes later does not count. */
function foldMembership(step: Step, userId: string, group: Subject, present: boolean): boolean {
  if (isCovered(step, group.directoryId)) return false;
  const { set, version, cause } = step;
  const directory = directoryRow(step, group);
  let row = set.memberships.get(userId)?.get(group.id);
  if (row && row.version >= version) return false;
  if (!row) {
    row = {
      userId,
      groupId: group.id,
      directoryId: directory.id,
      organizationId: directory.organizationId,
      present,
      version,
      active: false,
      since: cause.occurredAt,
      causeEventId: cause.eventId,
    };
    putMembership(set, row);
  }
  Object.assign(row, { present, version, since: cause.occurredAt, causeEventId: cause.eventId });
  set.dirty.memberships.add(row);
  step.touched.add(userId);
  return true;
}
