// Reads single accounts again from the state API: those that became active again (their memberships must be confirmed before
// they count), those that a quarantined event touched, and those that an event showed after their deletion. What comes back
// is applied as facts of a read, so any newer event wins over it.
import { applyObservations } from '../apply/apply-facts.ts';
import type { StateReadPage } from '../apply/parse-read.ts';
import type { Db, Tx } from '../db/client.ts';
import { messageOf } from '../errors.ts';
import { backoffMs } from '../lib/backoff.ts';
import { failpoint } from '../lib/failpoint.ts';
import type { Logger } from '../log.ts';
import type { WorkosClient } from '../workos/client.ts';
import { WorkosError } from '../workos/workos-error.ts';
import { causeOfRead, keepStateRead, observationOf, versionOfReadNow } from './state-read.ts';

export interface RefreshDeps {
  db: Db;
  workos: Pick<WorkosClient, 'getUser' | 'listGroups'>;
  log: Logger;
  clock: () => Date;
  /** What confirms the memberships of an account that became active again: reading its groups (default), or newer events alone. */
  reactivation?: 'read' | 'events';
}

const PAGE_SIZE = 100;

const DONE = `
  WITH done AS (DELETE FROM refresh_task WHERE user_id = $1 AND requested_at <= $2::timestamptz RETURNING 1)
  UPDATE directory_user SET drift_suspected = false WHERE id = $1 AND EXISTS (SELECT 1 FROM done)`;

const DROPPED = `DELETE FROM refresh_task WHERE user_id = $1 AND reason = 'REACTIVATED'`;

const RETRY = `
  UPDATE refresh_task SET attempts = attempts + 1, error = $2, next_attempt_at = now() + $3 * interval '1 millisecond' WHERE user_id = $1`;

/** Every group of the user: all pages, or an error. */
async function readGroups({ workos }: RefreshDeps, userId: string, signal: AbortSignal): Promise<unknown[]> {
  const items: unknown[] = [];
  for (let after: string | null | undefined; after !== null; ) {
    const page = await workos.listGroups({ userId, after: after ?? undefined, limit: PAGE_SIZE, signal });
    items.push(...page.items);
    after = page.after;
  }
  return items;
}

/** Reads one account that is due. false: none is. */
export async function refreshNext(deps: RefreshDeps, signal: AbortSignal): Promise<boolean> {
  const { db, log, clock } = deps;
  const task = await db.refreshTask.findFirst({ where: { nextAttemptAt: { lte: clock() } }, orderBy: { nextAttemptAt: 'asc' } });
  if (!task) return false;
  if (deps.reactivation === 'events' && task.reason === 'REACTIVATED') {
    await db.$executeRawUnsafe(DROPPED, task.userId);
    return true;
  }
  try {
    await refreshUser(deps, task, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    const delayMs = backoffMs(task.attempts + 1, { minMs: 1_000, maxMs: 300_000 });
    await db.$executeRawUnsafe(RETRY, task.userId, messageOf(error).slice(0, 500), delayMs);
    log.warn(
      { userId: task.userId, reason: task.reason, attempts: task.attempts + 1, error: messageOf(error) },
      'an account could not be read again; it is tried later',
    );
  }
  return true;
}

async function refreshUser(
  deps: RefreshDeps,
  task: { userId: string; directoryId: string; reason: string; requestedAt: Date },
  signal: AbortSignal,
): Promise<void> {
  const { db, workos, clock } = deps;
  const { userId, directoryId, reason, requestedAt } = task;
  const startedAt = clock();
  const version = await versionOfReadNow(db, directoryId, startedAt);
  const cause = causeOfRead(`account read again: ${reason.toLowerCase().replaceAll('_', ' ')}`, startedAt);
  const directory = await db.directory.findUnique({ where: { id: directoryId } });
  const partition = directory?.organizationId ?? directoryId;
  const base = { directoryId, group: null };

  const raw = await workos.getUser(userId, { signal }).catch((error: unknown) => {
    if (error instanceof WorkosError && error.kind === 'not_found') return null;
    throw error;
  });
  const pages: StateReadPage[] =
    raw === null
      ? [{ ...base, kind: 'USER_GONE', userId, items: [] }]
      : [
          { ...base, kind: 'USERS', userId: null, items: [raw] },
          { ...base, kind: 'USER_GROUPS', userId, items: await readGroups(deps, userId, signal) },
        ];
  await failpoint('refresh-fetched');
  const observations = pages.map((page) => observationOf(page, version, cause));
  await applyObservations(db, partition, observations, async (tx: Tx) => {
    for (const page of pages) await keepStateRead(tx, page, version);
    await tx.$executeRawUnsafe(DONE, userId, requestedAt.toISOString());
  });
}
