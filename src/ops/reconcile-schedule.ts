// Which directories are compared without anybody asking: each after so many hours since it was last read whole, and in between
// whenever the counts that WorkOS gives in one request differ from ours twice in a row while nothing is on its way.
import type { Db } from '../db/client.ts';
import { inTransaction } from '../db/transaction.ts';
import { AccessError, messageOf } from '../errors.ts';
import { sleep } from '../lib/sleep.ts';
import type { Logger } from '../log.ts';
import type { WorkosClient } from '../workos/client.ts';
import { type DirectoryCounts, readCounts } from './directory-counts.ts';
import { begin } from './reconcile.ts';

export interface ReconcileScheduleDeps {
  db: Db;
  workos: Pick<WorkosClient, 'getDirectory'>;
  log: Logger;
  /** 0: never by itself, and no counts are looked at. */
  intervalHours: number;
  /** 'auto': what differs is repaired, unless it takes access from too many; 'off': it is reported. */
  repair: 'auto' | 'off';
}

interface DirectoryPlace {
  directoryId: string;
  organizationId: string;
}

/** Between two directories whose counts are asked for. */
const PROBE_PAUSE_MS = 100;

// Small tables; the reports of a directory by (directory_id, id). An import is a full read too; one that is unfinished is waited
// for. A report that failed before it had compared anything is followed by another one after an hour.
const CANDIDATES = `
  SELECT d.id AS "directoryId", d.organization_id AS "organizationId",
    coalesce(greatest(r.compared, i.finished_at) < now() - $1 * interval '1 hour', true) AND coalesce(r.tried < now() - interval '1 hour', true) AS due
  FROM directory d LEFT JOIN directory_import i ON i.directory_id = d.id
  LEFT JOIN LATERAL (
    SELECT max(created_at) AS tried, max(created_at) FILTER (WHERE compared_at IS NOT NULL) AS compared,
      coalesce(bool_or(status IN ('PENDING', 'RUNNING', 'AWAITING_CONFIRMATION')), false) AS open
    FROM drift_report WHERE directory_id = d.id) r ON true
  WHERE d.state = 'ACTIVE' AND (i.phase IS NULL OR i.phase = 'FINISHED') AND NOT r.open
  ORDER BY d.id`;

// By (directory_id, id).
const LOCAL_COUNTS = `
  SELECT (SELECT count(*)::int FROM directory_user WHERE directory_id = $1 AND state = 'ACTIVE') AS "activeUsers",
    (SELECT count(*)::int FROM directory_user WHERE directory_id = $1 AND state IN ('SUSPENDED', 'INACTIVE')) AS "inactiveUsers",
    (SELECT count(*)::int FROM directory_group WHERE directory_id = $1 AND NOT deleted) AS groups,
    EXISTS (SELECT 1 FROM directory_event WHERE status = 'PENDING' AND directory_id = $1) AS waiting`;

const same = (a: DirectoryCounts, b: DirectoryCounts): boolean =>
  a.activeUsers === b.activeUsers && a.inactiveUsers === b.inactiveUsers && a.groups === b.groups;

export function createReconcileSchedule(deps: ReconcileScheduleDeps): { step(signal: AbortSignal): Promise<void> } {
  const { db, workos, log, intervalHours, repair } = deps;
  /** Directories whose counts differed when they were last looked at, with the difference. Lost with the process, which costs one look more. */
  const suspects = new Map<string, string>();

  async function request({ directoryId, organizationId }: DirectoryPlace, why: string): Promise<void> {
    const requestedBy = 'schedule';
    try {
      await inTransaction(db, (tx) =>
        begin(tx, { directoryId, organizationId, repair: repair === 'auto', maxRevocations: null, requestedBy }),
      );
      log.info({ directoryId, why }, 'reconciliation: scheduled');
    } catch (error) {
      if (!(error instanceof AccessError)) throw error;
    }
  }

  /** Whether the counts differ by as much as the last time, and nothing is on its way that might explain it. */
  async function differsAgain(directoryId: string, signal: AbortSignal): Promise<boolean> {
    const source = readCounts(await workos.getDirectory(directoryId, { signal }));
    if (!source) return false;
    const [local] = await db.$queryRawUnsafe<(DirectoryCounts & { waiting: boolean })[]>(LOCAL_COUNTS, directoryId);
    if (!local || local.waiting || same(local, source)) {
      suspects.delete(directoryId);
      return false;
    }
    const difference = [
      source.activeUsers - local.activeUsers,
      source.inactiveUsers - local.inactiveUsers,
      source.groups - local.groups,
    ].join();
    const again = suspects.get(directoryId) === difference;
    if (again) suspects.delete(directoryId);
    else suspects.set(directoryId, difference);
    return again;
  }

  return {
    /** One look at every directory. */
    async step(signal) {
      if (intervalHours === 0) return;
      const candidates = await db.$queryRawUnsafe<(DirectoryPlace & { due: boolean })[]>(CANDIDATES, intervalHours);
      for (const { due, ...place } of candidates) {
        if (signal.aborted) return;
        if (due) await request(place, `not read whole for ${intervalHours} hours`);
        else {
          const differs = await differsAgain(place.directoryId, signal).catch((error: unknown) => {
            log.warn({ directoryId: place.directoryId, error: messageOf(error) }, 'the counts of a directory could not be compared');
            return false;
          });
          if (differs) await request(place, 'the counts of WorkOS differ from ours');
          await sleep(PROBE_PAUSE_MS, signal);
        }
      }
    },
  };
}
