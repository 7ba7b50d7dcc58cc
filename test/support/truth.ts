// The service against the fake WorkOS, which knows the truth: who is there, in which state, in which groups.
import type { Db } from '../../src/db/client.ts';
import type { Truth } from '../../src/fake-workos/truth.ts';

/** Every difference, by account; empty when the service is in step. */
export async function differencesFromTruth(db: Db, truth: Truth): Promise<string[]> {
  const found: string[] = [];
  const users = new Map((await db.directoryUser.findMany({ where: { state: { not: 'DELETED' } } })).map((user) => [user.id, user]));
  const groupsOf = new Map<string, string[]>();
  for (const { userId, groupId } of await db.membership.findMany({ where: { active: true }, orderBy: { groupId: 'asc' } })) {
    groupsOf.set(userId, [...(groupsOf.get(userId) ?? []), groupId]);
  }
  for (const [id, expected] of truth.users) {
    const user = users.get(id);
    users.delete(id);
    if (!user) found.push(`${id} is missing`);
    else if (user.state.toLowerCase() !== expected.state) found.push(`${id} is ${user.state}, not ${expected.state}`);
    else if (user.state === 'ACTIVE' && String(groupsOf.get(id) ?? []) !== String(truth.groupsOf(id))) {
      found.push(`${id} is in [${groupsOf.get(id) ?? []}], not in [${truth.groupsOf(id)}]`);
    }
  }
  for (const id of users.keys()) found.push(`${id} should not be there`);
  return found;
}
