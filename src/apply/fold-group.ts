// Pure: facts about groups. What alters a group's name or existence may alter the access of each member; nothing else of it can.
import type { SourceGroup } from '../model/fact.ts';
import { NO_VERSION, newest } from '../model/version.ts';
import { directoryRow } from './directory-row.ts';
import { EPOCH, type Existence, foldExistence, isCovered, type Step, wins } from './fold-step.ts';
import type { GroupRow } from './working-set.ts';

export function foldGroup(step: Step, source: SourceGroup, existence: Existence): boolean {
  if (isCovered(step, source.directoryId)) return false;
  const { set, version } = step;
  const directory = directoryRow(step, source);
  let row = set.groups.get(source.id);
  const name = row?.name;
  let applied = false;
  if (!row) {
    const registers = {
      sourceVersion: NO_VERSION,
      aliveVersion: NO_VERSION,
      seenVersion: NO_VERSION,
      deletedVersion: directory.deletedVersion,
    };
    row = { ...source, organizationId: directory.organizationId, updatedAt: EPOCH, ...registers };
    set.groups.set(row.id, row);
    applied = true;
  }
  const moved = foldExistence(row, existence, version);
  applied = moved || applied;
  if (wins(source.updatedAt, version, row.updatedAt, row.sourceVersion)) {
    const { idpId, createdAt, updatedAt } = source;
    Object.assign(row, { idpId, name: source.name, createdAt, updatedAt, sourceVersion: version });
    applied = true;
  }
  if (existence !== 'deleted') row.seenVersion = newest(row.seenVersion, version);
  set.dirty.groups.add(row);
  // Every fact about a member carries the group, nearly always as it was.
  if (moved || row.name !== name) touchMembers(step, row.id);
  return applied;
}

export function buryGroup(step: Step, group: GroupRow): void {
  foldExistence(group, 'deleted', step.version);
  step.set.dirty.groups.add(group);
  touchMembers(step, group.id);
}

export function foldGroupGone(step: Step, groupId: string): boolean {
  const group = step.set.groups.get(groupId);
  if (!group || group.deletedVersion >= step.version) return false;
  buryGroup(step, group);
  return true;
}

function touchMembers({ set, touched }: Step, groupId: string): void {
  for (const userId of set.membersOf.get(groupId) ?? []) touched.add(userId);
}
