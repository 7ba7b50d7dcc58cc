// The row of a replay: claimed, moved forward and ended by compare-and-set on its phase and place, so that two workers on one
// replay cannot count or skip anything twice. The step forward is part of the chunk's transaction.
import type { Db, Prisma, Tx } from '../db/client.ts';
import type { ChangePreview } from './replay-chunk.ts';
import { type Difference, NO_DIFFERENCE } from './revocation-guard.ts';

export type ReplayRow = Prisma.ReplayGetPayload<Record<string, never>>;

export const MAX_PREVIEW = 500;

/** Where a worker believes the row to stand. */
export type Place = Pick<ReplayRow, 'id' | 'phase' | 'progressKey'>;

export interface ReplayStep {
  to: string;
  processed: number;
  repaired: number;
  unchanged: number;
  failed: number;
  previews: readonly ChangePreview[];
  differs: boolean;
  difference: Difference;
  error: string | null;
}

/** Another worker has taken this replay further, or it was ended. */
export class OvertakenError extends Error {
  override readonly name = 'OvertakenError';
}

// Each by primary key. $1 to $3: the place.
const AT = `id = $1 AND status = 'RUNNING' AND phase = $2::replay_phase AND progress_key IS NOT DISTINCT FROM $3`;

const FROM_THE_BEGINNING = `
  progress_key = NULL, processed = 0, repaired = 0, unchanged = 0, failed = 0, affected_users = 0, granted_permissions = 0, revoked_permissions = 0,
  preview = '[]', differs = false, revocations = ${NO_DIFFERENCE.revocations}, digest = '${NO_DIFFERENCE.digest}', error = NULL`;

const BEGIN = `UPDATE replay SET started_at = coalesce(started_at, now()), total = $4 WHERE ${AT}`;

const STEP = `
  UPDATE replay SET progress_key = $4, processed = least(total, processed + $5), repaired = repaired + $6, unchanged = unchanged + $7, failed = failed + $8,
    affected_users = affected_users + $9, granted_permissions = granted_permissions + $10, revoked_permissions = revoked_permissions + $11,
    preview = preview || $12::jsonb, differs = differs OR $13, revocations = $14, digest = $15, error = coalesce(error, $16)
  WHERE ${AT} RETURNING cancel_requested AS "cancelRequested", jsonb_array_length(preview) AS previews`;

const FETCHED = `
  UPDATE replay SET progress_key = $4, fetched = fetched + $5, missing = missing + $6, started_at = coalesce(started_at, now())
  WHERE ${AT} RETURNING cancel_requested AS "cancelRequested"`;

const TURN = `
  UPDATE replay SET phase = $4::replay_phase, allowance = $5, fetched = CASE WHEN $4 = 'FETCH' THEN 0 ELSE fetched END, missing = CASE WHEN $4 = 'FETCH' THEN 0 ELSE missing END, received_until = CASE WHEN $2 = 'FETCH' THEN clock_timestamp() ELSE received_until END, ${FROM_THE_BEGINNING}
  WHERE ${AT} RETURNING id`;

const AWAIT = `UPDATE replay SET status = 'AWAITING_CONFIRMATION', confirm_token = $4, error = $5 WHERE ${AT}`;

const END = `
  UPDATE replay SET status = $4::replay_status, finished_at = now(), processed = CASE WHEN $4 = 'SUCCEEDED' THEN total ELSE processed END, error = coalesce($5, error),
    confirm_token = $6, repaired = CASE WHEN $4 <> 'SUCCEEDED' AND phase = 'PREVIEW' AND NOT dry_run THEN 0 ELSE repaired END
  WHERE ${AT}`;

// What is confirmed is previewed once more: the state may have moved meanwhile.
const CONFIRM = `
  UPDATE replay SET status = 'PENDING', phase = 'PREVIEW', allowance = NULL, confirm_token = NULL, given_token = $2, cancel_requested = false, ${FROM_THE_BEGINNING}
  WHERE id = $1 AND status = 'AWAITING_CONFIRMATION' AND confirm_token = $2`;

const placeOf = ({ id, phase, progressKey }: Place): [string, string, string | null] => [id, phase, progressKey];

async function mustHit(place: Place, hits: Promise<number>): Promise<void> {
  if ((await hits) === 0) throw new OvertakenError(`replay ${place.id} is in other hands, or over`);
}

/** At the beginning of a pass over the keys, and whenever it goes on. */
export const beginPass = (db: Db, place: Place, total: number): Promise<void> =>
  mustHit(place, db.$executeRawUnsafe(BEGIN, ...placeOf(place), total));

/** `room`: how many previews the row can still take. */
export async function stepReplay(
  tx: Db | Tx,
  place: Place,
  room: number,
  step: ReplayStep,
): Promise<{ cancelRequested: boolean; room: number }> {
  const sum = (count: (preview: ChangePreview) => number): number => step.previews.reduce((total, preview) => total + count(preview), 0);
  const [row] = await tx.$queryRawUnsafe<{ cancelRequested: boolean; previews: number }[]>(
    STEP,
    ...placeOf(place),
    step.to,
    step.processed,
    step.repaired,
    step.unchanged,
    step.failed,
    step.previews.length,
    sum((preview) => preview.grantedPermissions.length),
    sum((preview) => preview.revokedPermissions.length),
    JSON.stringify(step.previews.slice(0, room)),
    step.differs,
    step.difference.revocations,
    step.difference.digest,
    step.error,
  );
  if (!row) throw new OvertakenError(`replay ${place.id} is in other hands`);
  return { cancelRequested: row.cancelRequested, room: Math.max(0, MAX_PREVIEW - row.previews) };
}

/** While FETCH: one page further. */
export async function stepFetch(
  tx: Tx,
  place: Place,
  step: { to: string; fetched: number; missing: number },
): Promise<{ cancelRequested: boolean }> {
  const [row] = await tx.$queryRawUnsafe<{ cancelRequested: boolean }[]>(FETCHED, ...placeOf(place), step.to, step.fetched, step.missing);
  if (!row) throw new OvertakenError(`replay ${place.id} is in other hands`);
  return row;
}

/** Into another phase, from its beginning. */
export async function turnReplay(
  db: Db,
  place: Place,
  to: { phase: 'FETCH'; allowance: null } | { phase: 'PREVIEW'; allowance: number | null } | { phase: 'REPAIR'; allowance: number },
): Promise<ReplayRow> {
  await mustHit(
    place,
    db.$queryRawUnsafe<object[]>(TURN, ...placeOf(place), to.phase, to.allowance).then((rows) => rows.length),
  );
  return db.replay.findUniqueOrThrow({ where: { id: place.id } });
}

export const awaitConfirmation = (
  db: Db,
  place: Place,
  { confirmToken, message }: { confirmToken: string; message: string },
): Promise<void> => mustHit(place, db.$executeRawUnsafe(AWAIT, ...placeOf(place), confirmToken, message));

/** false: it does not wait for this token. */
export const confirmReplay = async (db: Db, id: string, token: string): Promise<boolean> =>
  (await db.$executeRawUnsafe(CONFIRM, id, token)) === 1;

export interface Ending {
  status: 'SUCCEEDED' | 'FAILED' | 'CANCELLED';
  error?: string;
  /** Of a dry run. */
  confirmToken?: string;
}

export const endReplay = (tx: Db | Tx, place: Place, { status, error, confirmToken }: Ending): Promise<void> =>
  mustHit(place, tx.$executeRawUnsafe(END, ...placeOf(place), status, error ?? null, confirmToken ?? null));
