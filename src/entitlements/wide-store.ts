// Writes one step of the access of many users by one cause, each of one organization: the same rows as store.ts, in one
// statement in which what users have in common stands once. The caller does nothing after it but commit.
import type { Tx } from '../db/client.ts';
import type { Cause } from '../model/change.ts';
import { OPEN_END } from '../model/cursor.ts';
import { causeJson } from './store.ts';
import { LINE } from './text-rows.ts';
import type { Shape } from './wide-shapes.ts';

export interface WideStep {
  userId: string;
  directoryId: string;
  shape: Shape;
}

// The counter row by primary key, first of all that is written; versions by (user_id, OPEN). A version that began where it would end
// can only be one that waits for the next change: it goes. What is opened waits for what is closed.
const STORE = `
  WITH head AS (UPDATE change_log_head SET position = position + $1 WHERE id = 1 RETURNING position - $1 AS base),
  shape AS MATERIALIZED (
    SELECT t.*, r.reasons::json AS reasons
    FROM json_to_recordset($2::json) AS t(s int, told boolean, holds boolean, roles text[], permissions text[],
      granted_permissions text[], revoked_permissions text[], granted_roles text[], revoked_roles text[])
    JOIN unnest(string_to_array($7, '${LINE}')) WITH ORDINALITY AS r(reasons, s) USING (s)
  ), t AS MATERIALIZED (
    SELECT t.n, t.u, t.d, t.s, head.base + t.n AS position FROM head, json_to_recordset($3::json) AS t(n bigint, u text, d text, s int)
  ), appended AS (
    INSERT INTO entitlement_change (position, organization_id, directory_id, user_id, granted_permissions, revoked_permissions,
                                    granted_roles, revoked_roles, cause_kind, event_id, event_type, actor, reason, occurred_at, recorded_at)
    SELECT t.position, $4, t.d, t.u, s.granted_permissions, s.revoked_permissions, s.granted_roles, s.revoked_roles,
           ($5::jsonb ->> 'kind')::change_cause_kind, $5::jsonb ->> 'eventId', $5::jsonb ->> 'eventType', $5::jsonb ->> 'actor', $5::jsonb ->> 'reason', $6::timestamptz, clock_timestamp()
    FROM t JOIN shape s USING (s) WHERE s.told
  ), gone AS (
    DELETE FROM effective_entitlement e USING t WHERE t.n = 1 AND e.user_id = t.u AND e.to_position = ${OPEN_END} AND e.from_position >= t.position RETURNING 1
  ), closed AS (
    UPDATE effective_entitlement e SET to_position = t.position, to_at = $6::timestamptz, to_cause = $5::jsonb
    FROM t WHERE e.user_id = t.u AND e.to_position = ${OPEN_END} AND e.from_position < t.position RETURNING 1
  ), opened AS (
    INSERT INTO effective_entitlement (user_id, from_position, organization_id, directory_id, roles, permissions, reasons, from_at, from_cause)
    SELECT t.u, t.position, $4, t.d, s.roles, s.permissions, s.reasons, $6::timestamptz, $5::jsonb
    FROM t JOIN shape s USING (s) WHERE s.holds AND (SELECT count(*) FROM gone) + (SELECT count(*) FROM closed) >= 0
  )
  SELECT base FROM head`;

export async function storeWideStep(tx: Tx, organizationId: string, steps: readonly WideStep[], cause: Cause): Promise<void> {
  if (steps.length === 0) return;
  const numbers = new Map<Shape, number>();
  let told = 0;
  const users = steps.map(({ userId, directoryId, shape }) => {
    const number = numbers.get(shape) ?? numbers.size + 1;
    numbers.set(shape, number);
    // What alters reasons only counts from the next change to come.
    const row = { n: told + 1, u: userId, d: directoryId, s: number };
    if (shape.difference) told += 1;
    return row;
  });
  const shapes = [...numbers.keys()];
  await tx.$queryRawUnsafe(
    STORE,
    BigInt(told),
    `[${shapes.map(({ lists }, index) => `{"s":${index + 1},${lists}`).join()}]`,
    JSON.stringify(users),
    organizationId,
    JSON.stringify(causeJson(cause)),
    cause.occurredAt.toISOString(),
    // Reasons are by far the most of it, and as JSON within JSON they would be taken apart twice.
    shapes.map(({ reasons }) => reasons).join(LINE),
  );
}
