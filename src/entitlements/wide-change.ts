// A change that touches more users than one transaction should hold up: what brought it about is committed with a row that
// says whose access may follow; then everybody within reach is computed again from what is stored by then, a chunk at a time,
// each in a transaction of its own under the lock of its organization. In between others have their turn: a revocation that
// arrives goes before the next chunk.
//
// Whoever finds an unfinished row may go on with it: progress moves in the transaction of the chunk. Somebody whose access was
// computed by another cause in the meantime, from the same catalog, has it right already, and drops out of reach or shows no
// difference. Two such changes at once each come by everybody within their reach after they were committed, so what
// the last of them computes is right (I2 holds once none is unfinished).
import type { Db, Tx } from '../db/client.ts';
import { lockPartition } from '../db/lock.ts';
import { inTransaction } from '../db/transaction.ts';
import { failpoint } from '../lib/failpoint.ts';
import { sleep } from '../lib/sleep.ts';
import type { Cause } from '../model/change.ts';
import { type ChunkMemory, computeChunk, type Effect, noMemory, PREVIEW_LIMIT } from './wide-chunk.ts';
import type { Reach } from './wide-page.ts';
import { storeWideStep } from './wide-store.ts';

export interface WideChange {
  id: string;
  organizationId: string;
}

/** Users that are looked at in one transaction. */
export const CHUNK_SIZE = 1_000;
/** At a time: while one writes, another computes. */
const CONCURRENCY = 2;
/** How long a process that has taken a chunk may take for the next one. */
const OWNED_SECONDS = 5;
const TRANSACTION_TIMEOUT_MS = 60_000;
/** Changes that are recorded and not handed on: so many a revocation may find before it. */
const MAX_BEHIND = 3_000;
const BEHIND_POLL_MS = 10;
/** Whoever hands changes on and has not moved for so long is not there: it is not waited for. */
const MAX_STANDSTILL_MS = 1_000;
const NEVER = new AbortController().signal;

// What has been finished for a day is of no use any more.
const INSERT = `
  WITH pruned AS (DELETE FROM wide_change WHERE finished_at < now() - interval '1 day')
  INSERT INTO wide_change (id, organization_id, roles, group_ids, cause, owned_until)
  SELECT gen_random_uuid()::text, "organizationId", roles, "groupIds", $2::jsonb, clock_timestamp() + interval '${OWNED_SECONDS} seconds'
  FROM json_to_recordset($1::json) AS t("organizationId" text, roles text[], "groupIds" text[]) RETURNING id, organization_id AS "organizationId"`;

// By primary key.
const SELECT = `
  SELECT organization_id AS "organizationId", roles, group_ids AS "groupIds", cause, progress_key AS "progressKey", jsonb_array_length(preview) AS previewed
  FROM wide_change WHERE id = $1 AND finished_at IS NULL`;

const ADVANCE = `
  UPDATE wide_change SET progress_key = coalesce($2, progress_key), affected_users = affected_users + $3, granted_permissions = granted_permissions + $4,
    revoked_permissions = revoked_permissions + $5, preview = preview || $6::jsonb, owned_until = clock_timestamp() + interval '${OWNED_SECONDS} seconds',
    finished_at = CASE WHEN $2 IS NULL THEN clock_timestamp() END
  WHERE id = $1`;

// By (finished_at).
const DUE = `
  SELECT id, organization_id AS "organizationId" FROM wide_change WHERE finished_at IS NULL AND owned_until < clock_timestamp() ORDER BY started_at, id LIMIT 100`;

// By (finished_at).
const UNFINISHED = `
  SELECT id, organization_id AS "organizationId" FROM wide_change WHERE finished_at IS NULL AND ($1::text IS NULL OR organization_id = $1) ORDER BY started_at, id`;

const EFFECT = `
  SELECT affected_users AS "affectedUsers", granted_permissions AS "grantedPermissions", revoked_permissions AS "revokedPermissions", preview
  FROM wide_change WHERE id = ANY($1::text[])`;

// By primary key.
const BEHIND =
  'SELECT (position - relayed_position)::int AS behind, relayed_position AS "relayedPosition" FROM change_log_head WHERE id = 1';

interface Stored extends Reach {
  cause: Omit<Cause, 'occurredAt'> & { occurredAt: string };
  progressKey: string;
  previewed: number;
}

/** In the transaction of what brings it about, whose process is to go on with it at once. */
export const recordWideChange = (tx: Tx, reaches: readonly Reach[], cause: Cause): Promise<WideChange[]> =>
  tx.$queryRawUnsafe<WideChange[]>(INSERT, JSON.stringify(reaches), JSON.stringify(cause));

/** Those that nobody is at. */
export const dueWideChanges = (db: Db): Promise<WideChange[]> => db.$queryRawUnsafe<WideChange[]>(DUE);

/** Whoever is at them. null: of every organization. Who holds the lock of what is asked about sees no new one. */
export const unfinishedWideChanges = (tx: Tx, organizationId: string | null): Promise<WideChange[]> =>
  tx.$queryRawUnsafe<WideChange[]>(UNFINISHED, organizationId);

/** What has been recorded for them so far. */
export async function readEffect(db: Db, changes: readonly WideChange[]): Promise<Effect> {
  const rows = await db.$queryRawUnsafe<Effect[]>(
    EFFECT,
    changes.map(({ id }) => id),
  );
  const sum = (of: 'affectedUsers' | 'grantedPermissions' | 'revokedPermissions'): number =>
    rows.reduce((total, row) => total + row[of], 0);
  return {
    affectedUsers: sum('affectedUsers'),
    grantedPermissions: sum('grantedPermissions'),
    revokedPermissions: sum('revokedPermissions'),
    preview: rows
      .flatMap(({ preview }) => preview)
      .sort((a, b) => (a.userId < b.userId ? -1 : 1))
      .slice(0, PREVIEW_LIMIT),
  };
}

export interface ContinueOptions {
  signal?: AbortSignal;
  chunkSize?: number;
  /** After every chunk that has recorded changes. */
  onChanges?: () => void;
}

/** Until all of them are finished, by whomever. After a failure nothing is left running; what is left to do is due for others. */
export async function finishWideChanges(db: Db, changes: readonly WideChange[], options: ContinueOptions = {}): Promise<void> {
  const waiting = [...changes];
  const work = async (): Promise<void> => {
    for (let change = waiting.shift(); change; change = waiting.shift()) await finish(db, change, options);
  };
  const stopOthers = (error: unknown): never => {
    waiting.length = 0;
    throw error;
  };
  const ends = await Promise.allSettled(Array.from({ length: CONCURRENCY }, () => work().catch(stopOthers)));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

async function finish(db: Db, change: WideChange, { signal = NEVER, chunkSize = CHUNK_SIZE, onChanges }: ContinueOptions): Promise<void> {
  const memory = noMemory();
  let isRelayed = true;
  while (!signal.aborted) {
    const recorded = await inTransaction(db, (tx) => takeChunk(tx, change, chunkSize, memory), { timeoutMs: TRANSACTION_TIMEOUT_MS });
    await failpoint('wide-chunk');
    if (recorded === 'finished') return;
    if (recorded > 0) onChanges?.();
    if (recorded > 0 && isRelayed) isRelayed = await waitForRelay(db, signal);
  }
}

/** Changes are published in order, so what is recorded faster than it is published makes everybody wait. false: nobody publishes. */
async function waitForRelay(db: Db, signal: AbortSignal): Promise<boolean> {
  let [movedAtMs, last] = [performance.now(), -1n];
  while (!signal.aborted) {
    const [head] = await db.$queryRawUnsafe<{ behind: number; relayedPosition: bigint }[]>(BEHIND);
    if (!head || head.behind <= MAX_BEHIND) return true;
    if (head.relayedPosition !== last) [movedAtMs, last] = [performance.now(), head.relayedPosition];
    else if (performance.now() - movedAtMs > MAX_STANDSTILL_MS) return false;
    await sleep(BEHIND_POLL_MS, signal);
  }
  return true;
}

/** How many changes were recorded. */
async function takeChunk(tx: Tx, { id, organizationId }: WideChange, chunkSize: number, memory: ChunkMemory): Promise<number | 'finished'> {
  await lockPartition(tx, organizationId);
  const [stored] = await tx.$queryRawUnsafe<Stored[]>(SELECT, id);
  if (!stored) return 'finished';
  const cause: Cause = { ...stored.cause, occurredAt: new Date(stored.cause.occurredAt) };
  const { steps, effect, last } = await computeChunk(tx, stored, cause, { after: stored.progressKey, limit: chunkSize, memory });
  const preview = JSON.stringify(effect.preview.slice(0, Math.max(0, PREVIEW_LIMIT - stored.previewed)));
  const { affectedUsers, grantedPermissions, revokedPermissions } = effect;
  await tx.$executeRawUnsafe(ADVANCE, id, last, affectedUsers, grantedPermissions, revokedPermissions, preview);
  await failpoint('wide-chunk-computed');
  await storeWideStep(tx, organizationId, steps, cause);
  return last === null ? 'finished' : affectedUsers;
}
