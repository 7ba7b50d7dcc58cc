// Pure: facts about memberships. The newest version of a pair wins; a removal stays as a row.
import type { Subject } from '../model/fact.ts';
import { directoryRow } from './directory-row.ts';
import { isCovered, type Step } from './fold-step.ts';
import type { MembershipRow } from './working-set.ts';
import { putMembership } from './working-set.ts';

/** A removal of something unknown leaves its mark, so that an older addition that comes later does not count. */
export function foldMembership(step: Step, userId: string, group: Subject, present: boolean): boolean {
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

/** Memberships that a full read as of this version would have shown, and did not. */
export function endUnseen(step: Step, memberships: Iterable<MembershipRow>, directoryId: string): boolean {
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

/** The read showed all groups of the user. */
export function foldUserGroupsRead(step: Step, userId: string, directoryId: string): boolean {
  const applied = endUnseen(step, step.set.memberships.get(userId)?.values() ?? [], directoryId);
  const user = step.set.users.get(userId);
  if (!user || user.barrierVersion >= step.version) return applied;
  // An older addition that is still to come must not count either.
  user.barrierVersion = step.version;
  step.set.dirty.users.add(user);
  step.touched.add(userId);
  return true;
}
