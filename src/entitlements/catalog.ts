// Applies a catalog (roles, and which groups give them) in one transaction: plan, write, recompute whoever is touched, record
// the changes. A dry run does all of it and rolls back, so its plan is exact.
import type { Db, Tx } from '../db/client.ts';
import { databaseNow } from '../db/clock.ts';
import { lockEnvironment, lockPartition } from '../db/lock.ts';
import { inTransaction } from '../db/transaction.ts';
import { AccessError } from '../errors.ts';
import type { Cause } from '../model/change.ts';
import { type CatalogInput, type CatalogSteps, describeRole, planCatalog, type StoredMapping, type StoredRole } from './catalog-plan.ts';
import { diffEffective } from './diff.ts';
import { holdersOf, recomputeUsers } from './recompute.ts';
import { countActiveAccounts, losesAccess, revocationLimit } from './revocation-limit.ts';
import { storeTransitions } from './store.ts';
import type { AccessTransition } from './transition.ts';

export interface ChangePreview {
  userId: string;
  grantedPermissions: string[];
  revokedPermissions: string[];
}

export interface CatalogPlan {
  applied: boolean;
  rolesCreated: string[];
  rolesChanged: string[];
  rolesRemoved: string[];
  mappingsAdded: number;
  mappingsRemoved: number;
  affectedUsers: number;
  grantedPermissions: number;
  revokedPermissions: number;
  /** The first 500 users whose permissions change. */
  preview: ChangePreview[];
}

export interface ApplyCatalogOptions {
  catalog: CatalogInput;
  dryRun: boolean;
  /** Remove roles and mappings that the catalog does not name (never those that WorkOS defines). */
  prune: boolean;
  /** So many accounts may lose a permission; null or left out: the default of src/entitlements/revocation-limit.ts. A dry run is not bound. */
  maxRevocations?: number | null;
  /** Name of the caller. */
  actor: string;
  /** null: every organization. */
  tenant: string | null;
}

const PREVIEW_LIMIT = 500;
const CHUNK = 5_000;
const TIMEOUT_MS = 600_000;

const STORED_ROLES = `SELECT organization_id AS "organizationId", slug, name, description, permissions, origin FROM role WHERE NOT deleted`;
const STORED_MAPPINGS = `SELECT organization_id AS "organizationId", group_id AS "groupId", group_name AS "groupName", roles FROM group_mapping`;

const PUT_ROLES = `
  INSERT INTO role (organization_id, slug, name, description, permissions, origin, source_updated_at)
  SELECT "organizationId", slug, name, description, permissions, 'CATALOG', now()
  FROM json_to_recordset($1::json) AS t("organizationId" text, slug text, name text, description text, permissions text[])
  ON CONFLICT (organization_id, slug) DO UPDATE SET name = EXCLUDED.name, description = EXCLUDED.description, permissions = EXCLUDED.permissions,
    origin = 'CATALOG', source_updated_at = now(), deleted = false`;

// Kept as a tombstone: the registers of a role that WorkOS once defined must outlive it.
const REMOVE_ROLES = `
  UPDATE role r SET deleted = true FROM json_to_recordset($1::json) AS t("organizationId" text, slug text) WHERE r.organization_id = t."organizationId" AND r.slug = t.slug`;

const REMOVE_MAPPINGS = `
  DELETE FROM group_mapping m USING json_to_recordset($1::json) AS t("organizationId" text, "groupId" text, "groupName" text)
  WHERE m.organization_id = t."organizationId" AND m.group_id IS NOT DISTINCT FROM t."groupId" AND m.group_name IS NOT DISTINCT FROM t."groupName"`;

const ADD_MAPPINGS = `
  INSERT INTO group_mapping (id, organization_id, group_id, group_name, roles)
  SELECT gen_random_uuid()::text, "organizationId", "groupId", "groupName", roles
  FROM json_to_recordset($1::json) AS t("organizationId" text, "groupId" text, "groupName" text, roles text[])`;

// By (organization_id, name) and the primary key of directory_group, then (group_id, user_id) of membership.
const MEMBERS = `
  SELECT DISTINCT m.user_id AS id
  FROM json_to_recordset($1::json) AS t("organizationId" text, "groupId" text, "groupName" text)
  JOIN directory_group g ON g.organization_id = t."organizationId" AND (g.id = t."groupId" OR g.name = t."groupName") AND NOT g.deleted
  JOIN membership m ON m.group_id = g.id AND m.active`;

class DryRun extends Error {}

export async function applyCatalog(db: Db, options: ApplyCatalogOptions): Promise<CatalogPlan> {
  let plan: CatalogPlan | undefined;
  try {
    await inTransaction(
      db,
      async (tx) => {
        plan = await applyIn(tx, options);
        if (options.dryRun) throw new DryRun();
      },
      { timeoutMs: TIMEOUT_MS },
    );
  } catch (error) {
    if (!(error instanceof DryRun)) throw error;
  }
  if (!plan) throw new Error('the transaction ended without a plan');
  return plan;
}

async function applyIn(tx: Tx, { catalog, dryRun, prune, maxRevocations, actor, tenant }: ApplyCatalogOptions): Promise<CatalogPlan> {
  if (tenant === null) await lockEnvironment(tx);
  else await lockPartition(tx, tenant);
  const stored = {
    roles: await tx.$queryRawUnsafe<StoredRole[]>(STORED_ROLES),
    mappings: await tx.$queryRawUnsafe<StoredMapping[]>(STORED_MAPPINGS),
  };
  const steps = planCatalog(catalog, stored, { prune, tenant });
  const userIds = await writeSteps(tx, steps);
  const occurredAt = await databaseNow(tx);
  const cause: Cause = {
    kind: 'CATALOG_CHANGE',
    eventId: null,
    eventType: null,
    replayId: null,
    driftReportId: null,
    actor,
    reason: null,
    occurredAt,
  };
  const limit = dryRun ? Number.POSITIVE_INFINITY : revocationLimit(maxRevocations, await countActiveAccounts(tx, scopeOf(steps)));
  const effect: Effect = { affectedUsers: 0, grantedPermissions: 0, revokedPermissions: 0, preview: [] };
  let revocations = 0;
  for (let from = 0; from < userIds.length; from += CHUNK) {
    const transitions = await recomputeUsers(tx, userIds.slice(from, from + CHUNK), cause);
    revocations += count(effect, transitions);
    await storeTransitions(tx, transitions);
  }
  if (revocations > limit) {
    throw new AccessError(
      'CONFIRMATION_REQUIRED',
      `This catalog takes a permission from ${revocations} accounts, and ${limit} may lose one without confirmation. Look at it with dryRun; to confirm, set maxRevocations to ${revocations} or more.`,
      { details: { revocations, maxRevocations: limit } },
    );
  }
  return {
    applied: !dryRun,
    rolesCreated: steps.rolesCreated.map(describeRole),
    rolesChanged: steps.rolesChanged.map(describeRole),
    rolesRemoved: steps.rolesRemoved.map(describeRole),
    mappingsAdded: steps.mappingsAdded.length,
    mappingsRemoved: steps.mappingsRemoved.length,
    ...effect,
  };
}

/** Writes the steps and returns whose access may follow, in id order. */
async function writeSteps(tx: Tx, steps: CatalogSteps): Promise<string[]> {
  const { rolesCreated, rolesChanged, rolesRemoved, mappingsAdded, mappingsRemoved } = steps;
  const write = async (sql: string, rows: readonly object[]): Promise<void> => {
    if (rows.length > 0) await tx.$executeRawUnsafe(sql, JSON.stringify(rows));
  };
  await write(PUT_ROLES, [...rolesCreated, ...rolesChanged]);
  await write(REMOVE_ROLES, rolesRemoved);
  await write(REMOVE_MAPPINGS, mappingsRemoved);
  await write(ADD_MAPPINGS, mappingsAdded);
  const touched = new Set<string>();
  const altered = [...rolesCreated, ...rolesChanged, ...rolesRemoved];
  for (const scope of new Set(altered.map((role) => role.organizationId))) {
    const slugs = altered.filter((role) => role.organizationId === scope).map((role) => role.slug);
    for (const id of await holdersOf(tx, slugs, scope || null)) touched.add(id);
  }
  const mappings = [...mappingsAdded, ...mappingsRemoved];
  if (mappings.length > 0)
    for (const { id } of await tx.$queryRawUnsafe<{ id: string }[]>(MEMBERS, JSON.stringify(mappings))) touched.add(id);
  return [...touched].sort();
}

type Effect = Pick<CatalogPlan, 'affectedUsers' | 'grantedPermissions' | 'revokedPermissions' | 'preview'>;

/** The organizations that the steps are about. */
function scopeOf(steps: CatalogSteps): { organizationIds: string[] | null } {
  const { rolesCreated, rolesChanged, rolesRemoved, mappingsAdded, mappingsRemoved } = steps;
  const concerned = [rolesCreated, rolesChanged, rolesRemoved, mappingsAdded, mappingsRemoved].flat();
  const ids = new Set(concerned.map(({ organizationId }) => organizationId));
  return { organizationIds: ids.has('') ? null : [...ids] };
}

/** Adds to the effect; returns how many accounts lose a permission. Nobody is in two calls. */
function count(effect: Effect, transitions: readonly AccessTransition[]): number {
  let revocations = 0;
  for (const { userId, before, after } of transitions) {
    const difference = diffEffective(before, after);
    if (!difference) continue;
    const { grantedPermissions, revokedPermissions } = difference;
    effect.affectedUsers += 1;
    effect.grantedPermissions += grantedPermissions.length;
    effect.revokedPermissions += revokedPermissions.length;
    if (losesAccess(difference)) revocations += 1;
    if (effect.preview.length < PREVIEW_LIMIT) effect.preview.push({ userId, grantedPermissions, revokedPermissions });
  }
  return revocations;
}
