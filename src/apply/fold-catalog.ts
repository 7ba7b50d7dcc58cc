// Roles and permissions that WorkOS defines, by the same registers as the directory: attributes by (updated_at, version),
// existence by the newest of bringing into being and deletion. Alters the row and says whose access may follow.
import type { Tx } from '../db/client.ts';
import { holdersOf } from '../entitlements/recompute.ts';
import type { Fact, SourcePermission, SourceRole } from '../model/fact.ts';

// An event about a role that WorkOS has makes it WorkOS' own, also where a catalog had defined the slug before; one about a role
// that WorkOS has no more only moves the registers of what the catalog defined since. A deleted one stays as a tombstone.
const ROLE = `
  INSERT INTO role AS r (organization_id, slug, name, description, permissions, origin, source_updated_at, source_version, alive_version, deleted_version, deleted)
  VALUES ($1, $2, $3, $4, $5::text[], 'WORKOS', $6::timestamptz, $7, $8, $9, $9 > $8)
  ON CONFLICT (organization_id, slug) DO UPDATE SET
    (name, description, permissions, source_updated_at, source_version, origin, alive_version, deleted_version, deleted) = (
      SELECT CASE WHEN taken THEN EXCLUDED.name ELSE r.name END, CASE WHEN taken THEN EXCLUDED.description ELSE r.description END,
             CASE WHEN taken THEN EXCLUDED.permissions ELSE r.permissions END, CASE WHEN taken THEN EXCLUDED.source_updated_at ELSE r.source_updated_at END,
             CASE WHEN taken THEN EXCLUDED.source_version ELSE r.source_version END, CASE WHEN kept THEN r.origin ELSE 'WORKOS' END,
             alive, tombstone, CASE WHEN kept THEN r.deleted ELSE tombstone > alive END
      FROM (SELECT greatest(r.alive_version, EXCLUDED.alive_version) AS alive, greatest(r.deleted_version, EXCLUDED.deleted_version) AS tombstone) AS v,
      LATERAL (SELECT r.origin = 'CATALOG' AND tombstone > alive AS kept) AS k,
      LATERAL (SELECT NOT kept AND (r.origin = 'CATALOG' OR (EXCLUDED.source_updated_at, EXCLUDED.source_version) > (r.source_updated_at, r.source_version)) AS taken) AS t)
  WHERE r.origin = 'CATALOG' OR (EXCLUDED.source_updated_at, EXCLUDED.source_version) > (r.source_updated_at, r.source_version)
     OR EXCLUDED.alive_version > r.alive_version OR EXCLUDED.deleted_version > r.deleted_version`;

const PERMISSION = `
  INSERT INTO permission AS p (slug, name, description, source_updated_at, source_version, alive_version, deleted_version, deleted)
  VALUES ($1, $2, $3, $4::timestamptz, $5, $6, $7, $7 > $6)
  ON CONFLICT (slug) DO UPDATE SET
    (name, description, source_updated_at, source_version) = (
      SELECT w.name, w.description, w.source_updated_at, w.source_version
      FROM (VALUES (EXCLUDED.name, EXCLUDED.description, EXCLUDED.source_updated_at, EXCLUDED.source_version), (p.name, p.description, p.source_updated_at, p.source_version))
        AS w(name, description, source_updated_at, source_version)
      ORDER BY w.source_updated_at DESC, w.source_version DESC LIMIT 1),
    alive_version = greatest(p.alive_version, EXCLUDED.alive_version),
    deleted_version = greatest(p.deleted_version, EXCLUDED.deleted_version),
    deleted = greatest(p.deleted_version, EXCLUDED.deleted_version) > greatest(p.alive_version, EXCLUDED.alive_version)
  WHERE (EXCLUDED.source_updated_at, EXCLUDED.source_version) > (p.source_updated_at, p.source_version)
     OR EXCLUDED.alive_version > p.alive_version OR EXCLUDED.deleted_version > p.deleted_version`;

const ROLES_WITH_PERMISSION = `SELECT DISTINCT slug FROM role WHERE origin = 'WORKOS' AND permissions @> ARRAY[$1]::text[]`;

export interface CatalogFold {
  applied: boolean;
  /** Users whose access may have altered. */
  touched: string[];
}

type Existence = 'alive' | 'seen' | 'deleted';

async function foldRole(tx: Tx, role: SourceRole, existence: Existence, version: string): Promise<CatalogFold> {
  const { organizationId, slug, name, description, permissions, updatedAt } = role;
  const registers = [existence === 'alive' ? version : '', existence === 'deleted' ? version : ''];
  const rows = await tx.$executeRawUnsafe(
    ROLE,
    organizationId,
    slug,
    name,
    description,
    permissions,
    updatedAt.toISOString(),
    version,
    ...registers,
  );
  return rows === 0 ? { applied: false, touched: [] } : { applied: true, touched: await holdersOf(tx, [slug], organizationId || null) };
}

async function foldPermission(tx: Tx, permission: SourcePermission, existence: Existence, version: string): Promise<CatalogFold> {
  const { slug, name, description, updatedAt } = permission;
  const registers = [existence === 'alive' ? version : '', existence === 'deleted' ? version : ''];
  const rows = await tx.$executeRawUnsafe(PERMISSION, slug, name, description, updatedAt.toISOString(), version, ...registers);
  if (rows === 0) return { applied: false, touched: [] };
  const roles = await tx.$queryRawUnsafe<{ slug: string }[]>(ROLES_WITH_PERMISSION, slug);
  return {
    applied: true,
    touched: await holdersOf(
      tx,
      roles.map((role) => role.slug),
      null,
    ),
  };
}

export async function foldCatalogFact(tx: Tx, fact: Fact, version: string): Promise<CatalogFold> {
  switch (fact.kind) {
    case 'roleSeen':
      return foldRole(tx, fact.role, fact.alive ? 'alive' : 'seen', version);
    case 'roleDeleted':
      return foldRole(tx, fact.role, 'deleted', version);
    case 'permissionSeen':
      return foldPermission(tx, fact.permission, fact.alive ? 'alive' : 'seen', version);
    case 'permissionDeleted':
      return foldPermission(tx, fact.permission, 'deleted', version);
    default:
      throw new Error(`${fact.kind} belongs to the directory, not to the catalog`);
  }
}
