// What the directory told us, in one vocabulary for events and for reads of the state API. apply/fold.ts takes facts and
// nothing else, so an import, a repair and an event go the same way.
import type { Cause } from './change.ts';

export type DirectoryState = 'ACTIVE' | 'VALIDATING' | 'INVALID_CREDENTIALS' | 'INACTIVE' | 'DELETED';
export type SourceUserState = 'ACTIVE' | 'SUSPENDED' | 'INACTIVE';

export interface SourceOrganization {
  id: string;
  name: string | null;
  updatedAt: Date;
}

export interface SourceDirectory {
  id: string;
  /** null: the directory belongs to no organization. */
  organizationId: string | null;
  name: string;
  type: string;
  state: DirectoryState;
  updatedAt: Date;
}

export interface SourceUser {
  id: string;
  directoryId: string;
  organizationId: string | null;
  idpId: string | null;
  email: string | null;
  firstName: string | null;
  lastName: string | null;
  displayName: string;
  state: SourceUserState;
  customAttributes: Record<string, unknown>;
  /** Slugs of `role` and `roles`, sorted, without repeats. */
  directoryRoles: string[];
  createdAt: Date;
  updatedAt: Date;
}

export interface SourceGroup {
  id: string;
  directoryId: string;
  organizationId: string | null;
  idpId: string | null;
  name: string;
  createdAt: Date;
  updatedAt: Date;
}

export interface SourceRole {
  /** "" for every organization. */
  organizationId: string;
  slug: string;
  name: string;
  description: string | null;
  permissions: string[];
  updatedAt: Date;
}

export interface SourcePermission {
  slug: string;
  name: string;
  description: string | null;
  updatedAt: Date;
}

/** Fields of `subject` that place an entity that only a removal names. */
export interface Subject {
  id: string;
  directoryId: string;
  organizationId: string | null;
}

/** `alive`: this fact brings the entity into being, so it also revives a deleted one (created, activated, read from the API). */
export type Fact =
  | { kind: 'organizationSeen'; organization: SourceOrganization; alive: boolean }
  | { kind: 'organizationDeleted'; organization: SourceOrganization }
  | { kind: 'directorySeen'; directory: SourceDirectory; alive: boolean }
  | { kind: 'directoryDeleted'; directory: SourceDirectory }
  /** `read`: by the state API, which shows memberships of people without access as well. */
  | { kind: 'userSeen'; user: SourceUser; alive: boolean; read?: true }
  | { kind: 'userDeleted'; user: SourceUser }
  | { kind: 'groupSeen'; group: SourceGroup; alive: boolean }
  | { kind: 'groupDeleted'; group: SourceGroup }
  | { kind: 'memberAdded'; userId: string; group: Subject }
  | { kind: 'memberRemoved'; userId: string; group: Subject }
  | { kind: 'roleSeen'; role: SourceRole; alive: boolean }
  | { kind: 'roleDeleted'; role: SourceRole }
  | { kind: 'permissionSeen'; permission: SourcePermission; alive: boolean }
  | { kind: 'permissionDeleted'; permission: SourcePermission }
  /** A full read of a directory as of the observation's version is complete: whatever it did not show is gone. */
  | { kind: 'directoryRead'; directoryId: string }
  /** A full read of one user's groups: whatever it did not show is gone. */
  | { kind: 'userGroupsRead'; userId: string; directoryId: string }
  /** The state API does not know this user any more. */
  | { kind: 'userGone'; userId: string; directoryId: string }
  /** A full read of the directory did not show this group. */
  | { kind: 'groupGone'; groupId: string; directoryId: string };

/** Facts that became known together. `version` decides against other facts; see prisma/schema.prisma, "Registers". */
export interface Observation {
  version: string;
  facts: Fact[];
  cause: Cause;
}
