// Ingest's only way into the inbox: a set of events in one statement. An event id is stored once; whoever comes second, by
// whichever channel, is counted as a duplicate and changes nothing.
import type { Tx } from '../db/client.ts';
import { INCOMING, incomingRows, PARTITION, type TracedEvent } from './incoming-rows.ts';

export type EventChannel = 'EVENTS_API' | 'WEBHOOK' | 'REPLAY';

export interface StoreResult {
  stored: number;
  duplicate: number;
  /** Those that are new, each with the trace that it begins or goes on with. */
  traces: readonly { id: string; traceId: string }[];
}

// Plan: function scan of at most a page, two primary key probes a row, one upsert of a counter and of the few hours in which
// its directories were active. Inserted in id order, so that two writers of overlapping sets wait for each other in one
// direction only; counters come last, and in order, for the same reason.
// A refused event has the account that it names read again: what it said is lost on us.
const STORE = `/* prepared: store_events */
  WITH inserted AS (
    INSERT INTO directory_event (id, type, partition, organization_id, directory_id, user_id, group_id, raw, status, error, channel, occurred_at, trace_id)
    SELECT t.id, t.type, ${PARTITION},
           t.organization_id, t.directory_id, t.user_id, t.group_id, t.raw,
           (CASE WHEN t.refusal IS NULL THEN 'PENDING' ELSE 'QUARANTINED' END)::event_status, t.refusal, $2::event_channel, t.occurred_at,
           coalesce(t.trace_id, replace(gen_random_uuid()::text, '-', ''))
    FROM ${INCOMING}
    ORDER BY t.id COLLATE "C"
    ON CONFLICT (id) DO NOTHING
    RETURNING id, status, user_id, directory_id, occurred_at, trace_id
  ), total AS (
    SELECT count(*)::int AS stored FROM inserted
  ), suspect AS (
    INSERT INTO refresh_task (user_id, directory_id, reason)
    SELECT DISTINCT ON (user_id) user_id, directory_id, 'QUARANTINED_EVENT' FROM inserted
    WHERE status = 'QUARANTINED' AND user_id IS NOT NULL AND directory_id IS NOT NULL ORDER BY user_id, directory_id
    ON CONFLICT (user_id) DO UPDATE SET reason = excluded.reason, requested_at = now(), next_attempt_at = now(), attempts = 0
  ), active AS (
    INSERT INTO directory_activity AS a (directory_id, hour, events)
    SELECT directory_id, date_trunc('hour', occurred_at, 'UTC'), count(*)::int FROM inserted WHERE directory_id IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (directory_id, hour) DO UPDATE SET events = a.events + excluded.events
  ), counted AS (
    INSERT INTO ingest_stat AS s (hour, channel, received, duplicate)
    SELECT date_trunc('hour', now(), 'UTC'), $2::event_channel, $3::int, $3::int - stored FROM total
    ON CONFLICT (hour, channel) DO UPDATE SET received = s.received + excluded.received, duplicate = s.duplicate + excluded.duplicate
  )
  SELECT stored, (SELECT coalesce(json_agg(json_build_object('id', id, 'traceId', trace_id)), '[]') FROM inserted) AS traces,
         CASE WHEN $4::boolean THEN set_config('synchronous_commit', 'off', true) END AS unflushed
  FROM total`;

/**
 * Takes the transaction of whatever must hold together with the events; a single statement by itself when given a `Db`.
 * `unflushed`: that transaction's commit does not wait for the disk, which the caller then does (db/flush.ts).
 */
export async function storeEvents(
  tx: Tx,
  events: readonly TracedEvent[],
  channel: EventChannel,
  { unflushed = false } = {},
): Promise<StoreResult> {
  if (events.length === 0) return { stored: 0, duplicate: 0, traces: [] };
  const [row] = await tx.$queryRawUnsafe<Pick<StoreResult, 'stored' | 'traces'>[]>(
    STORE,
    incomingRows(events),
    channel,
    events.length,
    unflushed,
  );
  const { stored, traces } = row ?? { stored: 0, traces: [] };
  return { stored, duplicate: events.length - stored, traces };
}
