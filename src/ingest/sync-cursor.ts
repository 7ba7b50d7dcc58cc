// The row that says how far the Events API has been read. Only poll-events.ts moves it.
import type { Db, Tx } from '../db/client.ts';

export interface SyncCursor {
  eventId: string | null;
  eventCreatedAt: Date | null;
  /** When a poll last reached the end of the stream. */
  caughtUpAt: Date | null;
}

export interface CursorMove {
  from: string | null;
  to: string | null;
  /** Of the event `to`; null keeps what is there. */
  eventCreatedAt: Date | null;
  /** null keeps what is there. */
  caughtUpAt: Date | null;
}

// Plan: one row by primary key.
const MOVE = `
  UPDATE sync_cursor
  SET event_id = $2::text, event_created_at = COALESCE($3::timestamptz, event_created_at), caught_up_at = GREATEST(caught_up_at, $4::timestamptz), updated_at = now()
  WHERE id = 'events' AND event_id IS NOT DISTINCT FROM $1::text`;

/** The row is there from the first migration on. */
export const readSyncCursor = (db: Db): Promise<SyncCursor> => db.syncCursor.findUniqueOrThrow({ where: { id: 'events' } });

/** Compare-and-set. false: another poller was faster, and nothing was changed. Locks the row until the transaction ends. */
export async function moveSyncCursor(tx: Tx, { from, to, eventCreatedAt, caughtUpAt }: CursorMove): Promise<boolean> {
  return (await tx.$executeRawUnsafe(MOVE, from, to, eventCreatedAt, caughtUpAt)) === 1;
}
