// The limit of a wide change: the same rows by hand-written SQL that knows beforehand what becomes of everybody, in chunks of
// the same size, one statement each. No logic, no lock of an organization, no other process.
import pg from 'pg';
import { CHUNK_SIZE } from '../../src/entitlements/wide-change.ts';
import { OPEN_END } from '../../src/model/cursor.ts';
import { groupId, ORGANIZATIONS, organizationId } from './dataset-rows.ts';

const ROLE = 'limit-role';
const PERMISSION = 'limit:use';
const PATH = JSON.stringify({
  role: ROLE,
  source: 'GROUP',
  groupId: groupId(0),
  grantId: null,
  expiresAt: null,
  since: '2026-01-03T00:00:00.000Z',
  causeEventId: null,
});
const CAUSE = '{"kind":"CATALOG_CHANGE","actor":"limit"}';
const BEGINNING = '{"paths":[';

const GIVE = {
  roles: `array_append(roles, '${ROLE}')`,
  permissions: `array_append(permissions, '${PERMISSION}')`,
  reasons: `('${BEGINNING}${PATH},' || substr(reasons::text, ${BEGINNING.length + 1}))::json`,
  lists: `ARRAY['${PERMISSION}'], '{}'::text[], ARRAY['${ROLE}'], '{}'::text[]`,
};
const TAKE = {
  roles: `array_remove(roles, '${ROLE}')`,
  permissions: `array_remove(permissions, '${PERMISSION}')`,
  reasons: `('${BEGINNING}' || substr(reasons::text, ${BEGINNING.length + PATH.length + 2}))::json`,
  lists: `'{}'::text[], ARRAY['${PERMISSION}'], '{}'::text[], ARRAY['${ROLE}']`,
};

const chunk = ({ roles, permissions, reasons, lists }: typeof GIVE): string => `
  WITH page AS MATERIALIZED (
    SELECT user_id, directory_id, ${roles} AS roles, ${permissions} AS permissions, ${reasons} AS reasons, row_number() OVER () AS n
    FROM (SELECT * FROM effective_entitlement WHERE organization_id = $1 AND user_id > $2 AND to_position = ${OPEN_END} ORDER BY organization_id, user_id LIMIT ${CHUNK_SIZE}) e
  ), head AS (
    UPDATE change_log_head SET position = position + (SELECT count(*) FROM page) WHERE id = 1 RETURNING position - (SELECT count(*) FROM page) AS base
  ), appended AS (
    INSERT INTO entitlement_change (position, organization_id, directory_id, user_id, granted_permissions, revoked_permissions, granted_roles, revoked_roles,
                                    cause_kind, actor, occurred_at, recorded_at)
    SELECT base + n, $1, directory_id, user_id, ${lists}, 'CATALOG_CHANGE', 'limit', now(), clock_timestamp() FROM page, head
  ), closed AS (
    UPDATE effective_entitlement e SET to_position = base + n, to_at = now(), to_cause = '${CAUSE}'
    FROM page, head WHERE e.user_id = page.user_id AND e.to_position = ${OPEN_END} RETURNING 1
  ), opened AS (
    INSERT INTO effective_entitlement (user_id, from_position, organization_id, directory_id, roles, permissions, reasons, from_at, from_cause)
    SELECT user_id, base + n, $1, directory_id, roles, permissions, reasons, now(), '${CAUSE}' FROM page, head WHERE (SELECT count(*) FROM closed) >= 0
  )
  SELECT max(user_id) AS last, count(*)::int AS count FROM page`;

export interface WideLimit {
  /** Gives everybody a role, or takes it away again; resolves with changes a second. */
  round(): Promise<number>;
  close(): Promise<void>;
}

/** On a database of its own. As many at a time as the service does. */
export function openWideLimit(url: string): WideLimit {
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  let rounds = 0;
  return {
    async round() {
      const sql = chunk(rounds % 2 === 0 ? GIVE : TAKE);
      rounds += 1;
      const startedAt = performance.now();
      let changes = 0;
      const waiting = Array.from({ length: ORGANIZATIONS }, (_, n) => organizationId(n));
      const work = async (): Promise<void> => {
        const client = await pool.connect();
        // Of a page nothing is known beforehand: the planner would read all versions for it.
        await client.query('SET enable_hashjoin = off; SET enable_mergejoin = off');
        for (let organization = waiting.shift(); organization; organization = waiting.shift()) {
          for (let after: string | null = ''; after !== null; ) {
            const { rows }: pg.QueryResult<{ last: string | null; count: number }> = await client.query(sql, [organization, after]);
            changes += rows[0]?.count ?? 0;
            after = rows[0]?.last ?? null;
          }
        }
        client.release();
      };
      await Promise.all([work(), work()]);
      return changes / ((performance.now() - startedAt) / 1_000);
    },
    close: () => pool.end(),
  };
}
