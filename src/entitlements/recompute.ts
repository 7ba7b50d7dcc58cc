// Effective access of given users from the stored tables, after something other than their own directory rows altered: the
// catalog, a role, a grant. The caller holds the lock of their partition (or of the environment).
import type { Tx } from '../db/client.ts';
import type { Cause } from '../model/change.ts';
import { OPEN_END } from '../model/cursor.ts';
import { type Effective, NO_ACCESS } from '../model/entitlement.ts';
import { computeEffective } from './compute.ts';
import { loadCatalogs } from './organization-catalog.ts';
import type { AccessTransition } from './transition.ts';

interface UserFacts {
  id: string;
  organizationId: string;
  directoryId: string;
  inForce: boolean;
  directoryRoles: string[];
  groups: { id: string; name: string }[];
  grants: { id: string; role: string; expiresAt: string | null }[];
  /** What is stored now, under the organization and directory that it names. */
  effective: (Effective & { organizationId: string; directoryId: string }) | null;
}

export interface DerivableUser extends Omit<UserFacts, 'grants' | 'groups' | 'directoryRoles' | 'inForce'> {
  /** What the tables give; paths that `previous` has too keep their beginning. */
  derive(previous: Effective, cause: Cause): Effective;
}

// Per user: primary keys of user, directory, organization, effective_entitlement; membership by (user_id); grant by (user_id).
const FACTS = `
  SELECT u.id, u.organization_id AS "organizationId", u.directory_id AS "directoryId", u.directory_roles AS "directoryRoles",
         u.state = 'ACTIVE' AND d.state = 'ACTIVE' AND NOT o.deleted AS "inForce",
         (SELECT coalesce(json_agg(json_build_object('id', g.id, 'name', g.name)), '[]') FROM membership m JOIN directory_group g ON g.id = m.group_id
          WHERE m.user_id = u.id AND m.active) AS groups,
         (SELECT coalesce(json_agg(json_build_object('id', t.id, 'role', t.role, 'expiresAt', t.expires_at)), '[]') FROM "grant" t
          WHERE t.user_id = u.id AND t.organization_id = u.organization_id AND t.revoked_at IS NULL) AS grants,
         (SELECT json_build_object('roles', e.roles, 'permissions', e.permissions, 'reasons', e.reasons, 'organizationId', e.organization_id,
            'directoryId', e.directory_id) FROM effective_entitlement e
          WHERE e.user_id = u.id AND e.to_position = ${OPEN_END}) AS effective
  FROM directory_user u JOIN directory d ON d.id = u.directory_id JOIN organization o ON o.id = u.organization_id
  WHERE u.id = ANY($1::text[]) ORDER BY u.id`;

/** In id order; unknown ones are left out. */
export async function readDerivable(tx: Tx, userIds: readonly string[]): Promise<DerivableUser[]> {
  if (userIds.length === 0) return [];
  const users = await tx.$queryRawUnsafe<UserFacts[]>(FACTS, userIds);
  const catalogs = await loadCatalogs(
    tx,
    users.map((user) => user.organizationId),
  );
  return users.flatMap((user) => {
    const catalog = catalogs.get(user.organizationId);
    if (!catalog) return [];
    const grants = user.grants.map((grant) => ({ ...grant, expiresAt: grant.expiresAt ? new Date(grant.expiresAt) : null }));
    const { id, organizationId, directoryId, effective } = user;
    const derive: DerivableUser['derive'] = (previous, { occurredAt, eventId }) =>
      computeEffective({ ...user, grants }, catalog, previous, { at: occurredAt, eventId });
    return [{ id, organizationId, directoryId, effective, derive }];
  });
}

/** One transition per known user, also where nothing altered (entitlements/store.ts drops those). */
export async function recomputeUsers(tx: Tx, userIds: readonly string[], cause: Cause): Promise<AccessTransition[]> {
  return (await readDerivable(tx, userIds)).map(({ id: userId, organizationId, directoryId, effective, derive }) => {
    const before = effective ?? NO_ACCESS;
    return { kind: 'access', userId, organizationId, directoryId, before, after: derive(before, cause), cause };
  });
}

// Current versions by (organization_id, user_id, to_position); the whole index where every organization may be touched.
const HOLDERS = `
  SELECT user_id AS id FROM effective_entitlement
  WHERE to_position = ${OPEN_END} AND roles && $1::text[] AND ($2::text IS NULL OR organization_id = $2) ORDER BY user_id`;

/** Users who hold one of the roles now; `organizationId` null looks in every organization. */
export async function holdersOf(tx: Tx, roles: readonly string[], organizationId: string | null): Promise<string[]> {
  if (roles.length === 0) return [];
  return (await tx.$queryRawUnsafe<{ id: string }[]>(HOLDERS, roles, organizationId)).map((row) => row.id);
}
