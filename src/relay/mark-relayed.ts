// Marks changes as handed on: the position only grows, so it is safe to repeat and to run twice at once. Beyond the position that
// stood there it counts how long each revocation took from its event to the subscribers.
import type { Db } from '../db/client.ts';
import { countLatencies } from '../db/record-latency.ts';
import type { Position } from '../model/cursor.ts';

// Plan: the one row of change_log_head, for which every recording transaction waits, so little happens under it: a primary-key
// range of entitlement_change, of which revocations are told, none of its rows written; nor does its commit wait for the disk, since
// a mark that is lost is made again.
const MARK = `/* prepared: mark_relayed */
  WITH head AS MATERIALIZED (
    SELECT relayed_position AS before, set_config('synchronous_commit', 'off', true) FROM change_log_head WHERE id = 1 FOR UPDATE
  ), revoked AS (
    SELECT c.organization_id, c.directory_id, extract(epoch FROM clock_timestamp() - c.occurred_at)::float8 AS seconds
    FROM entitlement_change c JOIN head ON c.position > head.before
    WHERE c.position > $1::bigint AND c.position <= $2::bigint AND c.cause_kind = 'DIRECTORY_EVENT'
      AND (cardinality(c.revoked_permissions) > 0 OR cardinality(c.revoked_roles) > 0)
  ), counted AS (${countLatencies('REVOCATION', 'revoked')}
  )
  UPDATE change_log_head SET relayed_position = greatest(relayed_position, $2::bigint) WHERE id = 1 AND (SELECT count(*) FROM counted) >= 0`;

export async function markRelayed(db: Db, after: Position, upTo: Position): Promise<void> {
  await db.$executeRawUnsafe(MARK, after, upTo);
}
