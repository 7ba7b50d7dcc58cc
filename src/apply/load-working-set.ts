// Inbox facts → the rows that they may touch, in a fixed number of statements however many facts there are.
// What is loaded beyond the entities named: the members of a group whose name or existence may alter, everybody in a
// directory or organization whose state may alter, and for every user loaded all that the user's access is computed from.
import type { Tx } from '../db/client.ts';
import { loadCatalogs } from '../entitlements/organization-catalog.ts';
import type { Effective } from '../model/entitlement.ts';
import type { Fact, Observation } from '../model/fact.ts';
import type { DirectoryRow, GrantFacts, GroupRow, MembershipRow, OrganizationRow, UserRow, WorkingSet } from './working-set.ts';
import { createWorkingSet, directoryStateOf, isUntold, putMembership } from './working-set.ts';

const ORGANIZATIONS = `
  SELECT id, name, source_updated_at AS "sourceUpdatedAt", source_version AS "sourceVersion", alive_version AS "aliveVersion", deleted_version AS "deletedVersion"
  FROM organization WHERE id = ANY($1::text[])`;

const DIRECTORIES = `
  SELECT id, organization_id AS "organizationId", name, type, source_state AS "sourceState", source_updated_at AS "sourceUpdatedAt", source_version AS "sourceVersion",
         alive_version AS "aliveVersion", deleted_version AS "deletedVersion", imported_version AS "importedVersion"
  FROM directory WHERE id = ANY($1::text[]) OR organization_id = ANY($2::text[])`;

// By primary key for what the facts name; by directory_id for whole directories.
const GROUPS = `
  SELECT id, directory_id AS "directoryId", organization_id AS "organizationId", idp_id AS "idpId", name, created_at AS "createdAt", updated_at AS "updatedAt",
         source_version AS "sourceVersion", alive_version AS "aliveVersion", seen_version AS "seenVersion", deleted_version AS "deletedVersion"
  FROM directory_group WHERE id = ANY($1::text[]) OR directory_id = ANY($2::text[])`;

const USERS = `
  SELECT id, directory_id AS "directoryId", organization_id AS "organizationId", idp_id AS "idpId", email, first_name AS "firstName", last_name AS "lastName",
         display_name AS "displayName", source_state AS "sourceState", custom_attributes AS "customAttributes", directory_roles AS "directoryRoles",
         created_at AS "createdAt", updated_at AS "updatedAt", source_version AS "sourceVersion", alive_version AS "aliveVersion", seen_version AS "seenVersion",
         deleted_version AS "deletedVersion", barrier_version AS "barrierVersion", drift_suspected AS "driftSuspected"
  FROM directory_user WHERE id = ANY($1::text[])`;

// Who else is touched: by (group_id, user_id), (directory_id, id), (organization_id, id).
const OTHER_USERS = `
  SELECT user_id AS id FROM membership WHERE group_id = ANY($1::text[]) AND present
  UNION SELECT id FROM directory_user WHERE directory_id = ANY($2::text[])
  UNION SELECT id FROM directory_user WHERE organization_id = ANY($3::text[])`;

// What complete reads did not show: whole directories, by (directory_id, id) and (directory_id, version).
const UNSEEN_USERS = `
  SELECT u.id FROM directory_user u JOIN json_to_recordset($1::json) AS r(directory_id text, version text) ON u.directory_id = r.directory_id
  WHERE u.seen_version < r.version AND u.alive_version < r.version AND u.deleted_version <= u.alive_version
  UNION SELECT m.user_id FROM membership m JOIN json_to_recordset($1::json) AS r(directory_id text, version text) ON m.directory_id = r.directory_id
        WHERE m.version < r.version AND m.present`;

const UNSEEN_GROUPS = `
  SELECT g.id FROM directory_group g JOIN json_to_recordset($1::json) AS r(directory_id text, version text) ON g.directory_id = r.directory_id
  WHERE g.seen_version < r.version AND g.alive_version < r.version AND g.deleted_version <= g.alive_version`;

// By primary key prefix (user_id), and by (directory_id, version) for whole directories. Removed ones only where the facts name
// their group, and of whole directories, which may move.
const MEMBERSHIPS = `
  SELECT user_id AS "userId", group_id AS "groupId", directory_id AS "directoryId", organization_id AS "organizationId", present, version, active, since, cause_event_id AS "causeEventId"
  FROM membership WHERE user_id = ANY($1::text[]) AND (present OR group_id = ANY($2::text[])) OR directory_id = ANY($3::text[])`;

const EFFECTIVE = `
  SELECT user_id AS "userId", roles, permissions, reasons FROM effective_entitlement WHERE user_id = ANY($1::text[]) AND to_position = 9223372036854775807`;

const GRANTS = `
  SELECT id, user_id AS "userId", organization_id AS "organizationId", role, expires_at AS "expiresAt" FROM "grant" WHERE user_id = ANY($1::text[]) AND revoked_at IS NULL`;

interface Named {
  organizations: Set<string>;
  directories: Set<string>;
  /** The organizations that facts give a directory; null: a fact about something in it that names none. */
  placesOf: Map<string, Set<string | null>>;
  users: Set<string>;
  groups: Set<string>;
  /** Facts about the group itself, not about a member. */
  groupFacts: Fact[];
  directoryFacts: Fact[];
  wholeOrganizations: Set<string>;
  reads: { directory_id: string; version: string }[];
}

function namesIn(observations: readonly Observation[]): Named {
  const named: Named = {
    organizations: new Set(),
    directories: new Set(),
    placesOf: new Map(),
    users: new Set(),
    groups: new Set(),
    groupFacts: [],
    directoryFacts: [],
    wholeOrganizations: new Set(),
    reads: [],
  };
  const place = ({ directoryId, organizationId }: { directoryId: string; organizationId: string | null }): void => {
    named.directories.add(directoryId);
    named.organizations.add(organizationId ?? directoryId);
    const places = named.placesOf.get(directoryId);
    if (places) places.add(organizationId);
    else named.placesOf.set(directoryId, new Set([organizationId]));
  };
  for (const { facts, version } of observations) {
    for (const fact of facts) {
      switch (fact.kind) {
        case 'organizationSeen':
        case 'organizationDeleted':
          named.organizations.add(fact.organization.id);
          if (fact.kind === 'organizationDeleted' || fact.alive) named.wholeOrganizations.add(fact.organization.id);
          break;
        case 'directorySeen':
        case 'directoryDeleted':
          place({ directoryId: fact.directory.id, organizationId: fact.directory.organizationId ?? fact.directory.id });
          named.directoryFacts.push(fact);
          break;
        case 'userSeen':
        case 'userDeleted':
          place(fact.user);
          named.users.add(fact.user.id);
          break;
        case 'groupSeen':
        case 'groupDeleted':
          place(fact.group);
          named.groups.add(fact.group.id);
          named.groupFacts.push(fact);
          break;
        case 'memberAdded':
        case 'memberRemoved':
          place(fact.group);
          named.users.add(fact.userId);
          named.groups.add(fact.group.id);
          break;
        case 'userGroupsRead':
        case 'userGone':
          named.directories.add(fact.directoryId);
          named.users.add(fact.userId);
          break;
        case 'groupGone':
          named.directories.add(fact.directoryId);
          named.groups.add(fact.groupId);
          named.groupFacts.push(fact);
          break;
        case 'directoryRead':
          named.directories.add(fact.directoryId);
          named.reads.push({ directory_id: fact.directoryId, version });
          break;
      }
    }
  }
  return named;
}

/** Directories all of whose users may be touched: deleted, revived, moved (also by others' facts), or with another state than the stored one. */
function wholeDirectories(named: Named, stored: ReadonlyMap<string, DirectoryRow>): string[] {
  const whole = new Set<string>();
  for (const fact of named.directoryFacts) {
    if (fact.kind !== 'directorySeen' && fact.kind !== 'directoryDeleted') continue;
    const row = stored.get(fact.directory.id);
    if (!row) continue;
    const same =
      fact.kind === 'directorySeen' &&
      fact.directory.state === directoryStateOf(row) &&
      (fact.directory.organizationId ?? fact.directory.id) === row.organizationId;
    if (!same || row.deletedVersion !== '') whole.add(row.id);
  }
  for (const [id, places] of named.placesOf) {
    const row = stored.get(id);
    if (row && isUntold(row) && [...places].some((place) => place !== null && place !== row.organizationId)) whole.add(id);
  }
  return [...whole];
}

/** Groups all of whose members may be touched: deleted, revived, or renamed. */
function alteredGroups(named: Named, stored: ReadonlyMap<string, GroupRow>): string[] {
  const altered = new Set<string>();
  for (const fact of named.groupFacts) {
    if (fact.kind === 'groupGone') altered.add(fact.groupId);
    if (fact.kind !== 'groupSeen' && fact.kind !== 'groupDeleted') continue;
    const row = stored.get(fact.group.id);
    if (row && (fact.kind === 'groupDeleted' || fact.group.name !== row.name || row.deletedVersion !== '')) altered.add(row.id);
  }
  return [...altered];
}

/**
 * Whether everything that these facts may touch belongs to one organization, by the rows as they are stored. A directory that
 * nobody has stored yet may come into being under another one at this very moment.
 */
export function staysWithin(set: WorkingSet, observations: readonly Observation[], organizationId: string): boolean {
  const named = namesIn(observations);
  return (
    [...named.directories].every((id) => set.directories.get(id)?.organizationId === organizationId) &&
    [...named.placesOf.values()].every((places) => [...places].every((place) => place === null || place === organizationId)) &&
    [...named.wholeOrganizations].every((id) => id === organizationId)
  );
}

const byId = <T extends { id: string }>(rows: readonly T[], into: Map<string, T>): void => {
  for (const row of rows) into.set(row.id, row);
};

export async function loadWorkingSet(tx: Tx, observations: readonly Observation[]): Promise<WorkingSet> {
  const named = namesIn(observations);
  const reads = JSON.stringify(named.reads);
  const directories = await tx.$queryRawUnsafe<DirectoryRow[]>(DIRECTORIES, [...named.directories], [...named.wholeOrganizations]);
  for (const row of directories) named.organizations.add(row.organizationId);
  const catalogs = await loadCatalogs(tx, named.organizations);
  const set = createWorkingSet((id) => {
    const catalog = catalogs.get(id);
    if (!catalog) throw new Error(`no catalog was loaded for organization ${id}`);
    return catalog;
  });
  byId(directories, set.directories);
  byId(await tx.$queryRawUnsafe<OrganizationRow[]>(ORGANIZATIONS, [...named.organizations]), set.organizations);
  const whole = wholeDirectories(named, set.directories);
  if (named.reads.length > 0) for (const { id } of await tx.$queryRawUnsafe<{ id: string }[]>(UNSEEN_GROUPS, reads)) named.groups.add(id);
  byId(await tx.$queryRawUnsafe<GroupRow[]>(GROUPS, [...named.groups], whole), set.groups);

  const altered = alteredGroups(named, set.groups);
  const nameUsers = async (sql: string, ...params: unknown[]): Promise<void> => {
    for (const { id } of await tx.$queryRawUnsafe<{ id: string }[]>(sql, ...params)) named.users.add(id);
  };
  if (altered.length + whole.length + named.wholeOrganizations.size > 0)
    await nameUsers(OTHER_USERS, altered, whole, [...named.wholeOrganizations]);
  if (named.reads.length > 0) await nameUsers(UNSEEN_USERS, reads);
  const userIds = [...named.users];
  if (userIds.length + whole.length === 0) return set;
  byId(await tx.$queryRawUnsafe<UserRow[]>(USERS, userIds), set.users);
  for (const row of await tx.$queryRawUnsafe<MembershipRow[]>(MEMBERSHIPS, userIds, [...named.groups], whole)) putMembership(set, row);
  const missing = [...set.membersOf.keys()].filter((id) => !set.groups.has(id));
  if (missing.length > 0) byId(await tx.$queryRawUnsafe<GroupRow[]>(GROUPS, missing, []), set.groups);
  for (const { userId, ...effective } of await tx.$queryRawUnsafe<(Effective & { userId: string })[]>(EFFECTIVE, userIds))
    set.effective.set(userId, effective);
  for (const grant of await tx.$queryRawUnsafe<GrantFacts[]>(GRANTS, userIds))
    set.grants.set(grant.userId, [...(set.grants.get(grant.userId) ?? []), grant]);
  return set;
}
