// Retention: takes the oldest changes out of the log, from its beginning and without a hole, so that what is left is the log
// after some position (`keptAfter` in head.ts). A reader below that is told (CURSOR_EXPIRED), because every page says in its
// own snapshot where the log begins. Nothing is taken that the relay has not handed on. Versions of access and intervals of
// memberships stay: they answer who had access when.
import type { Db } from '../db/client.ts';

// Plan: the first entries of entitlement_change's primary key, then those rows by it. Positions are commit-ordered and so are
// their times, but for a clock that was put back: the first change that is young enough ends the round.
export const PRUNE_SQL = `
  WITH oldest AS MATERIALIZED (SELECT position, recorded_at FROM entitlement_change ORDER BY position LIMIT $2),
  bound AS (
    SELECT least(
      coalesce((SELECT min(position) - 1 FROM oldest WHERE recorded_at > clock_timestamp() - $1 * interval '1 second'), (SELECT max(position) FROM oldest)),
      (SELECT relayed_position FROM change_log_head WHERE id = 1)) AS last
  )
  DELETE FROM entitlement_change USING bound WHERE position <= bound.last`;

/** One bounded round, oldest first; returns how many went. Fewer than `limit`: nothing that is old enough is left. */
export function pruneChanges(db: Db, { keepSeconds, limit = 5_000 }: { keepSeconds: number; limit?: number }): Promise<number> {
  return db.$executeRawUnsafe(PRUNE_SQL, keepSeconds, limit);
}
