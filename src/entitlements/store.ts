// Writes transitions: the change log, the versions of effective access and the intervals of memberships, in the caller's
// transaction, which must do nothing after this but commit (see changes/append.ts). Invariants I2 and I3 live here:
// a version begins at the position of the change that made it; a step that alters reasons only begins at the position of
// the next change to come, so that a snapshot at P never shifts.
import { appendChanges } from '../changes/append.ts';
import type { Tx } from '../db/client.ts';
import type { AccessChange, Cause } from '../model/change.ts';
import type { Position } from '../model/cursor.ts';
import { diffEffective, sameEffective } from './diff.ts';
import type { AccessTransition, MembershipTransition, Transition } from './transition.ts';

export const OPEN = '9223372036854775807';

// By primary key (user_id, OPEN). A version that began where it would end was never visible: it goes.
const CLOSE_ACCESS = `
  WITH t AS (SELECT * FROM json_to_recordset($1::json) AS t(user_id text, position bigint, at timestamptz, cause jsonb)),
  gone AS (DELETE FROM effective_entitlement e USING t WHERE e.user_id = t.user_id AND e.to_position = ${OPEN} AND e.from_position >= t.position)
  UPDATE effective_entitlement e SET to_position = t.position, to_at = t.at, to_cause = t.cause
  FROM t WHERE e.user_id = t.user_id AND e.to_position = ${OPEN} AND e.from_position < t.position`;

const OPEN_ACCESS = `
  INSERT INTO effective_entitlement (user_id, from_position, to_position, organization_id, directory_id, roles, permissions, reasons, from_at, to_at, from_cause, to_cause)
  SELECT * FROM json_to_recordset($1::json) AS t(user_id text, from_position bigint, to_position bigint, organization_id text, directory_id text,
    roles text[], permissions text[], reasons json, from_at timestamptz, to_at timestamptz, from_cause jsonb, to_cause jsonb)`;

const CLOSE_MEMBERSHIP = `
  WITH t AS (SELECT * FROM json_to_recordset($1::json) AS t(user_id text, group_id text, position bigint, at timestamptz, cause jsonb)),
  gone AS (DELETE FROM membership_interval m USING t WHERE m.user_id = t.user_id AND m.group_id = t.group_id AND m.to_position = ${OPEN} AND m.from_position >= t.position)
  UPDATE membership_interval m SET to_position = t.position, to_at = t.at, to_cause = t.cause
  FROM t WHERE m.user_id = t.user_id AND m.group_id = t.group_id AND m.to_position = ${OPEN} AND m.from_position < t.position`;

const OPEN_MEMBERSHIP = `
  INSERT INTO membership_interval (user_id, group_id, organization_id, from_position, to_position, from_at, to_at, from_cause, to_cause)
  SELECT * FROM json_to_recordset($1::json) AS t(user_id text, group_id text, organization_id text, from_position bigint, to_position bigint,
    from_at timestamptz, to_at timestamptz, from_cause jsonb, to_cause jsonb)`;

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
  at: (offset: number) => Position,
  lasts: (transition: T) => boolean,
  row: (transition: T) => Record<string, unknown>,
) {
  const first = chain[0] as Placed<T>;
  const close = { position: String(at(first.offset)), at: first.transition.cause.occurredAt, cause: causeJson(first.transition.cause) };
  const open = chain.flatMap(({ transition, offset }, index) => {
    const next = chain[index + 1];
    if (!lasts(transition) || next?.offset === offset) return [];
    return [
      {
        ...row(transition),
        from_position: String(at(offset)),
        to_position: next ? String(at(next.offset)) : OPEN,
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

const write = async (tx: Tx, sql: string, rows: readonly object[]): Promise<void> => {
  if (rows.length > 0) await tx.$executeRawUnsafe(sql, JSON.stringify(rows));
};

/** Returns how many changes were recorded. Transitions that alter nothing are dropped; nothing at all takes no lock. */
export async function storeTransitions(tx: Tx, transitions: readonly Transition[]): Promise<number> {
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
  if (access.length === 0 && memberships.length === 0) return 0;
  const base = await appendChanges(tx, changes);
  const at = (offset: number): Position => base + BigInt(offset);

  if (access.length > 0) {
    const rows = chains(access, (t) => t.userId).map((chain) => ({
      userId: (chain[0] as Placed<AccessTransition>).transition.userId,
      had: hadAccess((chain[0] as Placed<AccessTransition>).transition),
      ...toRows(
        chain,
        at,
        (t) => t.after.roles.length > 0,
        (t) => ({
          user_id: t.userId,
          organization_id: t.organizationId,
          directory_id: t.directoryId,
          roles: t.after.roles,
          permissions: t.after.permissions,
          reasons: t.after.reasons,
        }),
      ),
    }));
    // Whoever had no access has no version that is open.
    const closed = rows.filter(({ had }) => had).map(({ userId, close }) => ({ user_id: userId, ...close }));
    await write(tx, CLOSE_ACCESS, closed);
    await write(
      tx,
      OPEN_ACCESS,
      rows.flatMap(({ open }) => open),
    );
  }
  if (memberships.length > 0) {
    const rows = chains(memberships, (t) => `${t.userId}\n${t.groupId}`).map((chain) => {
      const { userId, groupId } = (chain[0] as Placed<MembershipTransition>).transition;
      const built = toRows(
        chain,
        at,
        (t) => t.active,
        (t) => ({ user_id: t.userId, group_id: t.groupId, organization_id: t.organizationId }),
      );
      return { key: { user_id: userId, group_id: groupId }, ...built };
    });
    await write(
      tx,
      CLOSE_MEMBERSHIP,
      rows.map(({ key, close }) => ({ ...key, ...close })),
    );
    await write(
      tx,
      OPEN_MEMBERSHIP,
      rows.flatMap(({ open }) => open),
    );
  }
  return changes.length;
}
