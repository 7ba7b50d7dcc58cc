// Re-derives some keys of one partition in the caller's transaction and repairs what differs, but for what follows from the
// rows: that is stated from the tables once they are right, and the caller stores it last. The partition is locked first, so
// apply is not at work on these rows: what is PENDING stays so until afterwards, and is neither in the shadow nor in the rows
// that the shadow is compared with.
import { loadWorkingSet } from '../apply/load-working-set.ts';
import { saveWorkingSet } from '../apply/save-working-set.ts';
import type { DirectoryRow, GroupRow, OrganizationRow, WorkingSet } from '../apply/working-set.ts';
import type { Tx } from '../db/client.ts';
import { restateUsers } from '../entitlements/restate.ts';
import type { Transition } from '../entitlements/transition.ts';
import type { AccessChange, Cause } from '../model/change.ts';
import { readLocalLog, readSurroundings } from './local-log.ts';
import { netChanges } from './net-changes.ts';
import { readContradictions } from './replay-contradictions.ts';
import type { ReplayKey } from './replay-keys.ts';
import { assumeFrame, type Frame, type FrameRepair, repairFrame, repairUsers } from './replay-repair.ts';
import { deriveShadow, factsNaming } from './replay-shadow.ts';

export type ChangePreview = Pick<AccessChange, 'userId' | 'grantedPermissions' | 'revokedPermissions'>;

export interface ChunkRequest {
  keys: readonly ReplayKey[];
  /** Of the frame (organizations, directories, groups): what this run has found or made right already. */
  verified: ReadonlySet<string>;
  /** What a dry run would have made right by now. */
  assumed: Frame;
  /** QUARANTINED events that take part. */
  quarantined: readonly string[];
  cause: Cause;
  /** The partition whose lock is held; null: the lock of all. */
  within: string | null;
  /** The organization to which the replay is bound; null for none. */
  tenant: string | null;
}

export interface ChunkResult {
  repaired: ReadonlySet<string>;
  /** The net change of each user whose access differs. */
  previews: ChangePreview[];
  transitions: Transition[];
  /** Of the frame: looked at, and altered. */
  frame: { seen: ReadonlySet<string>; altered: Frame };
}

/** The chunk reaches beyond the partition that is locked: nothing was written, and it must be done again under the lock of all. */
export class NeedsEnvironmentError extends Error {
  override readonly name = 'NeedsEnvironmentError';
}

// By (group_id, user_id), (directory_id, id), (organization_id, id).
const CONCERNED = `
  SELECT id, directory_id AS "directoryId" FROM directory_user WHERE id IN (SELECT user_id FROM membership WHERE group_id = ANY($1::text[]))
  UNION SELECT id, directory_id FROM directory_user WHERE directory_id = ANY($2::text[])
  UNION SELECT id, directory_id FROM directory_user WHERE organization_id = ANY($3::text[])`;

// By primary keys. What has moved to another organization since the keys were read.
const FOREIGN = `
  SELECT id FROM directory_user WHERE id = ANY($1::text[]) AND organization_id <> $2
  UNION ALL SELECT id FROM directory_group WHERE id = ANY($1::text[]) AND organization_id <> $2
  UNION ALL SELECT id FROM directory WHERE id = ANY($1::text[]) AND organization_id <> $2`;

const PHANTOMS = `
  DELETE FROM membership m USING json_to_recordset($1::json) AS t(user_id text, group_id text) WHERE m.user_id = t.user_id AND m.group_id = t.group_id`;

/** User → directory. */
async function readConcerned(tx: Tx, { groups, directories, organizations }: FrameRepair['decisive']): Promise<Map<string, string>> {
  if (groups.size + directories.size + organizations.size === 0) return new Map();
  const rows = await tx.$queryRawUnsafe<{ id: string; directoryId: string }[]>(
    CONCERNED,
    [...groups],
    [...directories],
    [...organizations],
  );
  return new Map(rows.map((row) => [row.id, row.directoryId]));
}

export async function repairChunk(tx: Tx, request: ChunkRequest): Promise<ChunkResult> {
  const { verified, assumed, quarantined, cause, within, tenant } = request;
  const keys = tenant === null ? request.keys : await ownKeys(tx, request.keys, tenant);
  const named = (kind: ReplayKey['kind']): Set<string> => new Set(keys.flatMap((key) => (key.kind === kind ? [key.id] : [])));
  const unverified = (ids: Iterable<string>): Set<string> => new Set([...ids].filter((id) => !verified.has(id)));
  const users = named('user');
  const concerned = new Map<string, string>();
  for (;;) {
    const around = await readSurroundings(tx, { users, groups: named('group'), directories: named('directory') });
    const scope = {
      users,
      groups: unverified(around.groups),
      directories: unverified(around.directories),
      organizations: unverified([...around.organizations, ...named('organization')]),
    };
    const shadow = deriveShadow(await readLocalLog(tx, { ...scope, directories: around.directories, quarantined }));
    const facts = factsNaming(shadow, { ...scope, groups: around.groups, others: concerned });
    const stored = await loadWorkingSet(tx, [{ version: '', facts, cause }]);
    const elsewhere = [...stored.directories.values()].some((row) => row.organizationId !== within);
    writeAssumed(stored, assumed, around.groups);
    const contradictions = await readContradictions(tx, stored);
    const frame = repairFrame(stored, shadow, scope, contradictions);
    if (within !== null && (elsewhere || frame.moves)) throw new NeedsEnvironmentError(`more than ${within} is concerned`);

    // Others whose access depends on what was wrong are derived in this same step, so everybody changes once.
    const more = [...(await readConcerned(tx, frame.decisive))].filter(([id]) => !concerned.has(id));
    if (more.length > 0) {
      for (const [id, directoryId] of more) {
        users.add(id);
        concerned.set(id, directoryId);
      }
      continue;
    }
    const repair = repairUsers(stored, shadow, { users, concerned: new Set(concerned.keys()), contradictions, cause });
    if (repair.phantoms.length > 0) await tx.$executeRawUnsafe(PHANTOMS, JSON.stringify(repair.phantoms));
    await saveWorkingSet(tx, stored, { requestImports: false });
    const transitions = await restateUsers(tx, [...users].sort(), cause);
    return {
      repaired: new Set([...repair.repaired, ...transitions.map(({ userId }) => userId)]),
      previews: netChanges(transitions),
      transitions,
      frame: { seen: new Set([...scope.groups, ...scope.directories, ...scope.organizations]), altered: frame.altered },
    };
  }
}

/** In a preview, whose every chunk is taken back: what chunks before this one would have left in the tables. */
function writeAssumed(stored: WorkingSet, assumed: Frame, groups: ReadonlySet<string>): void {
  assumeFrame(stored, assumed);
  const { dirty } = stored;
  for (const id of assumed.organizations.keys()) dirty.organizations.add(stored.organizations.get(id) as OrganizationRow);
  for (const id of assumed.directories.keys()) dirty.directories.add(stored.directories.get(id) as DirectoryRow);
  for (const id of assumed.groups.keys()) if (groups.has(id)) dirty.groups.add(stored.groups.get(id) as GroupRow);
}

async function ownKeys(tx: Tx, keys: readonly ReplayKey[], tenant: string): Promise<ReplayKey[]> {
  const ids = keys.map(({ id }) => id);
  const foreign = new Set((await tx.$queryRawUnsafe<{ id: string }[]>(FOREIGN, ids, tenant)).map(({ id }) => id));
  return keys.filter(({ id }) => !foreign.has(id));
}
