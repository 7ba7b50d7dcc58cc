// Pure: what facts name, and whom they may touch beyond that, by the rows as they are stored: everybody in a directory whose state
// or place may alter, the members of a group whose name or existence may.
import type { Fact, Observation } from '../model/fact.ts';
import type { DirectoryRow, GroupRow, WorkingSet } from './working-set.ts';
import { directoryStateOf, isUntold } from './working-set.ts';

export interface Named {
  organizations: Set<string>;
  directories: Set<string>;
  /** The organizations that facts give a directory; null: a fact about something in it that names none. */
  placesOf: Map<string, Set<string | null>>;
  users: Set<string>;
  groups: Set<string>;
  /** Facts about the group itself, not about a member. */
  groupFacts: Fact[];
  directoryFacts: Fact[];
  wholeOrganizations: Set<string>;
  reads: { directory_id: string; version: string }[];
}

export function namesIn(observations: readonly Observation[]): Named {
  const named: Named = {
    organizations: new Set(),
    directories: new Set(),
    placesOf: new Map(),
    users: new Set(),
    groups: new Set(),
    groupFacts: [],
    directoryFacts: [],
    wholeOrganizations: new Set(),
    reads: [],
  };
  const place = ({ directoryId, organizationId }: { directoryId: string; organizationId: string | null }): void => {
    named.directories.add(directoryId);
    named.organizations.add(organizationId ?? directoryId);
    const places = named.placesOf.get(directoryId);
    if (places) places.add(organizationId);
    else named.placesOf.set(directoryId, new Set([organizationId]));
  };
  for (const { facts, version } of observations) {
    for (const fact of facts) {
      switch (fact.kind) {
        case 'organizationSeen':
        case 'organizationDeleted':
          named.organizations.add(fact.organization.id);
          if (fact.kind === 'organizationDeleted' || fact.alive) named.wholeOrganizations.add(fact.organization.id);
          break;
        case 'directorySeen':
        case 'directoryDeleted':
          place({ directoryId: fact.directory.id, organizationId: fact.directory.organizationId ?? fact.directory.id });
          named.directoryFacts.push(fact);
          break;
        case 'userSeen':
        case 'userDeleted':
          place(fact.user);
          named.users.add(fact.user.id);
          break;
        case 'groupSeen':
        case 'groupDeleted':
          place(fact.group);
          named.groups.add(fact.group.id);
          named.groupFacts.push(fact);
          break;
        case 'memberAdded':
        case 'memberRemoved':
          place(fact.group);
          named.users.add(fact.userId);
          named.groups.add(fact.group.id);
          break;
        case 'userGroupsRead':
        case 'userGone':
          named.directories.add(fact.directoryId);
          named.users.add(fact.userId);
          break;
        case 'groupGone':
          named.directories.add(fact.directoryId);
          named.groups.add(fact.groupId);
          named.groupFacts.push(fact);
          break;
        case 'directoryRead':
          named.directories.add(fact.directoryId);
          named.reads.push({ directory_id: fact.directoryId, version });
          break;
      }
    }
  }
  return named;
}

/** Directories all of whose users may be touched: deleted, revived, moved (also by others' facts), or with another state than the stored one. */
export function wholeDirectories(named: Named, stored: ReadonlyMap<string, DirectoryRow>): string[] {
  const whole = new Set<string>();
  for (const fact of named.directoryFacts) {
    if (fact.kind !== 'directorySeen' && fact.kind !== 'directoryDeleted') continue;
    const row = stored.get(fact.directory.id);
    if (!row) continue;
    const same =
      fact.kind === 'directorySeen' &&
      fact.directory.state === directoryStateOf(row) &&
      (fact.directory.organizationId ?? fact.directory.id) === row.organizationId;
    if (!same || row.deletedVersion !== '') whole.add(row.id);
  }
  for (const [id, places] of named.placesOf) {
    const row = stored.get(id);
    if (row && isUntold(row) && [...places].some((place) => place !== null && place !== row.organizationId)) whole.add(id);
  }
  return [...whole];
}

/** Groups all of whose members may be touched: deleted, revived, or renamed. */
export function alteredGroups(named: Named, stored: ReadonlyMap<string, GroupRow>): string[] {
  const altered = new Set<string>();
  for (const fact of named.groupFacts) {
    if (fact.kind === 'groupGone') altered.add(fact.groupId);
    if (fact.kind !== 'groupSeen' && fact.kind !== 'groupDeleted') continue;
    const row = stored.get(fact.group.id);
    if (row && (fact.kind === 'groupDeleted' || fact.group.name !== row.name || row.deletedVersion !== '')) altered.add(row.id);
  }
  return [...altered];
}

/**
 * Whether everything that these facts may touch belongs to one organization, by the rows as they are stored. A directory that
 * nobody has stored yet may come into being under another one at this very moment.
 */
export function staysWithin(set: WorkingSet, observations: readonly Observation[], organizationId: string): boolean {
  const named = namesIn(observations);
  return (
    [...named.directories].every((id) => set.directories.get(id)?.organizationId === organizationId) &&
    [...named.placesOf.values()].every((places) => [...places].every((place) => place === null || place === organizationId)) &&
    [...named.wholeOrganizations].every((id) => id === organizationId)
  );
}
