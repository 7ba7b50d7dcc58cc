// Pure: the local log folded over nothing, by the same fold as apply uses. Only the registers are wanted: what access
// follows is computed later from the compared rows with the real catalog, so the catalog here is empty.
import { fold } from '../apply/fold.ts';
import { createWorkingSet, directoryStateOf, type WorkingSet } from '../apply/working-set.ts';
import type { OrganizationCatalog } from '../entitlements/organization-catalog.ts';
import type { Fact, Observation } from '../model/fact.ts';

const EMPTY_CATALOG: OrganizationCatalog = { permissionsOf: () => [], rolesOfGroup: () => [] };

export function deriveShadow(log: readonly Observation[]): WorkingSet {
  const shadow = createWorkingSet(() => EMPTY_CATALOG);
  for (const observation of log) fold(shadow, observation);
  return shadow;
}

/**
 * Facts that name rows to load (apply/load-working-set.ts): all that the shadow holds, with the whole of `directories` and the
 * members of its groups where they say something else than what is stored. What they state besides is not folded anywhere.
 */
export function factsNaming(shadow: WorkingSet, directories: ReadonlySet<string>): Fact[] {
  const frame = [...shadow.directories.values()].flatMap((row): Fact[] =>
    directories.has(row.id)
      ? [{ kind: 'directorySeen', alive: false, directory: { ...row, state: directoryStateOf(row), updatedAt: row.sourceUpdatedAt } }]
      : [],
  );
  const groups = [...shadow.groups.values()].map((group): Fact => ({ kind: 'groupSeen', alive: false, group }));
  const users = [...shadow.users.values()].map(
    (row): Fact => ({ kind: 'userSeen', alive: false, user: { ...row, state: row.sourceState } }),
  );
  const memberships = [...shadow.memberships.values()].flatMap((own) =>
    [...own.values()].map(
      ({ userId, groupId, directoryId, organizationId }): Fact => ({
        kind: 'memberAdded',
        userId,
        group: { id: groupId, directoryId, organizationId },
      }),
    ),
  );
  return [...frame, ...groups, ...users, ...memberships];
}
