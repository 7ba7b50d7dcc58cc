// The service against the fake WorkOS, which knows the truth: who is there, in which state, in which groups, and that nothing is
// left of groups and people that are no more.
import type { Db } from '../../src/db/client.ts';
import type { Truth } from '../../src/fake-workos/truth.ts';
import type { Effective } from '../../src/model/entitlement.ts';
import { OPEN } from './invariants.ts';

/** Every difference, by account; empty when the service is in step. */
export async function differencesFromTruth(db: Db, truth: Truth): Promise<string[]> {
  const found: string[] = [];
  const users = new Map((await db.directoryUser.findMany({ where: { state: { not: 'DELETED' } } })).map((user) => [user.id, user]));
  const active = await db.membership.findMany({ where: { active: true }, orderBy: { groupId: 'asc' } });
  const groupsOf = Map.groupBy(active, ({ userId }) => userId);
  for (const [id, expected] of truth.users) {
    const user = users.get(id);
    users.delete(id);
    const groups = (groupsOf.get(id) ?? []).map(({ groupId }) => groupId);
    if (!user) found.push(`${id} is missing`);
    else if (user.state.toLowerCase() !== expected.state) found.push(`${id} is ${user.state}, not ${expected.state}`);
    else if (user.state === 'ACTIVE' && String(groups) !== String(truth.groupsOf(id))) {
      found.push(`${id} is in [${groups}], not in [${truth.groupsOf(id)}]`);
    }
  }
  for (const id of users.keys()) found.push(`${id} should not be there`);
  return [...(await remains(db, truth, active)), ...found];
}

/** Memberships that still count, intervals that still run and access that is still given, of what the truth does not know. */
async function remains(db: Db, truth: Truth, active: readonly { userId: string; groupId: string }[]): Promise<string[]> {
  const isGone = ({ userId, groupId }: { userId: string; groupId: string | null }): boolean =>
    !truth.users.has(userId) || (groupId !== null && !truth.groups.has(groupId));
  const open = await db.membershipInterval.findMany({ where: { toPosition: OPEN } });
  const paths = (await db.effectiveEntitlement.findMany({ where: { toPosition: OPEN } })).flatMap(({ userId, reasons }) =>
    (reasons as unknown as Effective['reasons']).paths.map(({ groupId, role }) => ({ userId, groupId, role })),
  );
  return [
    ...active.filter(isGone).map(({ userId, groupId }) => `the membership of ${userId} in ${groupId} counts, and one of them is no more`),
    ...open.filter(isGone).map(({ userId, groupId }) => `${userId} in ${groupId} has not ended, and one of them is no more`),
    ...paths
      .filter(isGone)
      .map(({ userId, groupId, role }) => `${userId} has ${role} through ${groupId ?? 'nothing'}, and one of them is no more`),
  ];
}
