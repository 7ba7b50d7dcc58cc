// Appends to the change log. Must be the first statement of a transaction that touches change_log_head, and come after all
// other work: whoever holds the counter row holds up every other writer until commit. That is what makes positions
// commit-ordered and contiguous (I3); a sequence would not (pitfalls: 2,203 of 5,902 rows never seen).
import type { Tx } from '../db/client.ts';
import type { AccessChange } from '../model/change.ts';
import type { Position } from '../model/cursor.ts';

export interface Appended {
  /** The position before the first of them: change i (from 0) stands at base + i + 1. */
  base: Position;
  recordedAt: Date;
}

/** What is written along with the changes, in the same statement: CTEs that may read `head.base`, with parameters from $3 on. */
export interface Following {
  name: string;
  ctes: string;
  params: readonly unknown[];
}

// One statement: the counter row by primary key, then the rows in the order of the list.
const append = ({ name, ctes }: Following): string => `/* prepared: append_${name} */
  WITH head AS (
    UPDATE change_log_head SET position = position + $1 WHERE id = 1 RETURNING position - $1 AS base, clock_timestamp()::timestamptz(3) AS recorded_at
  ), appended AS (
    INSERT INTO entitlement_change (position, organization_id, directory_id, user_id, granted_permissions, revoked_permissions,
                                    granted_roles, revoked_roles, cause_kind, event_id, event_type, replay_id, drift_report_id, actor, reason, occurred_at, recorded_at)
    SELECT head.base + t.offset_, t.organization_id, t.directory_id, t.user_id, t.granted_permissions, t.revoked_permissions,
           t.granted_roles, t.revoked_roles, t.cause_kind, t.event_id, t.event_type, t.replay_id, t.drift_report_id, t.actor, t.reason, t.occurred_at, head.recorded_at
    FROM head, json_to_recordset($2::json) AS t(offset_ bigint, organization_id text, directory_id text, user_id text, granted_permissions text[], revoked_permissions text[],
           granted_roles text[], revoked_roles text[], cause_kind change_cause_kind, event_id text, event_type text, replay_id text, drift_report_id text, actor text, reason text, occurred_at timestamptz)
  )${ctes}
  SELECT base, recorded_at AS "recordedAt" FROM head`;

/** With no changes it only takes the lock, and writes what follows. */
export async function appendChanges(
  tx: Tx,
  changes: readonly AccessChange[],
  following: Following = { name: 'alone', ctes: '', params: [] },
): Promise<Appended> {
  const rows = changes.map((change, index) => ({
    offset_: index + 1,
    organization_id: change.organizationId,
    directory_id: change.directoryId,
    user_id: change.userId,
    granted_permissions: change.grantedPermissions,
    revoked_permissions: change.revokedPermissions,
    granted_roles: change.grantedRoles,
    revoked_roles: change.revokedRoles,
    cause_kind: change.cause.kind,
    event_id: change.cause.eventId,
    event_type: change.cause.eventType,
    replay_id: change.cause.replayId,
    drift_report_id: change.cause.driftReportId,
    actor: change.cause.actor,
    reason: change.cause.reason,
    occurred_at: change.cause.occurredAt,
  }));
  const [head] = await tx.$queryRawUnsafe<Appended[]>(append(following), BigInt(rows.length), JSON.stringify(rows), ...following.params);
  if (!head) throw new Error('change_log_head has no row: the migrations did not run to the end');
  return head;
}
