// What sync-health is asked about, and whether the caller may.
import type { Db } from '../db/client.ts';
import { AccessError } from '../errors.ts';

export interface HealthScope {
  organizationId: string | null;
  directoryId: string | null;
}

/** The same, after the caller's right was looked at; null: all of them. */
export type MeasuredScope = HealthScope;

/** Problems of one kind that are told one by one. */
export const MAX_LISTED = 20;

// By primary keys.
const SCOPE = `
  SELECT (SELECT id FROM organization WHERE id = $1) AS "organizationId", (SELECT organization_id FROM directory WHERE id = $2) AS "directoryOrganizationId"`;

/** What the caller may see of what it asked for. NOT_FOUND for what is unknown or foreign. */
export async function resolveScope(db: Db, { organizationId, directoryId }: HealthScope, tenant: string | null): Promise<MeasuredScope> {
  if (organizationId === null && directoryId === null) return { organizationId: tenant, directoryId: null };
  const usable = [organizationId, directoryId].every((id) => id === null || (!id.includes('\0') && id.isWellFormed()));
  const [found] = usable
    ? await db.$queryRawUnsafe<{ organizationId: string | null; directoryOrganizationId: string | null }[]>(
        SCOPE,
        organizationId,
        directoryId,
      )
    : [];
  const owner = directoryId === null ? found?.organizationId : found?.directoryOrganizationId;
  const visible = owner != null && (tenant === null || owner === tenant) && (organizationId === null || owner === organizationId);
  if (!visible)
    throw new AccessError(
      'NOT_FOUND',
      directoryId === null ? 'organizationId: there is no such organization.' : 'directoryId: there is no such directory.',
    );
  return { organizationId: owner, directoryId };
}
