// Catalogs of organizations, kept from one transaction for the next. Never believed unasked: whoever reads sends the revision that
// was kept with the question for everything else, and gets in the same snapshot what is another by now (apply/load-working-set.ts).
// The revision is drawn anew by a trigger for each statement that writes a catalog, at random: it names its catalogs in whatever
// database, and one that was rolled back never comes again.
import { createWeightedCache, type WeightedCache } from '../lib/weighted-cache.ts';
import type { OrganizationCatalog } from './organization-catalog.ts';

export interface KnownCatalogs {
  /** null: none are kept. */
  revision: string | null;
  /** By organization: what is stored, if the revision is. */
  byOrganization: ReadonlyMap<string, OrganizationCatalog>;
}

export interface KeptCatalogs {
  /** Those of these organizations that are kept. */
  known(organizationIds: Iterable<string>): KnownCatalogs;
  /** As read with this revision, by organization. */
  keep(revision: string, read: ReadonlyMap<string, OrganizationCatalog>): void;
}

/** Some 20 MB. */
const MAX_ROLES_AND_MAPPINGS = 100_000;

export function createKeptCatalogs(maxSize = MAX_ROLES_AND_MAPPINGS): KeptCatalogs {
  const empty = (): WeightedCache<OrganizationCatalog> =>
    createWeightedCache({ maxWeight: maxSize, weigh: (_organization, { size }) => 1 + size });
  let current: string | null = null;
  let kept = empty();
  return {
    known(organizationIds) {
      const byOrganization = new Map<string, OrganizationCatalog>();
      for (const id of organizationIds) {
        const catalog = kept.get(id);
        if (catalog) byOrganization.set(id, catalog);
      }
      return { revision: current, byOrganization };
    },
    keep(revision, read) {
      if (revision !== current) kept = empty();
      current = revision;
      for (const [id, catalog] of read) kept.set(id, catalog);
    },
  };
}
