// What is answered about the effective access of a user, with its freshness: of one snapshot, as the statements of lookup.ts and
// snapshot.ts read it.
import type { KeptTexts } from '../lib/kept-texts.ts';
import type { Position } from '../model/cursor.ts';
import { type Effective, type EntitlementPath, NO_ACCESS } from '../model/entitlement.ts';
import type { DirectoryState, SourceUserState } from '../model/fact.ts';

export type UserState = SourceUserState | 'DELETED';

export interface Freshness {
  /** The position of the change log that the answer reflects. */
  position: Position;
  /** Age of the oldest event of this organization that is known and not applied, or of a wide change under way; 0 when there is none. */
  lagSeconds: number;
  directoryState: DirectoryState;
  driftSuspected: boolean;
}

export interface EffectiveAnswer {
  userId: string;
  organizationId: string;
  userState: UserState;
  effective: Effective;
  /** Made of `effective` and of nothing else; absent where that is not kept. */
  texts?: KeptTexts | undefined;
  freshness: Freshness;
  /** When it was read, by the clock of the database: what has expired by then is not in force. */
  readAt: Date;
}

/** All but what the user may do. */
type Facts = Pick<EffectiveAnswer, 'userId' | 'organizationId' | 'userState' | 'readAt'> & Freshness;

type Row = Facts & { [K in keyof Effective]: Effective[K] | null };

// Per user: directory_user and directory by primary key, effective_entitlement by (user_id, to_position); change_log_head by
// primary key; the oldest pending event of the organization and that of the environment, one entry each of the partial index on
// pending events. Asked for both at once, the planner walks the index on occurred_at from the oldest event of all.
export const FRESHNESS_COLUMNS = `
  u.id AS "userId", u.organization_id AS "organizationId", u.state AS "userState", d.state AS "directoryState",
  u.drift_suspected OR EXISTS (SELECT 1 FROM refresh_task r WHERE r.user_id = u.id) AS "driftSuspected",
  now() AS "readAt", (SELECT position FROM change_log_head WHERE id = 1) AS position,
  coalesce(greatest(0, extract(epoch FROM now() - least(
    (SELECT min(occurred_at) FROM directory_event WHERE status = 'PENDING' AND partition = u.organization_id),
    (SELECT min(started_at) FROM wide_change WHERE organization_id = u.organization_id AND finished_at IS NULL),
    (SELECT min(occurred_at) FROM directory_event WHERE status = 'PENDING' AND partition = 'environment'))))::float8, 0) AS "lagSeconds"`;

export function toAnswer({ roles, permissions, reasons, ...facts }: Row): EffectiveAnswer {
  return answerOf(facts, roles && permissions && reasons ? { roles, permissions, reasons } : NO_ACCESS);
}

/** `texts`: of what is stored. */
export function answerOf(facts: Facts, stored: Effective, texts?: KeptTexts): EffectiveAnswer {
  const { userId, organizationId, userState, directoryState, driftSuspected, position, lagSeconds, readAt } = facts;
  const effective = inForceAt(stored, readAt);
  return {
    userId,
    organizationId,
    userState,
    effective,
    texts: effective === stored ? texts : undefined,
    freshness: { position, lagSeconds, directoryState, driftSuspected },
    readAt,
  };
}

/** Without paths of grants that have expired, in case the sweep that records their end has not come round yet. */
export function inForceAt(effective: Effective, now: Date): Effective {
  const { paths, permissions } = effective.reasons;
  if (paths.every(({ expiresAt }) => expiresAt === null)) return effective;
  const time = now.toISOString();
  const holds = (path: EntitlementPath | undefined): boolean => path !== undefined && (path.expiresAt === null || path.expiresAt > time);
  if (paths.every(holds)) return effective;
  // In the order of the list: jsonb gives keys back in an order of its own.
  const kept = effective.permissions.flatMap((permission): [string, number[]][] => {
    const left = (permissions[permission] ?? []).filter((index) => holds(paths[index]));
    return left.length > 0 ? [[permission, left]] : [];
  });
  const roles = new Set(paths.filter(holds).map((path) => path.role));
  return {
    roles: effective.roles.filter((role) => roles.has(role)),
    permissions: kept.map(([permission]) => permission),
    // The list stays whole, so that the indices go on pointing at the right paths.
    reasons: { paths, permissions: Object.fromEntries(kept) },
  };
}

export type DecisionReason = 'GRANTED' | 'NO_PATH' | 'USER_NOT_ACTIVE' | 'USER_UNKNOWN' | 'DIRECTORY_NOT_ACTIVE';

/** Pure. `undefined`: the caller may not see such a user, or there is none. */
export function decide(
  answer: EffectiveAnswer | undefined,
  permission: string,
): { allowed: boolean; reason: DecisionReason; via: EntitlementPath[] } {
  const denied = (reason: DecisionReason) => ({ allowed: false, reason, via: [] });
  if (!answer) return denied('USER_UNKNOWN');
  if (answer.userState !== 'ACTIVE') return denied('USER_NOT_ACTIVE');
  if (answer.freshness.directoryState !== 'ACTIVE') return denied('DIRECTORY_NOT_ACTIVE');
  const via = pathsTo(answer.effective, permission);
  return via.length > 0 ? { allowed: true, reason: 'GRANTED', via } : denied('NO_PATH');
}

export function pathsTo(effective: Effective, permission: string): EntitlementPath[] {
  const { paths, permissions } = effective.reasons;
  const via: EntitlementPath[] = [];
  for (const index of Object.hasOwn(permissions, permission) ? (permissions[permission] ?? []) : []) {
    const path = paths[index];
    if (path) via.push(path);
  }
  return via;
}

export const pathsOfRole = (effective: Effective, role: string, now: Date): EntitlementPath[] =>
  effective.reasons.paths.filter((path) => path.role === role && (path.expiresAt === null || path.expiresAt > now.toISOString()));
