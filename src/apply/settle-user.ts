// Pure: what follows from a user's rows once they are as they should be: which memberships count, and what access that gives.
import { computeEffective } from '../entitlements/compute.ts';
import type { Transition } from '../entitlements/transition.ts';
import type { Cause } from '../model/change.ts';
import { NO_ACCESS } from '../model/entitlement.ts';
import type { GroupRow, WorkingSet } from './working-set.ts';
import { directoryStateOf, isDeleted, membershipCounts, userStateOf } from './working-set.ts';

/** Alters `active` of the user's memberships and the user's effective access in the set; returns the steps for the log. */
export function settleUser(set: WorkingSet, userId: string, cause: Cause): Transition[] {
  const transitions: Transition[] = [];
  const user = set.users.get(userId);
  const groups: GroupRow[] = [];
  let unconfirmed = false;
  for (const membership of set.memberships.get(userId)?.values() ?? []) {
    const group = set.groups.get(membership.groupId);
    const active = membershipCounts(membership, user, group);
    if (active !== membership.active) {
      membership.active = active;
      set.dirty.memberships.add(membership);
      const { groupId, organizationId } = membership;
      transitions.push({ kind: 'membership', userId, groupId, organizationId, active, cause });
    }
    if (active && group) groups.push(group);
    if (user && membership.present && membership.version < user.barrierVersion) unconfirmed = true;
  }
  if (!user) return transitions;
  const { organizationId, directoryId } = user;
  const directory = set.directories.get(directoryId);
  const organization = set.organizations.get(organizationId);
  const inForce =
    userStateOf(user) === 'ACTIVE' &&
    directory !== undefined &&
    directoryStateOf(directory) === 'ACTIVE' &&
    organization !== undefined &&
    !isDeleted(organization);
  if (inForce && unconfirmed && !set.refreshes.has(userId)) set.refreshes.set(userId, 'REACTIVATED');
  const before = set.effective.get(userId) ?? NO_ACCESS;
  const grants = (set.grants.get(userId) ?? []).filter((grant) => grant.organizationId === organizationId);
  const facts = { inForce, groups, directoryRoles: user.directoryRoles, grants };
  const after = computeEffective(facts, set.catalogOf(organizationId), before, { at: cause.occurredAt, eventId: cause.eventId });
  set.effective.set(userId, after);
  if (after !== before) transitions.push({ kind: 'access', userId, organizationId, directoryId, before, after, cause });
  return transitions;
}
