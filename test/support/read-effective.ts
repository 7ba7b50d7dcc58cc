// Effective access of users as it is stored, read by a statement of its own: what the look-ups of the product are compared with.
import type { Db } from '../../src/db/client.ts';
import { type EffectiveAnswer, FRESHNESS_COLUMNS, toAnswer } from '../../src/entitlements/read.ts';
import { OPEN_END } from '../../src/model/cursor.ts';

const EFFECTIVE = `
  SELECT ${FRESHNESS_COLUMNS}, e.roles, e.permissions, e.reasons
  FROM directory_user u JOIN directory d ON d.id = u.directory_id
  LEFT JOIN effective_entitlement e ON e.user_id = u.id AND e.to_position = ${OPEN_END}
  WHERE u.id = ANY($1::text[]) AND ($2::text IS NULL OR u.organization_id = $2)`;

/** Unknown and foreign ids are missing from the map. `tenant` null: every organization. */
export async function readEffective(db: Db, userIds: readonly string[], tenant: string | null): Promise<Map<string, EffectiveAnswer>> {
  if (userIds.length === 0) return new Map();
  const rows = await db.$queryRawUnsafe<Parameters<typeof toAnswer>[0][]>(EFFECTIVE, userIds, tenant);
  return new Map(rows.map((row) => [row.userId, toAnswer(row)]));
}
