// Pure: the local log folded over nothing, by the same fold as apply uses. Only the registers are wanted: what access
// follows is computed later from the compared rows with the real catalog, so the catalog here is empty.
import { fold } from '../apply/fold.ts';
import { createWorkingSet, directoryStateOf, UNTOLD, type WorkingSet } from '../apply/working-set.ts';
import { createOrganizationCatalog } from '../entitlements/organization-catalog.ts';
import type { Fact, Observation } from '../model/fact.ts';

const EMPTY_CATALOG = createOrganizationCatalog('', [], []);

export function deriveShadow(log: readonly Observation[]): WorkingSet {
  const shadow = createWorkingSet(() => EMPTY_CATALOG);
  for (const observation of log) fold(shadow, observation);
  return shadow;
}

export interface Named {
  /** Of the frame, what is to be compared: of a directory that differs everybody is loaded. */
  directories: ReadonlySet<string>;
  organizations: ReadonlySet<string>;
  /** Whose rows of these groups are loaded, whatever the log says of them. */
  users: ReadonlySet<string>;
  groups: ReadonlySet<string>;
  /** Further users, with their directories. */
  others: ReadonlyMap<string, string>;
}

/**
 * Facts that name rows to load (apply/load-working-set.ts): all that the shadow holds and what is named besides. What they
 * state is not folded anywhere.
 */
export function factsNaming(shadow: WorkingSet, { directories, organizations, users, groups, others }: Named): Fact[] {
  const [anyone] = users;
  return [
    ...[...shadow.directories.values()].flatMap((row): Fact[] =>
      directories.has(row.id)
        ? [{ kind: 'directorySeen', alive: false, directory: { ...row, state: directoryStateOf(row), updatedAt: row.sourceUpdatedAt } }]
        : [],
    ),
    ...[...organizations].map(
      (id): Fact => ({ kind: 'organizationSeen', alive: false, organization: { id, name: null, updatedAt: UNTOLD } }),
    ),
    ...[...shadow.groups.values()].map((group): Fact => ({ kind: 'groupSeen', alive: false, group })),
    ...[...shadow.users.values()].map((row): Fact => ({ kind: 'userSeen', alive: false, user: { ...row, state: row.sourceState } })),
    ...[...shadow.memberships.values()].flatMap((own) =>
      [...own.values()].map((row): Fact => ({ kind: 'memberAdded', userId: row.userId, group: { ...row, id: row.groupId } })),
    ),
    // Removed memberships are loaded of every user named, for the groups that some fact names.
    ...[...groups].flatMap((id): Fact[] =>
      anyone === undefined ? [] : [{ kind: 'memberRemoved', userId: anyone, group: { id, directoryId: '', organizationId: null } }],
    ),
    ...[...others].map(([userId, directoryId]): Fact => ({ kind: 'userGone', userId, directoryId })),
  ];
}
