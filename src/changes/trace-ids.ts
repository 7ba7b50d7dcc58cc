// The traces that changes belong to: those of the events that caused them.
import type { Db } from '../db/client.ts';
import type { RecordedChange } from '../model/change.ts';

// By primary key.
const TRACES = `SELECT id, trace_id AS "traceId" FROM directory_event WHERE id = ANY($1::text[]) AND trace_id <> ''`;

/** Event id → trace id. */
export async function readTraceIds(db: Db, changes: readonly RecordedChange[]): Promise<Map<string, string>> {
  const eventIds = [...new Set(changes.flatMap(({ cause }) => cause.eventId ?? []))];
  if (eventIds.length === 0) return new Map();
  const rows = await db.$queryRawUnsafe<{ id: string; traceId: string }[]>(TRACES, eventIds);
  return new Map(rows.map(({ id, traceId }) => [id, traceId]));
}
