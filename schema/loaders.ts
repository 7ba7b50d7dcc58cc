// What nested fields read, batched: a list of n users costs one statement per kind of field. Bound to the tenant like
// everything else; made anew for every operation.
import type { Db, Prisma } from '../src/db/client.ts';
import type { EffectiveLookup } from '../src/entitlements/lookup.ts';
import type { EffectiveAnswer } from '../src/entitlements/read.ts';
import type { RecordedChange } from '../src/model/change.ts';
import { createBatch } from './batch.ts';
import { toChange } from './change-row.ts';
import { countMemberships, readMembershipPages } from './membership-pages.ts';
import { type RoleRow, readGroupsOfMappings, readGroupsOfRoles, readRolesOfGroups } from './role-rows.ts';

type OrganizationRow = Prisma.OrganizationGetPayload<Record<string, never>>;
type DirectoryRow = Prisma.DirectoryGetPayload<Record<string, never>>;
type UserRow = Prisma.DirectoryUserGetPayload<Record<string, never>>;
type GroupRow = Prisma.DirectoryGroupGetPayload<Record<string, never>>;

type Load<K, V> = (key: K) => Promise<V | undefined>;

export interface Loaders {
  organization: Load<string, OrganizationRow>;
  directory: Load<string, DirectoryRow>;
  directoriesOfOrganization: Load<string, DirectoryRow[]>;
  userCount: Load<string, number>;
  groupCount: Load<string, number>;
  user: Load<string, UserRow>;
  /** In the order of the ids, without those that are not there. */
  users(ids?: readonly string[]): Promise<UserRow[]>;
  group: Load<string, GroupRow>;
  groups(ids?: readonly string[]): Promise<GroupRow[]>;
  memberships(owner: 'user' | 'group', afterId: string | null, limit: number): Load<string, string[]>;
  membershipCount: Record<'user' | 'group', Load<string, number>>;
  rolesOfGroup: Load<string, RoleRow[]>;
  groupsOfRole(role: RoleRow): Promise<GroupRow[]>;
  groupsOfMapping(id: string): Promise<GroupRow[]>;
  effective: Load<string, EffectiveAnswer>;
  changesOfEvent: Load<string, RecordedChange[]>;
}

const byId = <T extends { id: string }>(rows: readonly T[]): Map<string, T> => new Map(rows.map((row) => [row.id, row]));

const listOf =
  <V>(load: Load<string, V>) =>
  async (ids: readonly string[] = []): Promise<V[]> => {
    const found = await Promise.all(ids.map(load));
    return found.filter((row) => row !== undefined);
  };

interface LoadersDeps {
  bound: Db;
  db: Db;
  lookup: EffectiveLookup;
  tenant: string | null;
}

/** `bound` holds the tables of `tenant` only; `db` is for SQL that takes the tenant as a parameter. */
export function createLoaders({ bound, db, lookup, tenant }: LoadersDeps): Loaders {
  const user = createBatch(async (ids: string[]) => byId(await bound.directoryUser.findMany({ where: { id: { in: ids } } })));
  const group = createBatch(async (ids: string[]) => byId(await bound.directoryGroup.findMany({ where: { id: { in: ids } } })));
  const groups = listOf(group);
  const membershipPages = new Map<string, Load<string, string[]>>();
  const groupIdsOfRole = createBatch((keys: string[]) => readGroupsOfRoles(db, keys.map(roleOfKey), tenant));
  const groupIdsOfMapping = createBatch((ids: string[]) => readGroupsOfMappings(db, ids, tenant));

  return {
    organization: createBatch(async (ids) => byId(await bound.organization.findMany({ where: { id: { in: ids } } }))),
    directory: createBatch(async (ids) => byId(await bound.directory.findMany({ where: { id: { in: ids } } }))),
    directoriesOfOrganization: createBatch(async (ids) => {
      const rows = await bound.directory.findMany({ where: { organizationId: { in: ids } }, orderBy: { id: 'asc' } });
      return Map.groupBy(rows, (row) => row.organizationId);
    }),
    userCount: createBatch(async (ids) => {
      const where = { directoryId: { in: ids }, state: { not: 'DELETED' as const } };
      const counts = await bound.directoryUser.groupBy({ by: ['directoryId'], where, _count: { _all: true } });
      return new Map(counts.map((row) => [row.directoryId, row._count._all]));
    }),
    groupCount: createBatch(async (ids) => {
      const where = { directoryId: { in: ids }, deleted: false };
      const counts = await bound.directoryGroup.groupBy({ by: ['directoryId'], where, _count: { _all: true } });
      return new Map(counts.map((row) => [row.directoryId, row._count._all]));
    }),
    user,
    users: listOf(user),
    group,
    groups,
    memberships(owner, afterId, limit) {
      const key = JSON.stringify([owner, afterId, limit]);
      const load = membershipPages.get(key) ?? createBatch((ids) => readMembershipPages(db, { owner, ids, afterId, limit, tenant }));
      membershipPages.set(key, load);
      return load;
    },
    membershipCount: {
      user: createBatch((ids) => countMemberships(db, { owner: 'user', ids, tenant })),
      group: createBatch((ids) => countMemberships(db, { owner: 'group', ids, tenant })),
    },
    rolesOfGroup: createBatch((ids) => readRolesOfGroups(db, ids, tenant)),
    groupsOfRole: async (role) => groups(await groupIdsOfRole(keyOfRole(role))),
    groupsOfMapping: async (id) => groups(await groupIdsOfMapping(id)),
    effective: createBatch((ids) => lookup.findAll(ids, tenant)),
    changesOfEvent: createBatch(async (ids) => {
      const rows = await bound.entitlementChange.findMany({ where: { eventId: { in: ids } }, orderBy: { position: 'asc' } });
      return Map.groupBy(rows.map(toChange), (change) => change.cause.eventId ?? '');
    }),
  };
}

const keyOfRole = ({ organizationId, slug }: RoleRow): string => JSON.stringify([organizationId, slug]);

function roleOfKey(key: string): { key: string; organizationId: string | null; slug: string } {
  const [organizationId, slug] = JSON.parse(key) as [string | null, string];
  return { key, organizationId, slug };
}
