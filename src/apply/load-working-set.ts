// Inbox facts → the rows that they may touch, in one statement however many facts there are; once more where what is stored says
// that they touch more than they name (named-in-facts.ts). For every user loaded, all that the user's access is computed from.
//
// Memory: 8 KB a user in all that apply does with one. Batches are bounded by their bytes, so only an event about a group or a
// directory of very many asks for much, and it must be one transaction: 100,000 members are 0.7 GB.
import type { Tx } from '../db/client.ts';
import { createKeptCatalogs } from '../entitlements/kept-catalogs.ts';
import {
  createOrganizationCatalog,
  MAPPINGS_OF,
  type MappingRow,
  type OrganizationCatalog,
  ROLES_OF,
  type RoleRow,
} from '../entitlements/organization-catalog.ts';
import { OPEN_END } from '../model/cursor.ts';
import type { Effective } from '../model/entitlement.ts';
import type { Observation } from '../model/fact.ts';
import { alteredGroups, type Named, namesIn, wholeDirectories } from './named-in-facts.ts';
import type { DirectoryRow, GrantFacts, GroupRow, MembershipRow, OrganizationRow, UserRow, WorkingSet } from './working-set.ts';
import { createWorkingSet, putMembership } from './working-set.ts';

const list = (rows: string): string => `(SELECT coalesce(json_agg(r), '[]') FROM (${rows}) AS r)`;
const idsOf = (name: string): string => `ARRAY(SELECT id FROM ${name})`;
const given = (parameter: number): string => `ARRAY(SELECT unnest($${parameter}::text[]))`;

const MEMBERSHIP = `user_id AS "userId", group_id AS "groupId", directory_id AS "directoryId", organization_id AS "organizationId", present, version, active,
      since, cause_event_id AS "causeEventId"`;
const GROUP = `id, directory_id AS "directoryId", organization_id AS "organizationId", idp_id AS "idpId", name, created_at AS "createdAt",
        updated_at AS "updatedAt", source_version AS "sourceVersion", alive_version AS "aliveVersion", seen_version AS "seenVersion",
        deleted_version AS "deletedVersion"`;

// One row of lists, all by primary keys: directories $1, organizations $2, users $4, groups $5, and the groups of the memberships;
// everything of whole organizations $3 and directories $8 by (organization_id), and (directory_id, id) or (directory_id, version).
// Catalogs of those organizations only that are not known: known are those in $7, if $6 is still the revision.
// Removed memberships only where the facts name their group, and of whole directories, which may move. Keys go on as arrays
// of an unknown length: then each table is read by its index, and one plan is as good as another, so that the first is kept.
const loading = (name: string, whole: (columns: string, table: string) => string): string => `/* prepared: ${name} */
  WITH directories AS MATERIALIZED (
    SELECT id, organization_id AS "organizationId", name, type, source_state AS "sourceState", source_updated_at AS "sourceUpdatedAt",
      source_version AS "sourceVersion", alive_version AS "aliveVersion", deleted_version AS "deletedVersion", imported_version AS "importedVersion"
    FROM directory WHERE id = ANY(${given(1)}) OR organization_id = ANY(${given(3)})
  ), organization_ids AS MATERIALIZED (
    SELECT unnest($2::text[]) AS id UNION SELECT "organizationId" FROM directories
  ), catalog AS MATERIALIZED (
    SELECT revision::text AS revision FROM catalog_revision WHERE id = 1
  ), unknown_catalogs AS MATERIALIZED (
    SELECT id FROM organization_ids WHERE NOT (id = ANY($7::text[]) AND coalesce((SELECT revision = $6 FROM catalog), false))
  ), memberships AS MATERIALIZED (
    SELECT ${MEMBERSHIP} FROM membership WHERE user_id = ANY(${given(4)}) AND (present OR group_id = ANY(${given(5)}))
    ${whole(MEMBERSHIP, 'membership')}
  ), group_ids AS MATERIALIZED (
    SELECT unnest($5::text[]) AS id UNION SELECT "groupId" FROM memberships
  )
  SELECT ${list('SELECT * FROM directories')} AS directories,
    (SELECT revision FROM catalog) AS "catalogRevision", ${idsOf('unknown_catalogs')} AS "unknownCatalogs",
    CASE WHEN EXISTS (SELECT FROM unknown_catalogs) THEN ${list(ROLES_OF(idsOf('unknown_catalogs')))} ELSE '[]' END AS roles,
    ${list(MAPPINGS_OF(idsOf('unknown_catalogs')))} AS mappings,
    ${list(`
      SELECT id, name, source_updated_at AS "sourceUpdatedAt", source_version AS "sourceVersion", alive_version AS "aliveVersion",
        deleted_version AS "deletedVersion"
      FROM organization WHERE id = ANY(${idsOf('organization_ids')})`)} AS organizations,
    ${list(`
      SELECT ${GROUP} FROM directory_group WHERE id = ANY(${idsOf('group_ids')}) ${whole(GROUP, 'directory_group')}`)} AS groups,
    ${list(`
      SELECT id, directory_id AS "directoryId", organization_id AS "organizationId", idp_id AS "idpId", email, first_name AS "firstName",
        last_name AS "lastName", display_name AS "displayName", source_state AS "sourceState", custom_attributes AS "customAttributes",
        directory_roles AS "directoryRoles", created_at AS "createdAt", updated_at AS "updatedAt", source_version AS "sourceVersion",
        alive_version AS "aliveVersion", seen_version AS "seenVersion", deleted_version AS "deletedVersion", barrier_version AS "barrierVersion",
        drift_suspected AS "driftSuspected"
      FROM directory_user WHERE id = ANY(${given(4)})`)} AS users,
    ${list('SELECT * FROM memberships')} AS memberships,
    ${list(`
      SELECT user_id AS "userId", roles, permissions, reasons FROM effective_entitlement
      WHERE user_id = ANY(${given(4)}) AND to_position = ${OPEN_END}`)} AS effective,
    ${list(`
      SELECT id, user_id AS "userId", organization_id AS "organizationId", role, expires_at AS "expiresAt" FROM "grant"
      WHERE user_id = ANY(${given(4)}) AND revoked_at IS NULL`)} AS grants`;

const LOAD = loading('load_working_set', () => '');
// Only where it is so: the planner would expect very many rows. A part of its own: with OR, every membership of the directory
// would be looked for in the list of its users from one end to the other.
const LOAD_WIDE = loading(
  'load_wide_working_set',
  (columns, table) => `UNION SELECT ${columns} FROM ${table} WHERE directory_id = ANY(${given(8)})`,
);

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

/** As JSON has it: a time is a text. */
type AsJson<T> = { [K in keyof T]: T[K] extends Date ? string : T[K] extends Date | null ? string | null : T[K] };

interface Loaded {
  directories: AsJson<DirectoryRow>[];
  catalogRevision: string | null;
  unknownCatalogs: string[];
  roles: RoleRow[];
  mappings: MappingRow[];
  organizations: AsJson<OrganizationRow>[];
  groups: AsJson<GroupRow>[];
  users: AsJson<UserRow>[];
  memberships: AsJson<MembershipRow>[];
  effective: (Effective & { userId: string })[];
  grants: AsJson<GrantFacts>[];
}

const keptCatalogs = createKeptCatalogs();

async function load(tx: Tx, named: Named, whole: readonly string[]): Promise<WorkingSet> {
  const { directories, organizations, wholeOrganizations, users, groups } = named;
  const known = keptCatalogs.known(organizations);
  const names = [directories, organizations, wholeOrganizations, users, groups].map((ids) => [...ids]);
  const params = [...names, known.revision, [...known.byOrganization.keys()], ...(whole.length > 0 ? [[...whole]] : [])];
  const [loaded] = await tx.$queryRawUnsafe<Loaded[]>(whole.length > 0 ? LOAD_WIDE : LOAD, ...params);
  if (!loaded) throw new Error('the working set was not loaded');
  const { catalogRevision, unknownCatalogs, roles, mappings } = loaded;
  const read = new Map(unknownCatalogs.map((id) => [id, createOrganizationCatalog(id, roles, mappings)]));
  if (catalogRevision !== null && read.size > 0) keptCatalogs.keep(catalogRevision, read);
  return toWorkingSet(loaded, new Map([...known.byOrganization, ...read]));
}

function toWorkingSet(loaded: Loaded, catalogs: ReadonlyMap<string, OrganizationCatalog>): WorkingSet {
  const set = createWorkingSet((id) => {
    const catalog = catalogs.get(id);
    if (!catalog) throw new Error(`no catalog was loaded for organization ${id}`);
    return catalog;
  });
  for (const row of loaded.directories) set.directories.set(row.id, { ...row, sourceUpdatedAt: new Date(row.sourceUpdatedAt) });
  for (const row of loaded.organizations) set.organizations.set(row.id, { ...row, sourceUpdatedAt: new Date(row.sourceUpdatedAt) });
  for (const row of loaded.groups)
    set.groups.set(row.id, { ...row, createdAt: new Date(row.createdAt), updatedAt: new Date(row.updatedAt) });
  for (const row of loaded.users) set.users.set(row.id, { ...row, createdAt: new Date(row.createdAt), updatedAt: new Date(row.updatedAt) });
  for (const row of loaded.memberships) putMembership(set, { ...row, since: new Date(row.since) });
  for (const { userId, ...effective } of loaded.effective) set.effective.set(userId, effective);
  for (const row of loaded.grants) {
    const grant = { ...row, expiresAt: row.expiresAt === null ? null : new Date(row.expiresAt) };
    set.grants.set(grant.userId, [...(set.grants.get(grant.userId) ?? []), grant]);
  }
  return set;
}

export async function loadWorkingSet(tx: Tx, observations: readonly Observation[]): Promise<WorkingSet> {
  const named = namesIn(observations);
  const name = async (into: Set<string>, sql: string, ...params: unknown[]): Promise<void> => {
    for (const { id } of await tx.$queryRawUnsafe<{ id: string }[]>(sql, ...params)) into.add(id);
  };
  if (named.reads.length > 0) {
    const reads = JSON.stringify(named.reads);
    await name(named.groups, UNSEEN_GROUPS, reads);
    await name(named.users, UNSEEN_USERS, reads);
  }
  const set = await load(tx, named, []);
  const whole = wholeDirectories(named, set.directories);
  const altered = alteredGroups(named, set.groups);
  if (whole.length + altered.length + named.wholeOrganizations.size === 0) return set;
  await name(named.users, OTHER_USERS, altered, whole, [...named.wholeOrganizations]);
  return load(tx, named, whole);
}
