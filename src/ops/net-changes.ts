// Pure: from the steps of a fold to one net change per account.
import { diffEffective } from '../entitlements/diff.ts';
import type { AccessTransition, Transition } from '../entitlements/transition.ts';
import type { AccessChange } from '../model/change.ts';

/** Accounts whose roles or permissions differ in the end. */
export function netChanges(
  transitions: readonly Transition[],
): Pick<AccessChange, 'userId' | 'grantedPermissions' | 'revokedPermissions'>[] {
  const byUser = new Map<string, { first: AccessTransition; last: AccessTransition }>();
  for (const transition of transitions) {
    if (transition.kind !== 'access') continue;
    byUser.set(transition.userId, { first: byUser.get(transition.userId)?.first ?? transition, last: transition });
  }
  return [...byUser].flatMap(([userId, { first, last }]) => {
    const difference = diffEffective(first.before, last.after);
    if (!difference) return [];
    const { grantedPermissions, revokedPermissions } = difference;
    return [{ userId, grantedPermissions, revokedPermissions }];
  });
}
