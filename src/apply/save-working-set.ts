// Writes what a batch altered, in one statement: one upsert per table that it has something for, every row by primary key.
import type { Tx } from '../db/client.ts';
import type { WorkingSet } from './working-set.ts';
import { directoryStateOf, isDeleted, userStateOf } from './working-set.ts';

const ORGANIZATIONS = (rows: string): string => `
  INSERT INTO organization (id, name, source_updated_at, source_version, alive_version, deleted_version, deleted)
  SELECT * FROM json_to_recordset(${rows}::json) AS t(id text, name text, "sourceUpdatedAt" timestamptz, "sourceVersion" text, "aliveVersion" text, "deletedVersion" text, deleted boolean)
  ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, source_updated_at = EXCLUDED.source_updated_at, source_version = EXCLUDED.source_version,
    alive_version = EXCLUDED.alive_version, deleted_version = EXCLUDED.deleted_version, deleted = EXCLUDED.deleted`;

const DIRECTORIES = (rows: string): string => `
  INSERT INTO directory (id, organization_id, name, type, source_state, state, source_updated_at, source_version, alive_version, deleted_version, imported_version)
  SELECT * FROM json_to_recordset(${rows}::json) AS t(id text, "organizationId" text, name text, type text, "sourceState" directory_state, state directory_state,
    "sourceUpdatedAt" timestamptz, "sourceVersion" text, "aliveVersion" text, "deletedVersion" text, "importedVersion" text)
  ON CONFLICT (id) DO UPDATE SET organization_id = EXCLUDED.organization_id, name = EXCLUDED.name, type = EXCLUDED.type, source_state = EXCLUDED.source_state,
    state = EXCLUDED.state, source_updated_at = EXCLUDED.source_updated_at, source_version = EXCLUDED.source_version, alive_version = EXCLUDED.alive_version,
    deleted_version = EXCLUDED.deleted_version, imported_version = EXCLUDED.imported_version`;

const USERS = (rows: string): string => `
  INSERT INTO directory_user (id, directory_id, organization_id, idp_id, email, first_name, last_name, display_name, source_state, state, custom_attributes,
    directory_roles, created_at, updated_at, source_version, alive_version, seen_version, deleted_version, barrier_version, drift_suspected)
  SELECT * FROM json_to_recordset(${rows}::json) AS t(id text, "directoryId" text, "organizationId" text, "idpId" text, email text, "firstName" text, "lastName" text,
    "displayName" text, "sourceState" user_state, state user_state, "customAttributes" jsonb, "directoryRoles" text[], "createdAt" timestamptz, "updatedAt" timestamptz,
    "sourceVersion" text, "aliveVersion" text, "seenVersion" text, "deletedVersion" text, "barrierVersion" text, "driftSuspected" boolean)
  ON CONFLICT (id) DO UPDATE SET directory_id = EXCLUDED.directory_id, organization_id = EXCLUDED.organization_id, idp_id = EXCLUDED.idp_id, email = EXCLUDED.email,
    first_name = EXCLUDED.first_name, last_name = EXCLUDED.last_name, display_name = EXCLUDED.display_name, source_state = EXCLUDED.source_state, state = EXCLUDED.state,
    custom_attributes = EXCLUDED.custom_attributes, directory_roles = EXCLUDED.directory_roles, created_at = EXCLUDED.created_at, updated_at = EXCLUDED.updated_at,
    source_version = EXCLUDED.source_version, alive_version = EXCLUDED.alive_version, seen_version = EXCLUDED.seen_version, deleted_version = EXCLUDED.deleted_version,
    barrier_version = EXCLUDED.barrier_version, drift_suspected = EXCLUDED.drift_suspected`;

const GROUPS = (rows: string): string => `
  INSERT INTO directory_group (id, directory_id, organization_id, idp_id, name, deleted, created_at, updated_at, source_version, alive_version, seen_version, deleted_version)
  SELECT * FROM json_to_recordset(${rows}::json) AS t(id text, "directoryId" text, "organizationId" text, "idpId" text, name text, deleted boolean,
    "createdAt" timestamptz, "updatedAt" timestamptz, "sourceVersion" text, "aliveVersion" text, "seenVersion" text, "deletedVersion" text)
  ON CONFLICT (id) DO UPDATE SET directory_id = EXCLUDED.directory_id, organization_id = EXCLUDED.organization_id, idp_id = EXCLUDED.idp_id, name = EXCLUDED.name,
    deleted = EXCLUDED.deleted, created_at = EXCLUDED.created_at, updated_at = EXCLUDED.updated_at, source_version = EXCLUDED.source_version,
    alive_version = EXCLUDED.alive_version, seen_version = EXCLUDED.seen_version, deleted_version = EXCLUDED.deleted_version`;

const MEMBERSHIPS = (rows: string): string => `
  INSERT INTO membership (user_id, group_id, directory_id, organization_id, present, version, active, since, cause_event_id)
  SELECT * FROM json_to_recordset(${rows}::json) AS t("userId" text, "groupId" text, "directoryId" text, "organizationId" text, present boolean, version text, active boolean,
    since timestamptz, "causeEventId" text)
  ON CONFLICT (user_id, group_id) DO UPDATE SET directory_id = EXCLUDED.directory_id, organization_id = EXCLUDED.organization_id, present = EXCLUDED.present,
    version = EXCLUDED.version, active = EXCLUDED.active, since = EXCLUDED.since, cause_event_id = EXCLUDED.cause_event_id`;

// A reason that must be followed is not overwritten by one that a setting may drop (src/ops/refresh-accounts.ts).
const REFRESHES = (rows: string): string => `
  INSERT INTO refresh_task (user_id, directory_id, reason)
  SELECT * FROM json_to_recordset(${rows}::json) AS t(user_id text, directory_id text, reason text)
  ON CONFLICT (user_id) DO UPDATE SET reason = CASE WHEN EXCLUDED.reason = 'REACTIVATED' THEN refresh_task.reason ELSE EXCLUDED.reason END, requested_at = now(), next_attempt_at = now(), attempts = 0`;

// One that is unfinished goes on as it is: what it has still to read is newer than this request.
const IMPORTS = (rows: string): string => `
  INSERT INTO directory_import (directory_id, organization_id, version)
  SELECT directory_id, organization_id, '' FROM json_to_recordset(${rows}::json) AS t(directory_id text, organization_id text)
  ON CONFLICT (directory_id) DO UPDATE SET organization_id = EXCLUDED.organization_id, version = '', phase = 'USERS', page_after = NULL, group_id = NULL, users_read = 0,
    groups_read = 0, memberships_read = 0, attempts = 0, error = NULL, started_at = now(), finished_at = NULL
  WHERE directory_import.phase = 'FINISHED'`;

export interface SaveOptions {
  /** Ask for a full read of directories that are new or known from others' facts only. */
  requestImports: boolean;
}

export async function saveWorkingSet(tx: Tx, set: WorkingSet, { requestImports }: SaveOptions): Promise<void> {
  const { organizations, directories, users, groups, memberships } = set.dirty;
  const refreshes = [...set.refreshes].flatMap(([userId, reason]) => {
    const user = set.users.get(userId);
    return user ? [{ user_id: userId, directory_id: user.directoryId, reason }] : [];
  });
  const unread = requestImports ? [...set.unread].flatMap((id) => set.directories.get(id) ?? []) : [];
  const writes = [
    { upsert: ORGANIZATIONS, rows: [...organizations].map((row) => ({ ...row, deleted: isDeleted(row) })) },
    { upsert: DIRECTORIES, rows: [...directories].map((row) => ({ ...row, state: directoryStateOf(row) })) },
    { upsert: USERS, rows: [...users].map((row) => ({ ...row, state: userStateOf(row) })) },
    { upsert: GROUPS, rows: [...groups].map((row) => ({ ...row, deleted: isDeleted(row) })) },
    { upsert: MEMBERSHIPS, rows: [...memberships] },
    { upsert: REFRESHES, rows: refreshes },
    { upsert: IMPORTS, rows: unread.map((row) => ({ directory_id: row.id, organization_id: row.organizationId })) },
  ].filter(({ rows }) => rows.length > 0);
  if (writes.length === 0) return;
  const ctes = writes.map(({ upsert }, index) => `w${index} AS (${upsert(`$${index + 1}`)})`);
  // Each begins with another letter.
  const name = writes.map(({ upsert }) => upsert.name[0]?.toLowerCase()).join('');
  await tx.$executeRawUnsafe(
    `/* prepared: save_${name} */ WITH ${ctes.join(', ')} SELECT 1`,
    ...writes.map(({ rows }) => JSON.stringify(rows)),
  );
}
