// The row of a replay: claimed, moved forward and ended by compare-and-set, so that two workers on one replay cannot count or
// skip anything twice. The step forward is part of the chunk's transaction.
import type { Db, Prisma, Tx } from '../db/client.ts';
import type { ChangePreview } from './replay-chunk.ts';

export type ReplayRow = Prisma.ReplayGetPayload<Record<string, never>>;

export const MAX_PREVIEW = 500;

export interface ReplayStep {
  from: string | null;
  to: string;
  processed: number;
  repaired: number;
  unchanged: number;
  failed: number;
  previews: readonly ChangePreview[];
  error: string | null;
}

/** Another worker has taken this replay further, or it was ended. */
export class OvertakenError extends Error {
  override readonly name = 'OvertakenError';
}

// By primary key.
const BEGIN = `UPDATE replay SET status = 'RUNNING', started_at = coalesce(started_at, now()), total = $2 WHERE id = $1 AND status IN ('PENDING', 'RUNNING')`;

const STEP = `
  UPDATE replay SET progress_key = $3, processed = least(total, processed + $4), repaired = repaired + $5, unchanged = unchanged + $6, failed = failed + $7,
    affected_users = affected_users + $8, granted_permissions = granted_permissions + $9, revoked_permissions = revoked_permissions + $10,
    preview = preview || $11::jsonb, error = coalesce(error, $12)
  WHERE id = $1 AND status = 'RUNNING' AND progress_key IS NOT DISTINCT FROM $2
  RETURNING cancel_requested AS "cancelRequested", jsonb_array_length(preview) AS previews`;

const END = `
  UPDATE replay SET status = $3::replay_status, finished_at = now(), processed = CASE WHEN $3 = 'SUCCEEDED' THEN total ELSE processed END, error = coalesce($4, error)
  WHERE id = $1 AND status = 'RUNNING' AND progress_key IS NOT DISTINCT FROM $2`;

export async function beginReplay(db: Db, id: string, total: number): Promise<boolean> {
  return (await db.$executeRawUnsafe(BEGIN, id, total)) === 1;
}

/** `room`: how many previews the row can still take. */
export async function stepReplay(
  tx: Db | Tx,
  id: string,
  room: number,
  step: ReplayStep,
): Promise<{ cancelRequested: boolean; room: number }> {
  const sum = (count: (preview: ChangePreview) => number): number => step.previews.reduce((total, preview) => total + count(preview), 0);
  const [row] = await tx.$queryRawUnsafe<{ cancelRequested: boolean; previews: number }[]>(
    STEP,
    id,
    step.from,
    step.to,
    step.processed,
    step.repaired,
    step.unchanged,
    step.failed,
    step.previews.length,
    sum((preview) => preview.grantedPermissions.length),
    sum((preview) => preview.revokedPermissions.length),
    JSON.stringify(step.previews.slice(0, room)),
    step.error,
  );
  if (!row) throw new OvertakenError(`replay ${id} is in other hands`);
  return { cancelRequested: row.cancelRequested, room: Math.max(0, MAX_PREVIEW - row.previews) };
}

export type Ending = { status: 'SUCCEEDED' | 'CANCELLED'; error: null } | { status: 'FAILED'; error: string | null };

export async function endReplay(tx: Db | Tx, id: string, progressKey: string | null, { status, error }: Ending): Promise<void> {
  if ((await tx.$executeRawUnsafe(END, id, progressKey, status, error)) === 0) throw new OvertakenError(`replay ${id} is in other hands`);
}
