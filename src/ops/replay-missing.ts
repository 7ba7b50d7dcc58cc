// Of a dry run with source WORKOS_EVENTS: the events that the inbox lacks are assumed to be there and applied, inside a
// transaction that is rolled back. So the preview shows what they would do, and nothing of them stays.
import type { Tx } from '../db/client.ts';
import type { IncomingEvent } from '../ingest/envelope.ts';

/** More are counted, and not previewed. */
export const MAX_ASSUMED = 20_000;

// As src/ingest/store-events.ts places them. One that has arrived meanwhile is left as it is.
const ASSUME = `
  INSERT INTO directory_event (id, type, partition, organization_id, directory_id, user_id, group_id, raw, status, channel, occurred_at, received_at)
  SELECT * FROM (
    SELECT t.id, t.type, CASE WHEN t.organization_id IS NULL THEN coalesce(d.organization_id, t.partition) ELSE t.partition END AS placed,
           t.organization_id, t.directory_id, t.user_id, t.group_id, t.raw, 'APPLIED'::event_status, 'REPLAY'::event_channel, t.occurred_at, $2::timestamptz
    FROM json_to_recordset($1::json) AS t(
      id text, type text, partition text, organization_id text, directory_id text, user_id text, group_id text, raw text, occurred_at timestamptz)
    LEFT JOIN directory d ON d.id = t.directory_id
  ) AS event WHERE $3::text IS NULL OR placed = $3
  ORDER BY id COLLATE "C" ON CONFLICT (id) DO NOTHING`;

/** `within`: those of this partition alone; null: all. */
export async function assumeApplied(tx: Tx, events: readonly IncomingEvent[], receivedAt: Date, within: string | null): Promise<void> {
  if (events.length === 0) return;
  const rows = events.map((event) => ({
    id: event.id,
    type: event.type,
    partition: event.partition,
    organization_id: event.organizationId,
    directory_id: event.directoryId,
    user_id: event.userId,
    group_id: event.groupId,
    raw: event.raw,
    occurred_at: event.occurredAt,
  }));
  await tx.$executeRawUnsafe(ASSUME, JSON.stringify(rows), receivedAt.toISOString(), within);
}
