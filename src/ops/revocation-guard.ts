// Pure: the guard before a mass removal, for replays and reconciliations. Too many accounts would lose a permission: nothing
// is done, and a token is handed out that stands for exactly the difference that was previewed. Whoever gives it back confirms
// that difference and no other; what has changed since needs a new preview and a new token. The token protects from mistakes,
// not from its owner, who might as well raise maxRevocations: so it needs no secret, and it ends after an hour.
import { createHash } from 'node:crypto';
import { losesAccess } from '../entitlements/revocation-limit.ts';
import { AccessError } from '../errors.ts';

/** The net change of one account, as a preview shows it. */
export interface AccountChange {
  userId: string;
  grantedPermissions: readonly string[];
  revokedPermissions: readonly string[];
}

/** What would be done, summed up account by account in any order, each account once. Plain JSON: it may rest in a row between two steps. */
export interface Difference {
  /** Accounts that lose a permission. */
  revocations: number;
  /** Sum of the accounts' digests modulo 2^256, in hexadecimal. */
  digest: string;
}

export const NO_DIFFERENCE: Difference = { revocations: 0, digest: '0'.repeat(64) };

export interface GuardedChange {
  kind: 'REPLAY' | 'RECONCILIATION';
  /** What the operator asked for, in one form: the same request gives the same text. */
  scope: string;
  difference: Difference;
}

export type Verdict = { allowed: true } | { allowed: false; confirmToken: string; message: string; details: Record<string, unknown> };

const TOKEN_VALID_MS = 3_600_000;

const sha256 = (parts: readonly unknown[]): string => createHash('sha256').update(JSON.stringify(parts)).digest('hex');

const plus = (a: string, b: string): string =>
  BigInt.asUintN(256, BigInt(`0x${a}`) + BigInt(`0x${b}`))
    .toString(16)
    .padStart(64, '0');

export function addToDifference(difference: Difference, changes: readonly AccountChange[]): Difference {
  let { revocations, digest } = difference;
  for (const change of changes) {
    const { userId, grantedPermissions, revokedPermissions } = change;
    if (losesAccess(change)) revocations += 1;
    digest = plus(digest, sha256([userId, [...grantedPermissions].sort(), [...revokedPermissions].sort()]));
  }
  return { revocations, digest };
}

const seal = ({ kind, scope, difference }: GuardedChange, until: string): string =>
  sha256([kind, scope, difference.revocations, difference.digest, until]).slice(0, 32);

export function issueToken(change: GuardedChange, now: Date): string {
  const until = (now.getTime() + TOKEN_VALID_MS).toString(36);
  return `${until}.${seal(change, until)}`;
}

/** Whether `token` stands for this very change and has not ended. */
export function confirms(token: string | null | undefined, change: GuardedChange, now: Date): boolean {
  const [until, sealed, ...rest] = (token ?? '').split('.');
  if (!until || !sealed || rest.length > 0) return false;
  return Number.parseInt(until, 36) > now.getTime() && sealed === seal(change, until);
}

/** `limit`: see src/entitlements/revocation-limit.ts. */
export function judgeRevocations(
  change: GuardedChange,
  { limit, confirmToken, now }: { limit: number; confirmToken: string | null; now: Date },
): Verdict {
  const { revocations } = change.difference;
  if (revocations <= limit || confirms(confirmToken, change, now)) return { allowed: true };
  const token = issueToken(change, now);
  const why = confirmToken ? 'The token given stands for another difference, or has ended. ' : '';
  return {
    allowed: false,
    confirmToken: token,
    message: `${why}${revocations} accounts would lose a permission, and ${limit} may without confirmation. Look at the preview; then ask again with confirmToken, or with a higher maxRevocations.`,
    details: { confirmToken: token, revocations, maxRevocations: limit },
  };
}

/** For where the contract has no field for the token. */
export const confirmationRequired = ({ message, details }: Extract<Verdict, { allowed: false }>): AccessError =>
  new AccessError('CONFIRMATION_REQUIRED', message, { details });
