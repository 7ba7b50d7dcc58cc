// Where the change log stands. Read in one statement, so that the values belong together.
import type { Db, Tx } from '../db/client.ts';
import { AccessError } from '../errors.ts';
import type { Position } from '../model/cursor.ts';

export interface Head {
  /** Tells this log from any other, inside cursors and stream keys. */
  logId: string;
  /** Of the newest change; 0 when there is none. */
  position: Position;
  /** How far the relay has got. */
  relayedPosition: Position;
  /** Everything after this position is kept; 0 as long as nothing was pruned. */
  keptAfter: Position;
}

// Plan: primary-key look-up of one row, and the first entry of entitlement_change's primary key.
export const HEAD_SQL = `
  SELECT log_id AS "logId", position, relayed_position AS "relayedPosition",
    coalesce((SELECT min(position) - 1 FROM entitlement_change), position) AS "keptAfter"
  FROM change_log_head WHERE id = 1`;

export async function readHead(db: Db | Tx): Promise<Head> {
  const [head] = await db.$queryRawUnsafe<Head[]>(HEAD_SQL);
  if (!head) throw new AccessError('INTERNAL', 'The database has no change log: its migrations are incomplete.');
  return head;
}
