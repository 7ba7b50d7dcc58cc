// Marks changes as handed on. Safe to repeat and to run twice at once: the time of a change is set once, the position
// only grows. The first time it counts how long a revocation took from its event to the subscribers. Changes of the catalog come
// in masses and are not asked about: a time for each of them would cost as much as recording them did.
import type { Db } from '../db/client.ts';
import { countLatencies } from '../db/record-latency.ts';
import type { Position } from '../model/cursor.ts';

// Plan: primary-key range of entitlement_change, locked in order (two relays cannot deadlock), updated by its row ids; then
// the one row of change_log_head, last, because every recording transaction waits for it.
export const MARK_SQL = `
  WITH fresh AS MATERIALIZED (
    SELECT position FROM entitlement_change
    WHERE position > $1::bigint AND position <= $2::bigint AND published_at IS NULL AND cause_kind <> 'CATALOG_CHANGE'
    ORDER BY position FOR UPDATE
  ), published AS (
    UPDATE entitlement_change c SET published_at = clock_timestamp() FROM fresh WHERE c.position = fresh.position
    RETURNING c.organization_id, c.directory_id, extract(epoch FROM c.published_at - c.occurred_at)::float8 AS seconds,
      c.cause_kind = 'DIRECTORY_EVENT' AND (cardinality(c.revoked_permissions) > 0 OR cardinality(c.revoked_roles) > 0) AS revokes
  ), revoked AS (
    SELECT organization_id, directory_id, seconds FROM published WHERE revokes
  ), counted AS (${countLatencies('REVOCATION', 'revoked')}
  )
  UPDATE change_log_head SET relayed_position = greatest(relayed_position, $2::bigint)
  WHERE id = 1 AND (SELECT count(*) FROM published) + (SELECT count(*) FROM counted) >= 0`;

export async function markRelayed(db: Db, after: Position, upTo: Position): Promise<void> {
  await db.$executeRawUnsafe(MARK_SQL, after, upTo);
}
