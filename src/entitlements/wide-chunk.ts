// One page of users computed again: what is to be stored for each, and what that amounts to. Writes nothing.
import { setImmediate as breathe } from 'node:timers/promises';
import type { Tx } from '../db/client.ts';
import type { Cause } from '../model/change.ts';
import type { AccessDifference } from './diff.ts';
import type { RoleAndMappingRows } from './organization-catalog.ts';
import { losesAccess } from './revocation-limit.ts';
import { parseCatalog, type Reach, readUserPage } from './wide-page.ts';
import { createShapes, type Shapes } from './wide-shapes.ts';
import type { WideStep } from './wide-store.ts';

export interface ChangePreview {
  userId: string;
  grantedPermissions: string[];
  revokedPermissions: string[];
}

export interface Effect {
  affectedUsers: number;
  grantedPermissions: number;
  revokedPermissions: number;
  /** The first of them, in id order. */
  preview: ChangePreview[];
}

export const PREVIEW_LIMIT = 500;

/** With the number of accounts that lose a permission. */
export type CountedEffect = Effect & { revocations: number };

export const noEffect = (): CountedEffect => ({
  affectedUsers: 0,
  grantedPermissions: 0,
  revokedPermissions: 0,
  preview: [],
  revocations: 0,
});

/** Adds one user; nobody is added twice. */
export function addToEffect(effect: CountedEffect, userId: string, difference: AccessDifference): void {
  const { grantedPermissions, revokedPermissions } = difference;
  effect.affectedUsers += 1;
  effect.grantedPermissions += grantedPermissions.length;
  effect.revokedPermissions += revokedPermissions.length;
  if (losesAccess(difference)) effect.revocations += 1;
  if (effect.preview.length < PREVIEW_LIMIT) effect.preview.push({ userId, grantedPermissions, revokedPermissions });
}

/** Of others than those that are counted already, who come after them. */
export function joinEffects(into: CountedEffect, more: CountedEffect): void {
  into.affectedUsers += more.affectedUsers;
  into.grantedPermissions += more.grantedPermissions;
  into.revokedPermissions += more.revokedPermissions;
  into.revocations += more.revocations;
  into.preview.push(...more.preview.slice(0, PREVIEW_LIMIT - into.preview.length));
}

/** From one chunk to the next of one organization and one cause: what is known holds as long as the catalog does. */
export interface ChunkMemory {
  catalog: string;
  shapes: Shapes | undefined;
}

export const noMemory = (): ChunkMemory => ({ catalog: '', shapes: undefined });

/** Users that are taken apart before others on this thread have their turn: about a millisecond. */
const BREATH = 10;

interface ChunkOptions {
  /** Exclusive. */
  after: string;
  limit: number;
  memory: ChunkMemory;
  /** What becomes of the stored catalog, for a preview. */
  alter?: (stored: RoleAndMappingRows) => RoleAndMappingRows;
}

/** `last` null: nobody is left. */
export async function computeChunk(
  tx: Tx,
  reach: Reach,
  cause: Cause,
  { after, limit, memory, alter = (stored) => stored }: ChunkOptions,
): Promise<{ steps: WideStep[]; last: string | null; effect: CountedEffect }> {
  const page = await readUserPage(tx, reach, { after, limit });
  if (!memory.shapes || memory.catalog !== page.catalog) {
    memory.shapes = createShapes(reach.organizationId, alter(parseCatalog(page.catalog)), cause);
    memory.catalog = page.catalog;
  }
  const steps: WideStep[] = [];
  const effect = noEffect();
  for (const [index, { userId, directoryId, facts }] of page.lines.entries()) {
    if (index % BREATH === BREATH - 1) await breathe();
    const shape = memory.shapes.of(facts, page.groupNames);
    if (!shape) continue;
    steps.push({ userId, directoryId, shape });
    if (shape.difference) addToEffect(effect, userId, shape.difference);
  }
  return { steps, effect, last: page.last };
}
