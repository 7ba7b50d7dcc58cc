// How each event of a batch ended, in one statement, with the time it took since it happened; and what a quarantine entails:
// the accounts that the event touches may now differ from the directory, so they are marked and queued to be read again from
// the state API.
import type { Tx } from '../db/client.ts';
import { countLatencies } from '../db/record-latency.ts';
import { together } from '../db/together.ts';

export interface Verdict {
  id: string;
  status: 'APPLIED' | 'STALE' | 'IGNORED' | 'QUARANTINED';
  error: string | null;
}

// By primary key; the lag of a whole batch is a handful of rows. Counted under its partition, where sync-health looks for it.
const VERDICTS = `/* prepared: settle_events */
  WITH settled AS (
    UPDATE directory_event e SET status = t.status, error = t.error, next_attempt_at = NULL,
      applied_at = CASE WHEN t.status <> 'QUARANTINED' THEN clock_timestamp() END
    FROM json_to_recordset($1::json) AS t(id text, status event_status, error text) WHERE e.id = t.id
    RETURNING e.status, e.partition AS organization_id, e.directory_id, extract(epoch FROM e.applied_at - e.occurred_at)::float8 AS seconds
  ), applied AS (
    SELECT organization_id, directory_id, seconds FROM settled WHERE status = 'APPLIED'
  )${countLatencies('EVENT_LAG', 'applied')}`;

// The user that the event names, also one that is not known yet; where it names none, the members of the group that it names;
// where it names neither, everybody in its directory. Everybody in an organization is only marked: reading the accounts again
// would not show what became of the organization.
const SUSPECTS = `
  WITH poison AS MATERIALIZED (SELECT type, organization_id, directory_id, user_id, group_id FROM directory_event WHERE id = ANY($1::text[])),
  named AS MATERIALIZED (
    SELECT user_id, directory_id FROM poison WHERE user_id IS NOT NULL
    UNION SELECT m.user_id, m.directory_id FROM poison p JOIN membership m ON m.group_id = p.group_id AND m.present WHERE p.user_id IS NULL
    UNION SELECT u.id, u.directory_id FROM poison p JOIN directory_user u ON u.directory_id = p.directory_id AND u.state <> 'DELETED'
          WHERE p.user_id IS NULL AND p.group_id IS NULL
  ), marked AS (
    UPDATE directory_user u SET drift_suspected = true FROM (
      SELECT user_id FROM named
      UNION SELECT o.id FROM poison p JOIN directory_user o ON o.organization_id = p.organization_id WHERE p.type LIKE 'organization.%') AS suspect
    WHERE u.id = suspect.user_id
  )
  INSERT INTO refresh_task (user_id, directory_id, reason)
  SELECT DISTINCT ON (user_id) user_id, directory_id, 'QUARANTINED_EVENT' FROM named WHERE directory_id IS NOT NULL ORDER BY user_id, directory_id
  ON CONFLICT (user_id) DO UPDATE SET reason = EXCLUDED.reason, requested_at = now(), next_attempt_at = now(), attempts = 0`;

/** All of it is sent before this returns, so that what is sent next comes after it. */
export async function settleEvents(tx: Tx, verdicts: readonly Verdict[]): Promise<void> {
  if (verdicts.length === 0) return;
  const settled = tx.$executeRawUnsafe(VERDICTS, JSON.stringify(verdicts));
  const quarantined = verdicts.filter((verdict) => verdict.status === 'QUARANTINED').map((verdict) => verdict.id);
  await (quarantined.length > 0 ? together(settled, tx.$executeRawUnsafe(SUSPECTS, quarantined)) : settled);
}
