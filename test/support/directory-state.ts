// The state of the directory in one form, whether it stands in memory or in the tables, so that any two ways of reaching it
// can be compared: every register and whatever is derived from the registers, without the places and times of intervals.

import { fold } from '../../src/apply/fold.ts';
import { parseEvent } from '../../src/apply/parse-event.ts';
import { createWorkingSet, directoryStateOf, isDeleted, type UserRow, userStateOf, type WorkingSet } from '../../src/apply/working-set.ts';
import type { Db } from '../../src/db/client.ts';
import type { CatalogInput } from '../../src/entitlements/catalog-plan.ts';
import { createOrganizationCatalog } from '../../src/entitlements/organization-catalog.ts';
import type { Effective } from '../../src/model/entitlement.ts';
import type { Observation } from '../../src/model/fact.ts';
import type { SourceEvent } from './workos-objects.ts';

export interface DirectoryState {
  organizations: Record<string, unknown>;
  directories: Record<string, unknown>;
  users: Record<string, unknown>;
  groups: Record<string, unknown>;
  memberships: Record<string, unknown>;
  effective: Record<string, unknown>;
}

type Row = Record<string, unknown>;

/** Roles, permissions and paths; without since when and by which event a path holds, which is history. */
const reasonsOf = ({ roles, permissions, reasons }: Effective): unknown => ({
  roles,
  permissions,
  paths: reasons.paths.map(({ role, source, groupId, grantId, expiresAt }) => ({ role, source, groupId, grantId, expiresAt })),
  via: Object.entries(reasons.permissions).sort(([a], [b]) => (a < b ? -1 : 1)),
});

/** Keys sorted at every depth, moments as text. */
const canonical = (value: unknown): unknown => {
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, canonical(inner)]));
};

const keyed = (rows: Iterable<object>, keyOf: (row: Row) => string): Record<string, unknown> =>
  canonical(Object.fromEntries([...rows].map((row) => [keyOf(row as Row), row]))) as Record<string, unknown>;

const byId = (row: Row): string => String(row.id);
const byPair = (row: Row): string => `${row.userId} ${row.groupId}`;

interface Rows {
  organizations: Iterable<object>;
  directories: readonly { organizationId: string }[];
  users: Iterable<object>;
  groups: Iterable<object>;
  memberships: Iterable<object>;
  effective: Iterable<readonly [string, Effective]>;
}

function toState(rows: Rows): DirectoryState {
  const referred = new Set(rows.directories.map((row) => row.organizationId));
  // A row that only holds the place of an organization that a directory once named says nothing.
  const told = [...rows.organizations].filter((row) => referred.has(byId(row as Row)) || (row as Row).sourceVersion !== '');
  return {
    organizations: keyed(told, byId),
    directories: keyed(rows.directories, byId),
    users: keyed(rows.users, byId),
    groups: keyed(rows.groups, byId),
    memberships: keyed(rows.memberships, byPair),
    effective: canonical(
      Object.fromEntries(
        [...rows.effective].filter(([, effective]) => effective.roles.length > 0).map(([id, effective]) => [id, reasonsOf(effective)]),
      ),
    ) as Record<string, unknown>,
  };
}

/** Without the mark of drift, which tells of a doubt and not of the directory. */
const stateOfUser = (user: UserRow): object => {
  const { driftSuspected: _, ...row } = user;
  return { ...row, state: userStateOf(user) };
};

export function stateOfSet(set: WorkingSet): DirectoryState {
  return toState({
    organizations: [...set.organizations.values()].map((row) => ({ ...row, deleted: isDeleted(row) })),
    directories: [...set.directories.values()].map((row) => ({ ...row, state: directoryStateOf(row) })),
    users: [...set.users.values()].map(stateOfUser),
    groups: [...set.groups.values()].map((row) => ({ ...row, deleted: isDeleted(row) })),
    memberships: [...set.memberships.values()].flatMap((own) => [...own.values()]),
    effective: set.effective,
  });
}

export async function stateOfDatabase(db: Db): Promise<DirectoryState> {
  const effective = await db.effectiveEntitlement.findMany({ where: { toPosition: 9_223_372_036_854_775_807n } });
  return toState({
    organizations: await db.organization.findMany(),
    directories: await db.directory.findMany(),
    users: await db.directoryUser.findMany({ omit: { driftSuspected: true } }),
    groups: await db.directoryGroup.findMany(),
    memberships: await db.membership.findMany(),
    effective: effective.map((row): [string, Effective] => [
      row.userId,
      { roles: row.roles, permissions: row.permissions, reasons: row.reasons as unknown as Effective['reasons'] },
    ]),
  });
}

/** What an app can see: who is there, in which state, in which groups, with which access. Leaves registers and the dead out. */
export function visible({ directories, users, groups, memberships, effective }: DirectoryState): Partial<DirectoryState> {
  const pick = (rows: Record<string, unknown>, keep: (row: Row) => boolean, ...keys: string[]): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(rows)
        .filter(([, row]) => keep(row as Row))
        .map(([key, row]) => [key, Object.fromEntries(keys.map((name) => [name, (row as Row)[name]]))]),
    );
  return {
    directories: pick(directories, () => true, 'organizationId', 'state', 'name'),
    users: pick(users, (row) => row.state !== 'DELETED', 'organizationId', 'directoryId', 'state', 'email', 'directoryRoles'),
    groups: pick(groups, (row) => row.deleted === false, 'organizationId', 'directoryId', 'name'),
    memberships: pick(memberships, (row) => row.active === true, 'organizationId'),
    effective,
  };
}

/** Observations of events that say something; the rest leaves no trace in the directory. */
export const observe = (events: readonly SourceEvent[]): Observation[] =>
  events.flatMap((event) => {
    const parsed = parseEvent(event);
    return parsed.kind === 'observation' ? [parsed.observation] : [];
  });

/** The pure fold over one working set that holds everything. */
export function foldAll(observations: readonly Observation[], catalog: CatalogInput): WorkingSet {
  const roles = catalog.roles.map((role) => ({
    organizationId: role.organizationId ?? '',
    slug: role.slug,
    permissions: [...role.permissions],
  }));
  const mappings = catalog.groupMappings.map(({ organizationId, groupId = null, groupName = null, roles: given }) => ({
    organizationId,
    groupId,
    groupName,
    roles: [...given],
  }));
  const set = createWorkingSet((id) => createOrganizationCatalog(id, roles, mappings));
  for (const observation of observations) fold(set, observation);
  return set;
}
