// Pure: stored rows against the shadow of their log. Alters the stored working set where it says something else, and marks it
// dirty; what access follows is stated once they are written (entitlements/restate.ts). Two steps, because a wrong row of the
// frame (organization, directory, group) concerns people who were not asked about: they must be derived too before anything of
// theirs is settled.
//
// What the log does not hold at all is left as it is: the absence of a log proves nothing.
import { settleUser } from '../apply/settle-user.ts';
import {
  type DirectoryRow,
  directoryStateOf,
  type GroupRow,
  isDeleted,
  isUntold,
  type MembershipRow,
  type OrganizationRow,
  putMembership,
  type WorkingSet,
} from '../apply/working-set.ts';
import { sameEffective } from '../entitlements/diff.ts';
import type { Cause } from '../model/change.ts';
import { NO_VERSION } from '../model/version.ts';
import { sameDirectory, sameGroup, sameMembership, sameOrganization, sameUser } from './replay-compare.ts';

/** Keys whose shadow is complete. */
export interface RepairScope {
  users: ReadonlySet<string>;
  groups: ReadonlySet<string>;
  directories: ReadonlySet<string>;
  organizations: ReadonlySet<string>;
}

/** Rows whose derived columns, or whose place, contradict their own registers. */
export interface Contradictions {
  users: ReadonlySet<string>;
  groups: ReadonlySet<string>;
  directories: ReadonlySet<string>;
  organizations: ReadonlySet<string>;
}

/** Rows on which the access of many depends. */
export type Frame = Pick<WorkingSet, 'organizations' | 'directories' | 'groups'>;

export const emptyFrame = (): Frame => ({ organizations: new Map(), directories: new Map(), groups: new Map() });

export const sizeOfFrame = ({ organizations, directories, groups }: Frame): number => organizations.size + directories.size + groups.size;

/** Takes rows in place of others of the same id. */
export function assumeFrame(into: Frame, assumed: Frame): void {
  const assume = <T>(rows: Map<string, T>, others: ReadonlyMap<string, T>): void => {
    for (const [id, row] of others) rows.set(id, { ...row });
  };
  assume(into.organizations, assumed.organizations);
  assume(into.directories, assumed.directories);
  assume(into.groups, assumed.groups);
}

export interface FrameRepair {
  /** Rows that were altered in a way on which the access of others depends. */
  decisive: { organizations: Set<string>; directories: Set<string>; groups: Set<string> };
  /** Every row that was altered, as it is now. */
  altered: Frame;
  /** A directory is new, or belongs to another organization than the stored one. */
  moves: boolean;
}

export interface UserRepair {
  /** Users whose rows differed. */
  repaired: Set<string>;
  /** Membership rows that nothing in the log stands for. */
  phantoms: { user_id: string; group_id: string }[];
}

/** A directory that only facts about others tell of cannot be derived from a part of them. */
const isPlaceholder = (row: DirectoryRow): boolean =>
  isUntold(row) && row.aliveVersion === NO_VERSION && row.deletedVersion === NO_VERSION && row.importedVersion === NO_VERSION;

export function repairFrame(stored: WorkingSet, shadow: WorkingSet, scope: RepairScope, contradictions: Contradictions): FrameRepair {
  const repair: FrameRepair = {
    decisive: { organizations: new Set(), directories: new Set(), groups: new Set() },
    altered: emptyFrame(),
    moves: false,
  };
  for (const row of shadow.organizations.values()) if (scope.organizations.has(row.id)) repairOrganization(row);
  for (const row of shadow.directories.values()) if (scope.directories.has(row.id)) repairDirectory(row);
  for (const row of shadow.groups.values()) if (scope.groups.has(row.id)) repairGroup(row);
  if (repair.moves) for (const group of stored.groups.values()) followDirectory(group);
  return repair;

  function repairOrganization(row: OrganizationRow): void {
    const before = stored.organizations.get(row.id);
    const known = row.sourceVersion !== NO_VERSION || row.aliveVersion !== NO_VERSION || row.deletedVersion !== NO_VERSION;
    if (before && (!known || (sameOrganization(before, row) && !contradictions.organizations.has(row.id)))) return;
    const after = { ...row };
    stored.organizations.set(row.id, after);
    stored.dirty.organizations.add(after);
    repair.altered.organizations.set(row.id, after);
    if (!before || isDeleted(before) !== isDeleted(after)) repair.decisive.organizations.add(row.id);
  }

  function repairDirectory(row: DirectoryRow): void {
    const before = stored.directories.get(row.id);
    if (before && (isPlaceholder(row) || (sameDirectory(before, row) && !contradictions.directories.has(row.id)))) return;
    const after = { ...row };
    stored.directories.set(row.id, after);
    stored.dirty.directories.add(after);
    repair.altered.directories.set(row.id, after);
    const moved = before !== undefined && before.organizationId !== after.organizationId;
    repair.moves ||= moved || before === undefined;
    if (!before || moved || directoryStateOf(before) !== directoryStateOf(after)) repair.decisive.directories.add(row.id);
  }

  function repairGroup(row: GroupRow): void {
    const before = stored.groups.get(row.id);
    const directory = stored.directories.get(row.directoryId);
    const after = { ...row, organizationId: directory?.organizationId ?? row.organizationId };
    if (before && sameGroup(before, after, directory?.importedVersion ?? NO_VERSION) && !contradictions.groups.has(row.id)) return;
    stored.groups.set(row.id, after);
    stored.dirty.groups.add(after);
    repair.altered.groups.set(row.id, after);
    const decisive =
      !before || before.name !== after.name || before.deletedVersion !== after.deletedVersion || isDeleted(before) !== isDeleted(after);
    if (decisive) repair.decisive.groups.add(row.id);
  }

  /** Also those that nobody asked about. */
  function followDirectory(group: GroupRow): void {
    const organizationId = stored.directories.get(group.directoryId)?.organizationId;
    if (organizationId === undefined || group.organizationId === organizationId) return;
    group.organizationId = organizationId;
    stored.dirty.groups.add(group);
  }
}

interface Step {
  stored: WorkingSet;
  shadow: WorkingSet;
  cause: Cause;
  repair: UserRepair;
}

/** After the frame: everybody who has a log, and whoever is `concerned` by what was altered in the frame. */
export function repairUsers(
  stored: WorkingSet,
  shadow: WorkingSet,
  options: { users: ReadonlySet<string>; concerned: ReadonlySet<string>; contradictions: Contradictions; cause: Cause },
): UserRepair {
  const { users, concerned, contradictions, cause } = options;
  const repair: UserRepair = { repaired: new Set(), phantoms: [] };
  const step: Step = { stored, shadow, cause, repair };
  for (const userId of [...users].sort()) {
    if (!hasLog(shadow, userId) && !concerned.has(userId)) continue;
    repairUser(step, userId, contradictions.users.has(userId));
    repairMemberships(step, userId);
    settle(step, userId);
  }
  return repair;
}

const hasLog = (shadow: WorkingSet, userId: string): boolean => shadow.users.has(userId) || shadow.memberships.has(userId);

/** Whose log shows no user stays, but follows the directory. */
function repairUser({ stored, shadow, repair }: Step, userId: string, contradicted: boolean): void {
  const before = stored.users.get(userId);
  const row = shadow.users.get(userId) ?? before;
  if (!row) return;
  const directory = stored.directories.get(row.directoryId);
  const after = {
    ...row,
    organizationId: directory?.organizationId ?? row.organizationId,
    driftSuspected: before?.driftSuspected ?? false,
  };
  if (before && sameUser(before, after, directory?.importedVersion ?? NO_VERSION) && !contradicted) return;
  stored.users.set(userId, after);
  stored.dirty.users.add(after);
  repair.repaired.add(userId);
}

function repairMemberships({ stored, shadow, repair }: Step, userId: string): void {
  const present = stored.memberships.get(userId) ?? new Map<string, MembershipRow>();
  const right = hasLog(shadow, userId) ? (shadow.memberships.get(userId) ?? new Map<string, MembershipRow>()) : new Map(present);
  for (const row of right.values()) {
    const before = present.get(row.groupId);
    const directory = stored.directories.get(row.directoryId);
    const organizationId = directory?.organizationId ?? row.organizationId;
    const after: MembershipRow = { ...row, organizationId, active: before?.active === true };
    if (before && sameMembership(before, after, directory?.importedVersion ?? NO_VERSION)) continue;
    putMembership(stored, after);
    stored.dirty.memberships.add(after);
    repair.repaired.add(userId);
  }
  for (const row of [...present.values()]) {
    if (right.has(row.groupId)) continue;
    present.delete(row.groupId);
    stored.membersOf.get(row.groupId)?.delete(userId);
    repair.phantoms.push({ user_id: userId, group_id: row.groupId });
    repair.repaired.add(userId);
  }
}

/** Which memberships count now, and whether the account must be read again. */
function settle({ stored, cause, repair }: Step, userId: string): void {
  const asked = stored.refreshes.has(userId);
  for (const transition of settleUser(stored, userId, cause)) {
    if (transition.kind === 'membership' || !sameEffective(transition.before, transition.after)) repair.repaired.add(userId);
  }
  // Wrong rows may have kept an account from being read again; right ones have seen to it already.
  if (!asked && !repair.repaired.has(userId)) stored.refreshes.delete(userId);
}
