// Pure: what the directory really is, as a plain sequential fold of events. It is the oracle for the whole service, so it
// shares no code with src/apply. Rules, from workos.md: the newest updated_at keeps its attributes; only `created`
// brings a deleted one back; `user_added` creates what it names, `user_removed` never does; the deletion of a group or
// of a directory takes its memberships along without further events. Events that it cannot read change nothing.

import { type Collection, createCollection } from './collection.ts';
import { type HistoryEvent, parseTime } from './history.ts';
import { createRelation, type Relation } from './relation.ts';
import type { SavedTruth } from './saved-truth.ts';
import {
  type DirectoryObject,
  directoryShape,
  type GroupObject,
  groupShape,
  membershipShape,
  type OrganizationObject,
  organizationShape,
  type UserObject,
  userShape,
} from './shapes.ts';

/** A live view: it changes with the next event. Maps are in order of creation, oldest first. */
export interface Truth {
  readonly organizations: ReadonlyMap<string, OrganizationObject>;
  readonly directories: ReadonlyMap<string, DirectoryObject>;
  readonly users: ReadonlyMap<string, UserObject>;
  readonly groups: ReadonlyMap<string, GroupObject>;
  /** Ids of existing groups, sorted; of inactive users too. */
  groupsOf(userId: string): string[];
  /** Ids of existing users, sorted. */
  membersOf(groupId: string): string[];
  /** Rank of creation; known even after deletion, so that a page can go on after one who is gone. */
  rankOf(id: string): number | undefined;
}

export interface FoldedTruth extends Truth {
  apply(event: HistoryEvent): void;
  save(): SavedTruth;
}

interface State {
  organizations: Collection<OrganizationObject>;
  directories: Collection<DirectoryObject>;
  users: Collection<UserObject>;
  groups: Collection<GroupObject>;
  memberships: Relation;
}

const EMPTY: SavedTruth = { organizations: [], directories: [], users: [], groups: [], memberships: [], deletedIds: [] };

export function createTruth(saved: SavedTruth = EMPTY): FoldedTruth {
  const ranks = new Map<string, number>();
  const deletedIds = new Set(saved.deletedIds);
  const state: State = {
    organizations: createCollection(saved.organizations, ranks, deletedIds),
    directories: createCollection(saved.directories, ranks, deletedIds),
    users: createCollection(saved.users, ranks, deletedIds),
    groups: createCollection(saved.groups, ranks, deletedIds),
    memberships: createRelation(saved.memberships),
  };
  const { organizations, directories, users, groups, memberships } = state;
  return {
    organizations: organizations.items,
    directories: directories.items,
    users: users.items,
    groups: groups.items,
    groupsOf: (userId) => (users.items.has(userId) ? [...memberships.rightsOf(userId)].filter((id) => groups.items.has(id)).sort() : []),
    membersOf: (groupId) => (groups.items.has(groupId) ? [...memberships.leftsOf(groupId)].filter((id) => users.items.has(id)).sort() : []),
    rankOf: (id) => ranks.get(id),
    apply: ({ event, data }) => (Object.hasOwn(HANDLERS, event) ? HANDLERS[event]?.(state, data) : undefined),
    save: () => ({
      organizations: [...organizations.items.values()],
      directories: [...directories.items.values()],
      users: [...users.items.values()],
      groups: [...groups.items.values()],
      memberships: memberships.pairs(),
      deletedIds: [...deletedIds],
    }),
  };
}

type Handler = (state: State, data: unknown) => void;

/** What is not listed (roles, permissions, tokens, types of a later day) says nothing about who is in the directory. */
const HANDLERS: Readonly<Record<string, Handler>> = {
  'organization.created': (state, data) => see(state.organizations, organizationShape.safeParse(data).data, true),
  'organization.updated': (state, data) => see(state.organizations, organizationShape.safeParse(data).data, false),
  'organization.deleted': (state, data) => state.organizations.remove(organizationShape.safeParse(data).data?.id),
  'dsync.activated': activateDirectory,
  'dsync.deactivated': (state, data) => removeDirectory(state, directoryShape.safeParse(data).data?.id),
  'dsync.deleted': (state, data) => removeDirectory(state, directoryShape.safeParse(data).data?.id),
  'dsync.user.created': (state, data) => seeUser(state, userShape.safeParse(data).data, true),
  'dsync.user.updated': (state, data) => seeUser(state, userShape.safeParse(data).data, false),
  'dsync.user.deleted': (state, data) => removeUser(state, userShape.safeParse(data).data?.id),
  'dsync.group.created': (state, data) => seeGroup(state, groupShape.safeParse(data).data, true),
  'dsync.group.updated': (state, data) => seeGroup(state, groupShape.safeParse(data).data, false),
  'dsync.group.deleted': (state, data) => removeGroup(state, groupShape.safeParse(data).data?.id),
  'dsync.group.user_added'(state, data) {
    const membership = membershipShape.safeParse(data).data;
    if (!membership) return;
    seeUser(state, membership.user, false);
    seeGroup(state, membership.group, false);
    state.memberships.add(membership.user.id, membership.group.id);
  },
  'dsync.group.user_removed'(state, data) {
    const membership = membershipShape.safeParse(data).data;
    if (membership) state.memberships.delete(membership.user.id, membership.group.id);
  },
};

/** `reviving`: also when it was deleted. */
function see<T extends { id: string; updated_at: string }>(collection: Collection<T>, seen: T | undefined, reviving: boolean): void {
  if (!seen || (!reviving && collection.wasDeleted(seen.id))) return;
  const { previous_attributes: _, ...object } = seen as T & { previous_attributes?: unknown };
  const known = collection.items.get(seen.id);
  if (!known || parseTime(seen.updated_at) >= parseTime(known.updated_at)) collection.put(object as unknown as T);
}

// A history may begin in the middle: what a later event presupposes exists, though nothing is known of it but its id.
function seeOrganization(state: State, id: string | null, at: string): void {
  if (id === null || state.organizations.items.has(id)) return;
  see(
    state.organizations,
    { object: 'organization', id, name: id, domains: [], metadata: {}, external_id: null, created_at: at, updated_at: at },
    false,
  );
}

function activateDirectory(state: State, data: unknown): void {
  const directory = directoryShape.safeParse(data).data;
  if (directory) seeOrganization(state, directory.organization_id, directory.updated_at);
  see(state.directories, directory, true);
}

function seeDirectoryOf(state: State, { directory_id: id, organization_id, created_at: at }: UserObject | GroupObject): void {
  if (state.directories.items.has(id)) return;
  seeOrganization(state, organization_id, at);
  const placeholder = { object: 'directory', name: id, type: 'generic scim v2.0', state: 'active', external_key: id };
  see(state.directories, { ...placeholder, id, organization_id, created_at: at, updated_at: at }, false);
}

function seeUser(state: State, user: UserObject | undefined, reviving: boolean): void {
  if (user) seeDirectoryOf(state, user);
  see(state.users, user, reviving);
}

function seeGroup(state: State, group: GroupObject | undefined, reviving: boolean): void {
  if (group) seeDirectoryOf(state, group);
  see(state.groups, group, reviving);
}

function removeUser(state: State, id: string | undefined): void {
  if (id !== undefined) state.memberships.deleteLeft(id);
  state.users.remove(id);
}

function removeGroup(state: State, id: string | undefined): void {
  if (id !== undefined) state.memberships.deleteRight(id);
  state.groups.remove(id);
}

function removeDirectory(state: State, id: string | undefined): void {
  if (id === undefined) return;
  for (const user of [...state.users.items.values()]) if (user.directory_id === id) removeUser(state, user.id);
  for (const group of [...state.groups.items.values()]) if (group.directory_id === id) removeGroup(state, group.id);
  state.directories.remove(id);
}
