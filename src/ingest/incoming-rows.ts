// Events on their way into the inbox, as the rows that a statement takes.
import type { IncomingEvent } from './envelope.ts';

/** The sender may have begun a trace; else one is made. */
export type TracedEvent = IncomingEvent & { traceId?: string };

/** As $1: `t`, with the directory `d` of each where it is known. Primary key probes. */
export const INCOMING = `json_to_recordset($1::json) AS t(
      id text, type text, partition text, organization_id text, directory_id text, user_id text, group_id text, raw text, refusal text, occurred_at timestamptz, trace_id text)
    LEFT JOIN directory d ON d.id = t.directory_id`;

/** An event that names no organization is applied with its directory, under whichever organization that one stands. */
export const PARTITION = 'CASE WHEN t.organization_id IS NULL THEN coalesce(d.organization_id, t.partition) ELSE t.partition END';

/** What INCOMING reads. */
export const incomingRows = (events: readonly TracedEvent[]): string =>
  JSON.stringify(
    events.map((event) => ({
      id: event.id,
      type: event.type,
      partition: event.partition,
      organization_id: event.organizationId,
      directory_id: event.directoryId,
      user_id: event.userId,
      group_id: event.groupId,
      raw: event.raw,
      refusal: event.refusal,
      occurred_at: event.occurredAt,
      trace_id: event.traceId,
    })),
  );
