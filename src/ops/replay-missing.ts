// Of a dry run with source WORKOS_EVENTS: the events that the inbox lacks are assumed to be there and applied, inside a
// transaction that is rolled back. So the preview shows what they would do, and nothing of them stays.
import type { Tx } from '../db/client.ts';
import type { IncomingEvent } from '../ingest/envelope.ts';
import { INCOMING, incomingRows, PARTITION } from '../ingest/incoming-rows.ts';

/** More are counted, and not previewed. */
export const MAX_ASSUMED = 20_000;

// One that has arrived meanwhile is left as it is.
const ASSUME = `
  INSERT INTO directory_event (id, type, partition, organization_id, directory_id, user_id, group_id, raw, status, channel, occurred_at, received_at)
  SELECT * FROM (
    SELECT t.id, t.type, ${PARTITION} AS placed,
           t.organization_id, t.directory_id, t.user_id, t.group_id, t.raw, 'APPLIED'::event_status, 'REPLAY'::event_channel, t.occurred_at, $2::timestamptz
    FROM ${INCOMING}
  ) AS event WHERE $3::text IS NULL OR placed = $3
  ORDER BY id COLLATE "C" ON CONFLICT (id) DO NOTHING`;

/** `within`: those of this partition alone; null: all. */
export async function assumeApplied(tx: Tx, events: readonly IncomingEvent[], receivedAt: Date, within: string | null): Promise<void> {
  if (events.length === 0) return;
  await tx.$executeRawUnsafe(ASSUME, incomingRows(events), receivedAt.toISOString(), within);
}
