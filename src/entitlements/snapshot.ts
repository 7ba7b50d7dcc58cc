// The effective access of a whole organization as it stood at one position of the change log, in pages that agree with each
// other however long the reader takes: versions carry the positions between which they held.
import type { Db } from '../db/client.ts';
import type { Position } from '../model/cursor.ts';
import { type EffectiveAnswer, FRESHNESS_COLUMNS, toAnswer } from './read.ts';

export interface SnapshotPage {
  organizationId: string;
  asOf: Position;
  /** Exclusive; null for the first page. */
  afterUserId: string | null;
  limit: number;
}

// The page first, by (organization_id, user_id, to_position) in that order, stopping at the limit; then its users by primary key.
const PAGE = `
  SELECT ${FRESHNESS_COLUMNS}, e.roles, e.permissions, e.reasons
  FROM (SELECT user_id, roles, permissions, reasons FROM effective_entitlement
        WHERE organization_id = $1 AND user_id > $2 AND from_position <= $3 AND to_position > $3 ORDER BY user_id LIMIT $4) e
  JOIN directory_user u ON u.id = e.user_id JOIN directory d ON d.id = u.directory_id
  ORDER BY e.user_id`;

/** Users with any access at that position, in id order. `freshness.position` is `asOf`. */
export async function readSnapshotPage(db: Db, { organizationId, asOf, afterUserId, limit }: SnapshotPage): Promise<EffectiveAnswer[]> {
  const rows = await db.$queryRawUnsafe<Parameters<typeof toAnswer>[0][]>(PAGE, organizationId, afterUserId ?? '', asOf, limit);
  return rows.map((row) => toAnswer({ ...row, organizationId, position: asOf }));
}
