// Grants: a role given to one user by hand, with a reason and perhaps an end. Each alteration and its change-log row share
// one transaction under the lock of the user's organization.
import type { Db, Tx } from '../db/client.ts';
import { databaseNow } from '../db/clock.ts';
import { lockPartition } from '../db/lock.ts';
import { inTransaction } from '../db/transaction.ts';
import { AccessError } from '../errors.ts';
import type { Cause } from '../model/change.ts';
import { recomputeUsers } from './recompute.ts';
import { storeTransitions } from './store.ts';

export interface GrantRow {
  id: string;
  userId: string;
  organizationId: string;
  role: string;
  reason: string;
  grantedBy: string;
  createdAt: Date;
  expiresAt: Date | null;
  revokedAt: Date | null;
}

export interface GrantRoleOptions {
  userId: string;
  role: string;
  reason: string;
  expiresAt: Date | null;
  actor: string;
  tenant: string | null;
}

const causeOf = (kind: 'GRANT_CHANGE' | 'GRANT_EXPIRY', actor: string | null, reason: string, occurredAt: Date): Cause => ({
  kind,
  eventId: null,
  eventType: null,
  replayId: null,
  driftReportId: null,
  actor,
  reason,
  occurredAt,
});

/** A user whose directory has moved to another organization is left alone: grants of the old one do not count there, and its lock is not ours. */
const settle = async (tx: Tx, userId: string, organizationId: string, cause: Cause): Promise<void> => {
  const transitions = await recomputeUsers(tx, [userId], cause);
  await storeTransitions(
    tx,
    transitions.filter((transition) => transition.organizationId === organizationId),
  );
};

export async function grantRole(db: Db, options: GrantRoleOptions): Promise<GrantRow> {
  const { userId, role, reason, expiresAt, actor, tenant } = options;
  if (!reason.trim())
    throw new AccessError('BAD_USER_INPUT', 'reason: say why the role is granted; it is kept with every change that follows.');
  if (expiresAt && expiresAt <= (await databaseNow(db)))
    throw new AccessError('BAD_USER_INPUT', `expiresAt: ${expiresAt.toISOString()} is not in the future.`);
  const known = await db.directoryUser.findUnique({ where: { id: userId }, select: { organizationId: true } });
  if (!known || (tenant !== null && known.organizationId !== tenant)) throw userNotFound();
  const grant = await inTransaction(db, async (tx) => {
    await lockPartition(tx, known.organizationId);
    const user = await tx.directoryUser.findUnique({ where: { id: userId }, select: { organizationId: true, state: true } });
    if (!user || user.state === 'DELETED') throw userNotFound();
    const { organizationId } = user;
    if (organizationId !== known.organizationId) return null;
    const defined = await tx.role.count({ where: { slug: role, deleted: false, organizationId: { in: ['', organizationId] } } });
    if (defined === 0) throw new AccessError('BAD_USER_INPUT', `role: "${role}" is not defined for organization ${organizationId}.`);
    const createdAt = await databaseNow(tx);
    const grant = await tx.grant.create({ data: { userId, organizationId, role, reason, grantedBy: actor, createdAt, expiresAt } });
    await settle(tx, userId, organizationId, causeOf('GRANT_CHANGE', actor, reason, grant.createdAt));
    return grant;
  });
  // Null: the directory moved to another organization before its lock was ours.
  return grant ?? grantRole(db, options);
}

const userNotFound = (): AccessError => new AccessError('NOT_FOUND', 'userId: there is no such user, or it was deleted.');

/** Idempotent: a grant that has ended already is returned as it is. */
export async function revokeGrant(db: Db, { id, actor, tenant }: { id: string; actor: string; tenant: string | null }): Promise<GrantRow> {
  const known = await db.grant.findUnique({ where: { id } });
  if (!known || (tenant !== null && known.organizationId !== tenant)) throw new AccessError('NOT_FOUND', 'id: there is no such grant.');
  return inTransaction(db, async (tx) => {
    await lockPartition(tx, known.organizationId);
    const grant = await tx.grant.findUniqueOrThrow({ where: { id } });
    if (grant.revokedAt) return grant;
    const revokedAt = await databaseNow(tx);
    const revoked = await tx.grant.update({ where: { id }, data: { revokedAt } });
    const cause = causeOf('GRANT_CHANGE', actor, `revoked: ${grant.reason}`, revokedAt);
    await settle(tx, grant.userId, grant.organizationId, cause);
    return revoked;
  });
}

const EXPIRED = `SELECT DISTINCT organization_id AS "organizationId" FROM "grant" WHERE revoked_at IS NULL AND expires_at <= $1::timestamptz`;

/** Records the end of grants whose time is over; returns how many. Reads leave them out from the moment itself. */
export async function expireGrants(db: Db, now: Date): Promise<number> {
  let ended = 0;
  for (const { organizationId } of await db.$queryRawUnsafe<{ organizationId: string }[]>(EXPIRED, now.toISOString())) {
    ended += await inTransaction(db, async (tx) => {
      await lockPartition(tx, organizationId);
      const due = await tx.grant.findMany({
        where: { organizationId, revokedAt: null, expiresAt: { lte: now } },
        orderBy: [{ expiresAt: 'asc' }, { id: 'asc' }],
        take: 500,
      });
      for (const grant of due) {
        const occurredAt = grant.expiresAt ?? now;
        await tx.grant.update({ where: { id: grant.id }, data: { revokedAt: occurredAt } });
        await settle(tx, grant.userId, organizationId, causeOf('GRANT_EXPIRY', null, grant.reason, occurredAt));
      }
      return due.length;
    });
  }
  return ended;
}
