// How each event of a batch ended, in one statement; and what a quarantine entails: the accounts that the event touches
// may now differ from the directory, so they are marked and queued to be read again from the state API.
import type { Tx } from '../db/client.ts';

export interface Verdict {
  id: string;
  status: 'APPLIED' | 'STALE' | 'IGNORED' | 'QUARANTINED';
  error: string | null;
}

const VERDICTS = `
  UPDATE directory_event e SET status = t.status, error = t.error, next_attempt_at = NULL,
    applied_at = CASE WHEN t.status <> 'QUARANTINED' THEN clock_timestamp() END
  FROM json_to_recordset($1::json) AS t(id text, status event_status, error text) WHERE e.id = t.id`;

// The user that the event names, and the members of the group that it names when it names no user.
const SUSPECTS = `
  WITH suspect AS (
    UPDATE directory_user u SET drift_suspected = true
    WHERE u.id IN (SELECT e.user_id FROM directory_event e WHERE e.id = ANY($1::text[]) AND e.user_id IS NOT NULL
                   UNION SELECT m.user_id FROM directory_event e JOIN membership m ON m.group_id = e.group_id AND m.present WHERE e.id = ANY($1::text[]) AND e.user_id IS NULL)
    RETURNING u.id, u.directory_id)
  INSERT INTO refresh_task (user_id, directory_id, reason) SELECT id, directory_id, 'QUARANTINED_EVENT' FROM suspect
  ON CONFLICT (user_id) DO UPDATE SET reason = EXCLUDED.reason, requested_at = now(), next_attempt_at = now(), attempts = 0`;

export async function settleEvents(tx: Tx, verdicts: readonly Verdict[]): Promise<void> {
  if (verdicts.length === 0) return;
  await tx.$executeRawUnsafe(VERDICTS, JSON.stringify(verdicts));
  const quarantined = verdicts.filter((verdict) => verdict.status === 'QUARANTINED').map((verdict) => verdict.id);
  if (quarantined.length > 0) await tx.$executeRawUnsafe(SUSPECTS, quarantined);
}
