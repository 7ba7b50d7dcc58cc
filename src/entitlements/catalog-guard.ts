// Pure: whether the steps of a catalog can take a permission from anybody at all. If they only add, nobody needs to count.
import type { CatalogSteps } from './catalog-plan.ts';
import type { StoredCatalog } from './catalog-rows.ts';

const within = (some: readonly string[], all: readonly string[]): boolean => {
  const known = new Set(all);
  return some.every((item) => known.has(item));
};

export function mayRevoke(
  { rolesCreated, rolesChanged, rolesRemoved, mappingsAdded, mappingsRemoved }: CatalogSteps,
  stored: StoredCatalog,
): boolean {
  const permissionsOf = (organizationId: string, slug: string): readonly string[] =>
    stored.roles.find((role) => role.organizationId === organizationId && role.slug === slug)?.permissions ?? [];
  return (
    rolesRemoved.length > 0 ||
    rolesChanged.some(({ organizationId, slug, permissions }) => !within(permissionsOf(organizationId, slug), permissions)) ||
    // One of an organization stands before the one for all.
    rolesCreated.some(({ slug, permissions }) => !within(permissionsOf('', slug), permissions)) ||
    mappingsRemoved.some(
      (removed) =>
        !mappingsAdded.some(
          (added) =>
            added.organizationId === removed.organizationId &&
            added.groupId === removed.groupId &&
            added.groupName === removed.groupName &&
            within(removed.roles, added.roles),
        ),
    )
  );
}
