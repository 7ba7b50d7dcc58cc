// Applies a catalog: roles, and which groups give them. What touches few is one transaction: plan, write, recompute whoever is
// touched, record the changes. What touches many commits the catalog together with a note of whose access follows
// (wide-change.ts), and then comes by all of them in chunks, so that nobody else waits for long. Whether so many may lose access
// is decided before anything is written.
import type { Db, Tx } from '../db/client.ts';
import { databaseNow } from '../db/clock.ts';
import { lockEnvironment, lockPartition } from '../db/lock.ts';
import { rolledBack } from '../db/rolled-back.ts';
import { inTransaction } from '../db/transaction.ts';
import { AccessError } from '../errors.ts';
import type { Cause } from '../model/change.ts';
import { mayRevoke } from './catalog-guard.ts';
import { type CatalogInput, type CatalogSteps, describeRole, planCatalog } from './catalog-plan.ts';
import { previewSteps } from './catalog-preview.ts';
import { reachOf, readStoredCatalog, usersWithin, writeSteps } from './catalog-rows.ts';
import { diffEffective } from './diff.ts';
import { recomputeUsers } from './recompute.ts';
import { countActiveAccounts, revocationLimit } from './revocation-limit.ts';
import { storeTransitions } from './store.ts';
import { CHUNK_SIZE, finishWideChanges, readEffect, recordWideChange, type WideChange } from './wide-change.ts';
import { addToEffect, type CountedEffect, type Effect, noEffect } from './wide-chunk.ts';

export interface CatalogPlan extends Effect {
  applied: boolean;
  rolesCreated: string[];
  rolesChanged: string[];
  rolesRemoved: string[];
  mappingsAdded: number;
  mappingsRemoved: number;
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
  /** Accounts of one transaction. */
  chunkSize?: number;
  /** Changes have been recorded, and more will follow. */
  onChanges?: () => void;
}

const PREVIEW_TRANSACTION = { timeoutMs: 600_000, isolation: 'RepeatableRead' } as const;

/** Thrown inside the transaction: first it must be known how many would lose a permission. Nothing is written. */
class Uncounted extends Error {}

type Written = { steps: CatalogSteps } & ({ effect: Effect } | { following: WideChange[] });

export async function applyCatalog(db: Db, options: ApplyCatalogOptions): Promise<CatalogPlan> {
  const { dryRun, chunkSize = CHUNK_SIZE, onChanges } = options;
  if (dryRun) {
    const { steps, effect } = await preview(db, options);
    return toPlan(steps, effect, false);
  }
  const written = await write(db, options);
  if ('effect' in written) return toPlan(written.steps, written.effect, true);
  await finishWideChanges(db, written.following, { chunkSize, ...(onChanges && { onChanges }) });
  return toPlan(written.steps, await readEffect(db, written.following), true);
}

/** The steps, and what they would come to. */
const preview = (db: Db, options: ApplyCatalogOptions): Promise<{ steps: CatalogSteps; effect: CountedEffect; limit: number }> =>
  rolledBack(
    db,
    async (tx) => {
      const steps = planCatalog(options.catalog, await readStoredCatalog(tx), options);
      const effect = await previewSteps(tx, steps, causeOfCatalog(options.actor, await databaseNow(tx)), options.chunkSize ?? CHUNK_SIZE);
      return { steps, effect, limit: await limitOf(tx, steps, options) };
    },
    PREVIEW_TRANSACTION,
  );

/** Counts without a lock where many may lose a permission; what was counted holds for the very same steps. */
async function write(db: Db, options: ApplyCatalogOptions): Promise<Written> {
  for (let allowed: CatalogSteps | null = null; ; ) {
    try {
      const counted = allowed;
      return await inTransaction(db, (tx) => writeIn(tx, options, counted));
    } catch (error) {
      if (!(error instanceof Uncounted)) throw error;
    }
    const { steps, effect, limit } = await preview(db, options);
    if (effect.revocations > limit) throw needsConfirmation(effect.revocations, limit);
    allowed = steps;
  }
}

async function writeIn(tx: Tx, options: ApplyCatalogOptions, allowed: CatalogSteps | null): Promise<Written> {
  const { catalog, tenant, chunkSize = CHUNK_SIZE } = options;
  if (tenant === null) await lockEnvironment(tx);
  else await lockPartition(tx, tenant);
  const stored = await readStoredCatalog(tx);
  const steps = planCatalog(catalog, stored, options);
  await writeSteps(tx, steps);
  const cause = causeOfCatalog(options.actor, await databaseNow(tx));
  const reaches = await reachOf(tx, steps);
  const userIds = await usersWithin(tx, reaches, chunkSize);
  if (userIds) {
    const transitions = await recomputeUsers(tx, userIds, cause);
    const counted = noEffect();
    for (const { userId, before, after } of transitions) {
      const difference = diffEffective(before, after);
      if (difference) addToEffect(counted, userId, difference);
    }
    const limit = await limitOf(tx, steps, options);
    if (counted.revocations > limit) throw needsConfirmation(counted.revocations, limit);
    await storeTransitions(tx, transitions);
    return { steps, effect: counted };
  }
  const harmless =
    JSON.stringify(allowed) === JSON.stringify(steps) || !mayRevoke(steps, stored) || (await everybodyMay(tx, steps, options));
  if (!harmless) throw new Uncounted();
  return { steps, following: await recordWideChange(tx, reaches, cause) };
}

export const causeOfCatalog = (actor: string, occurredAt: Date): Cause => ({
  kind: 'CATALOG_CHANGE',
  eventId: null,
  eventType: null,
  replayId: null,
  driftReportId: null,
  actor,
  reason: null,
  occurredAt,
});

const limitOf = async (tx: Tx, steps: CatalogSteps, { maxRevocations }: ApplyCatalogOptions): Promise<number> =>
  revocationLimit(maxRevocations, await countActiveAccounts(tx, scopeOf(steps)));

/** No more accounts can lose a permission than there are. */
async function everybodyMay(tx: Tx, steps: CatalogSteps, { maxRevocations }: ApplyCatalogOptions): Promise<boolean> {
  const active = await countActiveAccounts(tx, scopeOf(steps));
  return revocationLimit(maxRevocations, active) >= active;
}

const needsConfirmation = (revocations: number, limit: number): AccessError =>
  new AccessError(
    'CONFIRMATION_REQUIRED',
    `This catalog takes a permission from ${revocations} accounts, and ${limit} may lose one without confirmation. Look at it with dryRun; to confirm, set maxRevocations to ${revocations} or more.`,
    { details: { revocations, maxRevocations: limit } },
  );

/** The organizations that the steps are about. */
function scopeOf(steps: CatalogSteps): { organizationIds: string[] | null } {
  const { rolesCreated, rolesChanged, rolesRemoved, mappingsAdded, mappingsRemoved } = steps;
  const concerned = [rolesCreated, rolesChanged, rolesRemoved, mappingsAdded, mappingsRemoved].flat();
  const ids = new Set(concerned.map(({ organizationId }) => organizationId));
  return { organizationIds: ids.has('') ? null : [...ids] };
}

const toPlan = (
  steps: CatalogSteps,
  { affectedUsers, grantedPermissions, revokedPermissions, preview }: Effect,
  applied: boolean,
): CatalogPlan => ({
  applied,
  rolesCreated: steps.rolesCreated.map(describeRole),
  rolesChanged: steps.rolesChanged.map(describeRole),
  rolesRemoved: steps.rolesRemoved.map(describeRole),
  mappingsAdded: steps.mappingsAdded.length,
  mappingsRemoved: steps.mappingsRemoved.length,
  affectedUsers,
  grantedPermissions,
  revokedPermissions,
  preview,
});
