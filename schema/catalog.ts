import type { CatalogPlan as PlanOf } from '../src/entitlements/catalog.ts';
import type { CatalogInput as CatalogOf } from '../src/entitlements/catalog-plan.ts';
import { builder } from './builder.ts';
import { EntitlementChangePreview } from './change-preview.ts';
import { toMaxRevocations } from './max-revocations.ts';

const RoleInput = builder.inputType('RoleInput', {
  fields: (t) => ({
    slug: t.string({ required: true }),
    name: t.string(),
    description: t.string(),
    organizationId: t.id({ description: 'Left out: for every organization' }),
    permissions: t.stringList({ required: true }),
  }),
});

const GroupMappingInput = builder.inputType('GroupMappingInput', {
  description: 'Exactly one of groupId and groupName',
  fields: (t) => ({
    organizationId: t.id({ required: true }),
    groupId: t.id(),
    groupName: t.string(),
    roles: t.stringList({ required: true }),
  }),
});

const CatalogInput = builder.inputType('CatalogInput', {
  fields: (t) => ({
    roles: t.field({ type: [RoleInput], required: true }),
    groupMappings: t.field({ type: [GroupMappingInput], required: true }),
  }),
});

const CatalogPlan = builder.objectRef<PlanOf>('CatalogPlan').implement({
  fields: (t) => ({
    applied: t.exposeBoolean('applied'),
    rolesCreated: t.exposeStringList('rolesCreated'),
    rolesChanged: t.exposeStringList('rolesChanged'),
    rolesRemoved: t.exposeStringList('rolesRemoved'),
    mappingsAdded: t.exposeInt('mappingsAdded'),
    mappingsRemoved: t.exposeInt('mappingsRemoved'),
    affectedUsers: t.exposeInt('affectedUsers'),
    grantedPermissions: t.exposeInt('grantedPermissions'),
    revokedPermissions: t.exposeInt('revokedPermissions'),
    preview: t.expose('preview', { type: [EntitlementChangePreview] }),
  }),
});

const toCatalog = ({ roles, groupMappings }: typeof CatalogInput.$inferInput): CatalogOf => ({
  roles: roles.map(({ name = null, description = null, organizationId = null, ...role }) => ({
    ...role,
    name,
    description,
    organizationId,
  })),
  groupMappings: groupMappings.map(({ groupId = null, groupName = null, ...mapping }) => ({ ...mapping, groupId, groupName })),
});

builder.mutationField('applyCatalog', (t) =>
  t.field({
    type: CatalogPlan,
    authScopes: { scope: 'CATALOG_WRITE' },
    args: {
      catalog: t.arg({ type: CatalogInput, required: true }),
      dryRun: t.arg.boolean({ defaultValue: false }),
      prune: t.arg.boolean({ defaultValue: false, description: 'Also removes what the catalog does not name' }),
      maxRevocations: t.arg.int({
        description:
          'So many accounts may lose a permission, else CONFIRMATION_REQUIRED. Left out: 20, or 5 % of the active accounts of the organizations concerned if that is more',
      }),
    },
    resolve: (_root, { catalog, dryRun, prune, maxRevocations }, { services, caller, tenant }) =>
      services.catalog.apply({
        catalog: toCatalog(catalog),
        dryRun: dryRun ?? false,
        prune: prune ?? false,
        maxRevocations: toMaxRevocations(maxRevocations),
        actor: caller.name,
        tenant,
      }),
  }),
);
