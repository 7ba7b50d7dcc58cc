// A few companies whose life a test drives step by step through the fake WorkOS, which keeps the truth. Everything happens
// to the same few people, so that order matters.
import type { Publish } from '../../src/fake-workos/publisher.ts';
import type { Random } from '../../src/lib/random.ts';
import { aDirectory, aGroup, aMembership, aUser, type Json } from './workos-objects.ts';

export const SCRIPTED_CATALOG = {
  roles: [
    { slug: 'engineer', permissions: ['code:write', 'ci:run'] },
    { slug: 'admin', permissions: ['code:write', 'org:admin'] },
    { slug: 'reader', permissions: ['docs:read'] },
    // Given by grants alone.
    { slug: 'oncall', permissions: ['pager:ack'] },
  ],
  groupMappings: [1, 2, 3].flatMap((n) => [
    { organizationId: `org_${n}`, groupName: 'engineers', roles: ['engineer'] },
    { organizationId: `org_${n}`, groupName: 'admins', roles: ['admin', 'reader'] },
    { organizationId: `org_${n}`, groupName: 'readers', roles: ['reader'] },
  ]),
};

export interface ScriptedCompany {
  /** Three directories with their groups and people. */
  found(): void;
  /** Something happens to somebody. */
  step(): void;
}

export function createScriptedCompany(publish: Publish, random: Random, { people = 8 } = {}): ScriptedCompany {
  const tell = (event: string, data: Json): void => void publish({ object: 'event', event, data });
  const now = (): string => new Date().toISOString();
  const own = (n: number): Json => ({ directory_id: `directory_${n}`, organization_id: `org_${n}` });
  const groups = [1, 2, 3].map((n) =>
    ['engineers', 'admins', 'readers'].map((name) => aGroup(`group_${n}_${name}`, { ...own(n), name, updated_at: now() })),
  );
  const users = new Map<string, Json>();

  return {
    found() {
      for (const n of [1, 2, 3]) {
        tell('dsync.activated', aDirectory(`directory_${n}`, { organization_id: `org_${n}`, updated_at: now() }));
        for (const group of groups[n - 1] ?? []) tell('dsync.group.created', group);
      }
    },
    step() {
      const n = 1 + random.below(3);
      const id = `user_${n}_${random.below(people)}`;
      const group = random.pick(groups[n - 1] ?? []);
      const known = users.get(id);
      if (!known) {
        const user = aUser(id, { ...own(n), updated_at: now() });
        users.set(id, user);
        tell('dsync.user.created', user);
        return;
      }
      const draw = random.next();
      if (draw < 0.45) tell('dsync.group.user_added', aMembership(known, group));
      else if (draw < 0.7) tell('dsync.group.user_removed', aMembership(known, group));
      else if (draw < 0.95) {
        const altered = { ...known, first_name: `Name ${random.below(100)}`, updated_at: now() };
        users.set(id, altered);
        tell('dsync.user.updated', altered);
      } else {
        users.delete(id);
        tell('dsync.user.deleted', { ...known, state: 'inactive', updated_at: now() });
      }
    },
  };
}
