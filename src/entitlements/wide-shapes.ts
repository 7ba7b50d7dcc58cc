// Pure: what becomes of the users of a page. Those whose lines are the same become the same: the computation, the difference
// and the text to be stored are made once for all of them.
import type { Cause } from '../model/change.ts';
import { NO_ACCESS } from '../model/entitlement.ts';
import { computeEffective } from './compute.ts';
import { type AccessDifference, diffEffective, sameEffective } from './diff.ts';
import { createOrganizationCatalog, type OrganizationCatalog, type RoleAndMappingRows } from './organization-catalog.ts';
import { parseFacts } from './wide-page.ts';

/** What is to be stored for everybody with one line. */
export interface Shape {
  difference: AccessDifference | undefined;
  /** For wide-store.ts: JSON without the opening brace. */
  text: string;
}

export interface Shapes {
  /** undefined: nothing is to be stored. */
  of(facts: string, groupNames: ReadonlyMap<string, string>): Shape | undefined;
}

/** Beyond these, begun anew: some 20 MB. */
const MAX_KEPT = 3_000;

/** For one organization as long as its catalog stands, and one cause. */
export function createShapes(
  organizationId: string,
  { roles, mappings }: RoleAndMappingRows,
  { occurredAt, eventId }: Pick<Cause, 'occurredAt' | 'eventId'>,
): Shapes {
  const catalog = createOrganizationCatalog(organizationId, roles, mappings);
  const kept = new Map<string, Shape | undefined>();
  return {
    of(facts, groupNames) {
      if (kept.has(facts)) return kept.get(facts);
      if (kept.size >= MAX_KEPT) kept.clear();
      const shape = toShape(facts, groupNames, catalog, { at: occurredAt, eventId });
      kept.set(facts, shape);
      return shape;
    },
  };
}

function toShape(
  text: string,
  groupNames: ReadonlyMap<string, string>,
  catalog: OrganizationCatalog,
  onset: { at: Date; eventId: string | null },
): Shape | undefined {
  const { facts, before } = parseFacts(text, groupNames);
  const after = computeEffective(facts, catalog, before, onset);
  if (sameEffective(before, after)) return undefined;
  const difference = diffEffective(before, after);
  const { grantedPermissions = [], revokedPermissions = [], grantedRoles = [], revokedRoles = [] } = difference ?? {};
  const row = {
    told: difference !== undefined,
    granted_permissions: grantedPermissions,
    revoked_permissions: revokedPermissions,
    granted_roles: grantedRoles,
    revoked_roles: revokedRoles,
    ...(after === NO_ACCESS ? { holds: false } : { holds: true, ...after }),
  };
  return { difference, text: JSON.stringify(row).slice(1) };
}
