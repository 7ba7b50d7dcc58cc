// How many accounts may lose access through one decision before somebody has to confirm it. Counted are accounts, not
// permissions: one that loses ten permissions counts once, as does one that loses one and gains another.
import type { Db, Tx } from '../db/client.ts';

const FLOOR = 20;
const SHARE = 0.05;

/** What `maxRevocations` says, or 20, or 5 % of the active accounts in scope, whichever of the two is larger. */
export const revocationLimit = (maxRevocations: number | null | undefined, activeAccounts: number): number =>
  maxRevocations ?? Math.max(FLOOR, Math.floor(activeAccounts * SHARE));

export const losesAccess = ({ revokedPermissions }: { revokedPermissions: readonly string[] }): boolean => revokedPermissions.length > 0;

// By (organization_id, id) or (directory_id, id); the whole table where neither bounds it.
const ACTIVE = `
  SELECT count(*)::int AS n FROM directory_user
  WHERE state = 'ACTIVE' AND ($1::text[] IS NULL OR organization_id = ANY($1)) AND ($2::text IS NULL OR directory_id = $2)`;

/** Active accounts of these organizations and this directory; null: no bound. */
export async function countActiveAccounts(
  tx: Db | Tx,
  { organizationIds, directoryId = null }: { organizationIds: readonly string[] | null; directoryId?: string | null },
): Promise<number> {
  const [row] = await tx.$queryRawUnsafe<{ n: number }[]>(ACTIVE, organizationIds, directoryId);
  return row?.n ?? 0;
}
