// Pure: facts about organizations.
import type { SourceOrganization } from '../model/fact.ts';
import { NO_VERSION } from '../model/version.ts';
import { EPOCH, type Existence, foldExistence, type Step, touchUsers, wins } from './fold-step.ts';
import type { OrganizationRow } from './working-set.ts';
import { isDeleted } from './working-set.ts';

/** The row as it stands; one without attributes where nothing was known. */
export function organizationRow(step: Step, id: string): OrganizationRow {
  let row = step.set.organizations.get(id);
  if (!row) {
    row = { id, name: null, sourceUpdatedAt: EPOCH, sourceVersion: NO_VERSION, aliveVersion: NO_VERSION, deletedVersion: NO_VERSION };
    step.set.organizations.set(id, row);
    step.set.dirty.organizations.add(row);
  }
  return row;
}

export function foldOrganization(step: Step, source: SourceOrganization, existence: Existence): boolean {
  const row = organizationRow(step, source.id);
  const wasDeleted = isDeleted(row);
  let applied = foldExistence(row, existence, step.version);
  if (wins(source.updatedAt, step.version, row.sourceUpdatedAt, row.sourceVersion)) {
    Object.assign(row, { name: source.name, sourceUpdatedAt: source.updatedAt, sourceVersion: step.version });
    applied = true;
  }
  if (applied) step.set.dirty.organizations.add(row);
  if (isDeleted(row) !== wasDeleted) touchUsers(step, (user) => user.organizationId === row.id);
  return applied;
}
