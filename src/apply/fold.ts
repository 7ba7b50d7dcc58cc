// Pure: facts over a working set. Last writer wins by register, so that any order and any repetition of the same facts ends
// in the same rows (I1): attributes by (updated_at, version); existence by the newest fact that brings into being against
// the newest tombstone; a membership by the newest version of its pair. Whatever is derived (states, which memberships
// count, effective access) is a function of the registers, never of the order.
import type { Transition } from '../entitlements/transition.ts';
import type { Fact, Observation } from '../model/fact.ts';
import { justAfter } from '../model/version.ts';
import { foldDirectory } from './fold-directory.ts';
import { foldDirectoryRead } from './fold-directory-read.ts';
import { foldGroup, foldGroupGone } from './fold-group.ts';
import { foldMembership, foldUserGroupsRead } from './fold-membership.ts';
import { foldOrganization } from './fold-organization.ts';
import type { Step } from './fold-step.ts';
import { foldUser, foldUserGone } from './fold-user.ts';
import { settleUser } from './settle-user.ts';
import type { WorkingSet } from './working-set.ts';

export interface FoldResult {
  /** 'stale': everything that it says was known already, or is older than what is known. */
  outcome: 'applied' | 'stale';
  transitions: Transition[];
}

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
