// Binds a client to one organization, so that no resolver can forget it (I6): every read of a table gets the condition of
// OWN added, and whatever has no line there, writes and raw SQL included, is refused. The table is the documentation.
// Nested reads (include, some) are not touched: a row of an organization only has relations within it.
import type { Db, Prisma } from '../src/db/client.ts';

const byOrganization = (organizationId: string) => ({ organizationId });

const OWN: Partial<Record<Prisma.ModelName, (tenant: string) => object>> = {
  Organization: (id) => ({ id }),
  Directory: byOrganization,
  DirectoryUser: byOrganization,
  DirectoryGroup: byOrganization,
  Membership: byOrganization,
  // Not organizationId: a directory without organization counts as one of its own, and the partition says so.
  DirectoryEvent: (partition) => ({ partition }),
  EntitlementChange: byOrganization,
  GroupMapping: byOrganization,
  Grant: byOrganization,
  Replay: byOrganization,
  AuditEntry: byOrganization,
  DriftReport: byOrganization,
  DriftItem: (organizationId) => ({ report: { organizationId } }),
};

const READS = new Set(['findUnique', 'findUniqueOrThrow', 'findFirst', 'findFirstOrThrow', 'findMany', 'count', 'groupBy', 'aggregate']);

interface Filtered {
  where?: { AND?: object | object[] };
}

/** null: every organization. */
export function bindTenant(db: Db, tenant: string | null): Db {
  if (tenant === null) return db;
  const bound = db.$extends({
    name: 'tenant',
    query: {
      $allOperations({ model, operation, args, query }) {
        const own = model && READS.has(operation) ? OWN[model as Prisma.ModelName] : undefined;
        if (!own) throw new Error(`${model ?? 'SQL'} ${operation} is not open to a caller that is bound to one organization`);
        const { where = {}, ...rest } = args as Filtered;
        return query({ ...rest, where: { ...where, AND: [own(tenant), ...(where.AND ? [where.AND].flat() : [])] } });
      },
    },
  });
  // The extension adds no method and changes no result, so the type stays the one of the plain client.
  return bound as unknown as Db;
}
