// Writes transitions: the change log, the versions of effective access and the intervals of memberships, in the caller's
// transaction, which must do nothing after this but commit (see changes/append.ts). Invariants I2 and I3 live here:
// a version begins at the position of the change that made it; a step that alters reasons only begins at the position of
// the next change to come, so that a snapshot at P never shifts.
import { appendChanges } from '../changes/append.ts';
import type { Tx } from '../db/client.ts';
import type { AccessChange, Cause, RecordedChange } from '../model/change.ts';
import { OPEN_END } from '../model/cursor.ts';
import { diffEffective, sameEffective } from './diff.ts';
import type { AccessTransition, MembershipTransition, Transition } from './transition.ts';

// Lists of what ends ($3, $5) and of what begins ($4, $6); places are relative to head.base. By primary key (user_id, OPEN), and
// (user_id, group_id, OPEN). A version that began where it would end was never visible: it goes. What is opened waits for what is
// closed: both are the one open row of their key.
const VERSIONS = `, access_end AS (
    SELECT t.*, head.base + t.place AS position FROM head, json_to_recordset($3::json) AS t(user_id text, place bigint, at timestamptz, cause jsonb)
  ), access_gone AS (
    DELETE FROM effective_entitlement e USING access_end t
    WHERE e.user_id = t.user_id AND e.to_position = ${OPEN_END} AND e.from_position >= t.position RETURNING 1
  ), access_closed AS (
    UPDATE effective_entitlement e SET to_position = t.position, to_at = t.at, to_cause = t.cause
    FROM access_end t WHERE e.user_id = t.user_id AND e.to_position = ${OPEN_END} AND e.from_position < t.position RETURNING 1
  ), access_opened AS (
    INSERT INTO effective_entitlement (user_id, from_position, to_position, organization_id, directory_id, roles, permissions, reasons, from_at, to_at, from_cause, to_cause)
    SELECT t.user_id, head.base + t.from_place, coalesce(head.base + t.to_place, ${OPEN_END}), t.organization_id, t.directory_id,
           t.roles, t.permissions, t.reasons, t.from_at, t.to_at, t.from_cause, t.to_cause
    FROM head, json_to_recordset($4::json) AS t(user_id text, from_place bigint, to_place bigint, organization_id text, directory_id text,
           roles text[], permissions text[], reasons json, from_at timestamptz, to_at timestamptz, from_cause jsonb, to_cause jsonb)
    WHERE (SELECT count(*) FROM access_gone) + (SELECT count(*) FROM access_closed) >= 0
  ), membership_end AS (
    SELECT t.*, head.base + t.place AS position
    FROM head, json_to_recordset($5::json) AS t(user_id text, group_id text, place bigint, at timestamptz, cause jsonb)
  ), membership_gone AS (
    DELETE FROM membership_interval m USING membership_end t
    WHERE m.user_id = t.user_id AND m.group_id = t.group_id AND m.to_position = ${OPEN_END} AND m.from_position >= t.position RETURNING 1
  ), membership_closed AS (
    UPDATE membership_interval m SET to_position = t.position, to_at = t.at, to_cause = t.cause
    FROM membership_end t WHERE m.user_id = t.user_id AND m.group_id = t.group_id AND m.to_position = ${OPEN_END} AND m.from_position < t.position RETURNING 1
  ), membership_opened AS (
    INSERT INTO membership_interval (user_id, group_id, organization_id, from_position, to_position, from_at, to_at, from_cause, to_cause)
    SELECT t.user_id, t.group_id, t.organization_id, head.base + t.from_place, coalesce(head.base + t.to_place, ${OPEN_END}),
           t.from_at, t.to_at, t.from_cause, t.to_cause
    FROM head, json_to_recordset($6::json) AS t(user_id text, group_id text, organization_id text, from_place bigint, to_place bigint,
           from_at timestamptz, to_at timestamptz, from_cause jsonb, to_cause jsonb)
    WHERE (SELECT count(*) FROM membership_gone) + (SELECT count(*) FROM membership_closed) >= 0
  )`;

interface Placed<T extends Transition> {
  transition: T;
  /** Position of its change relative to the base, or of the next change to come. */
  offset: number;
}

export const causeJson = ({ occurredAt: _, ...cause }: Cause): Record<string, unknown> =>
  Object.fromEntries(Object.entries(cause).filter(([, value]) => value !== null));

/** Consecutive steps of one key, in order. */
function chains<T extends Transition>(placed: readonly Placed<T>[], keyOf: (transition: T) => string): Placed<T>[][] {
  const byKey = new Map<string, Placed<T>[]>();
  for (const item of placed) {
    const key = keyOf(item.transition);
    const chain = byKey.get(key);
    if (chain) chain.push(item);
    else byKey.set(key, [item]);
  }
  return [...byKey.values()];
}

/** Rows for closing what was open before the chain, and for the steps within it that last. */
function toRows<T extends Transition>(
  chain: Placed<T>[],
  lasts: (transition: T) => boolean,
  row: (transition: T) => Record<string, unknown>,
) {
  const first = chain[0] as Placed<T>;
  const close = { place: first.offset, at: first.transition.cause.occurredAt, cause: causeJson(first.transition.cause) };
  const open = chain.flatMap(({ transition, offset }, index) => {
    const next = chain[index + 1];
    if (!lasts(transition) || next?.offset === offset) return [];
    return [
      {
        ...row(transition),
        from_place: offset,
        to_place: next?.offset ?? null,
        from_at: transition.cause.occurredAt,
        from_cause: causeJson(transition.cause),
        to_at: next?.transition.cause.occurredAt ?? null,
        to_cause: next ? causeJson(next.transition.cause) : null,
      },
    ];
  });
  return { close, open };
}

const hadAccess = ({ before, anew }: AccessTransition): boolean => anew === true || before.roles.length > 0;

function accessRows(placed: readonly Placed<AccessTransition>[]) {
  const rows = chains(placed, (t) => t.userId).map((chain) => {
    const { transition } = chain[0] as Placed<AccessTransition>;
    const { close, open } = toRows(
      chain,
      (t) => t.after.roles.length > 0,
      (t) => ({
        user_id: t.userId,
        organization_id: t.organizationId,
        directory_id: t.directoryId,
        roles: t.after.roles,
        permissions: t.after.permissions,
        reasons: t.after.reasons,
      }),
    );
    // Whoever had no access has no version that is open.
    return { close: hadAccess(transition) ? [{ user_id: transition.userId, ...close }] : [], open };
  });
  return { close: rows.flatMap(({ close }) => close), open: rows.flatMap(({ open }) => open) };
}

function membershipRows(placed: readonly Placed<MembershipTransition>[]) {
  const rows = chains(placed, (t) => `${t.userId}\n${t.groupId}`).map((chain) => {
    const { userId, groupId } = (chain[0] as Placed<MembershipTransition>).transition;
    const key = { user_id: userId, group_id: groupId };
    const { close, open } = toRows(
      chain,
      (t) => t.active,
      (t) => ({ ...key, organization_id: t.organizationId }),
    );
    return { close: { ...key, ...close }, open };
  });
  return { close: rows.map(({ close }) => close), open: rows.flatMap(({ open }) => open) };
}

/** Returns the changes recorded, as a reader of the log finds them. Transitions that alter nothing are dropped; nothing at all takes no lock. */
export async function storeTransitions(tx: Tx, transitions: readonly Transition[]): Promise<RecordedChange[]> {
  const changes: AccessChange[] = [];
  const access: Placed<AccessTransition>[] = [];
  const memberships: Placed<MembershipTransition>[] = [];
  for (const transition of transitions) {
    if (transition.kind === 'membership') {
      memberships.push({ transition, offset: changes.length + 1 });
      continue;
    }
    const { before, after, organizationId, directoryId, userId, cause } = transition;
    if (!transition.anew && sameEffective(before, after)) continue;
    const difference = diffEffective(before, after);
    access.push({ transition, offset: changes.length + 1 });
    if (difference) changes.push({ organizationId, directoryId, userId, ...difference, cause });
  }
  if (access.length === 0 && memberships.length === 0) return [];
  const versions = [accessRows(access), membershipRows(memberships)];
  const params = versions.flatMap(({ close, open }) => [JSON.stringify(close), JSON.stringify(open)]);
  const { base, recordedAt } = await appendChanges(tx, changes, { name: 'and_versions', ctes: VERSIONS, params });
  return changes.map((change, index) => ({ position: base + BigInt(index + 1), ...change, recordedAt }));
}
