// What the parts of the fold share: the step under way, and the registers of existence and attributes.
import type { Transition } from '../entitlements/transition.ts';
import type { Cause } from '../model/change.ts';
import { NO_VERSION, newest } from '../model/version.ts';
import type { Tombstone, UserRow, WorkingSet } from './working-set.ts';

/** One observation being folded. */
export interface Step {
  set: WorkingSet;
  version: string;
  cause: Cause;
  /** Users whose access may have altered. */
  touched: Set<string>;
  transitions: Transition[];
}

export const EPOCH = new Date(0);

/** What a fact says of the existence of what it is about; 'seen' shows it and does not revive it. */
export type Existence = 'alive' | 'seen' | 'deleted';

/** Moves the registers of existence; true when one of them moved. */
export function foldExistence(row: Tombstone, existence: Existence, version: string): boolean {
  const { aliveVersion, deletedVersion } = row;
  if (existence === 'alive') row.aliveVersion = newest(aliveVersion, version);
  if (existence === 'deleted') row.deletedVersion = newest(deletedVersion, version);
  return row.aliveVersion !== aliveVersion || row.deletedVersion !== deletedVersion;
}

/** Whether attributes of this time and version replace those of the other. */
export const wins = (updatedAt: Date, version: string, overAt: Date, overVersion: string): boolean =>
  updatedAt.getTime() > overAt.getTime() || (updatedAt.getTime() === overAt.getTime() && version > overVersion);

/** A full read that is newer than this fact has seen all that it could say of this directory. */
export const isCovered = (step: Step, directoryId: string): boolean =>
  step.version < (step.set.directories.get(directoryId)?.importedVersion ?? NO_VERSION);

export function touchUsers(step: Step, belongs: (user: UserRow) => boolean): void {
  for (const user of step.set.users.values()) if (belongs(user)) step.touched.add(user.id);
}
