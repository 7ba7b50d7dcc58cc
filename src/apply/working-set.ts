// What one batch works on, in memory: the rows that its facts may touch, as they stand, and what has become of them.
// load-working-set.ts fills it, fold.ts alters it, save-working-set.ts writes what is marked dirty.
import type { OrganizationCatalog } from '../entitlements/organization-catalog.ts';
import type { Effective } from '../model/entitlement.ts';
import type { DirectoryState, SourceUserState } from '../model/fact.ts';

/** See prisma/schema.prisma, "Registers". */
export interface Tombstone {
  aliveVersion: string;
  deletedVersion: string;
}

export interface OrganizationRow extends Tombstone {
  id: string;
  name: string | null;
  sourceUpdatedAt: Date;
  sourceVersion: string;
}

export interface DirectoryRow extends Tombstone {
  id: string;
  organizationId: string;
  name: string;
  type: string;
  sourceState: DirectoryState;
  sourceUpdatedAt: Date;
  sourceVersion: string;
  importedVersion: string;
}

export interface UserRow extends Tombstone {
  id: string;
  directoryId: string;
  organizationId: string;
  idpId: string | null;
  email: string | null;
  firstName: string | null;
  lastName: string | null;
  displayName: string;
  sourceState: SourceUserState;
  customAttributes: Record<string, unknown>;
  directoryRoles: string[];
  createdAt: Date;
  updatedAt: Date;
  sourceVersion: string;
  seenVersion: string;
  barrierVersion: string;
  driftSuspected: boolean;
}

export interface GroupRow extends Tombstone {
  id: string;
  directoryId: string;
  organizationId: string;
  idpId: string | null;
  name: string;
  createdAt: Date;
  updatedAt: Date;
  sourceVersion: string;
  seenVersion: string;
}

export interface MembershipRow {
  userId: string;
  groupId: string;
  directoryId: string;
  organizationId: string;
  present: boolean;
  version: string;
  active: boolean;
  since: Date;
  causeEventId: string | null;
}

export interface GrantFacts {
  id: string;
  userId: string;
  /** Where it was given; elsewhere it does not count. */
  organizationId: string;
  role: string;
  expiresAt: Date | null;
}

export interface WorkingSet {
  organizations: Map<string, OrganizationRow>;
  directories: Map<string, DirectoryRow>;
  users: Map<string, UserRow>;
  groups: Map<string, GroupRow>;
  /** By user, then by group. */
  memberships: Map<string, Map<string, MembershipRow>>;
  /** Users by group, whatever became of the membership. */
  membersOf: Map<string, Set<string>>;
  effective: Map<string, Effective>;
  grants: Map<string, GrantFacts[]>;
  catalogOf(organizationId: string): OrganizationCatalog;
  dirty: {
    organizations: Set<OrganizationRow>;
    directories: Set<DirectoryRow>;
    users: Set<UserRow>;
    groups: Set<GroupRow>;
    memberships: Set<MembershipRow>;
  };
  /** Accounts that must be read again from the state API, and why. */
  refreshes: Map<string, 'REACTIVATED' | 'SEEN_AFTER_DELETION'>;
  /** Directories that came into being, or that are known only from the facts of others: to be read whole. */
  unread: Set<string>;
}

export function createWorkingSet(catalogOf: (organizationId: string) => OrganizationCatalog): WorkingSet {
  return {
    organizations: new Map(),
    directories: new Map(),
    users: new Map(),
    groups: new Map(),
    memberships: new Map(),
    membersOf: new Map(),
    effective: new Map(),
    grants: new Map(),
    catalogOf,
    dirty: { organizations: new Set(), directories: new Set(), users: new Set(), groups: new Set(), memberships: new Set() },
    refreshes: new Map(),
    unread: new Set(),
  };
}

/** In place of a time of the source (which are never before 1970): no fact about the directory itself is known. */
export const UNTOLD = new Date(-1);

export const isUntold = (row: DirectoryRow): boolean => row.sourceUpdatedAt.getTime() < 0;

export const isDeleted = (row: Tombstone): boolean => row.deletedVersion > row.aliveVersion;

export const directoryStateOf = (row: DirectoryRow): DirectoryState => (isDeleted(row) ? 'DELETED' : row.sourceState);

export const userStateOf = (row: UserRow): SourceUserState | 'DELETED' => (isDeleted(row) ? 'DELETED' : row.sourceState);

export function putMembership(set: WorkingSet, row: MembershipRow): void {
  const own = set.memberships.get(row.userId) ?? new Map<string, MembershipRow>();
  own.set(row.groupId, row);
  set.memberships.set(row.userId, own);
  const members = set.membersOf.get(row.groupId) ?? new Set<string>();
  members.add(row.userId);
  set.membersOf.set(row.groupId, members);
}

/** Whether a membership counts: stated, confirmed since the user or group last lost everything, both ends there. */
export const membershipCounts = (row: MembershipRow, user: UserRow | undefined, group: GroupRow | undefined): boolean =>
  row.present &&
  user !== undefined &&
  group !== undefined &&
  !isDeleted(user) &&
  !isDeleted(group) &&
  row.version >= user.barrierVersion &&
  row.version > group.deletedVersion;
