// Pure: what becomes of the users of a page. Those whose lines are the same become the same: the computation, the difference
// and the text to be stored are made once for all of them.
import { hash } from 'node:crypto';
import type { Cause } from '../model/change.ts';
import { NO_ACCESS } from '../model/entitlement.ts';
import { computeEffective } from './compute.ts';
import { type AccessDifference, diffEffective, sameEffective } from './diff.ts';
import { createOrganizationCatalog, type OrganizationCatalog, type RoleAndMappingRows } from './organization-catalog.ts';
import { parseFacts } from './wide-page.ts';

/** What is to be stored for everybody with one line. */
export interface Shape {
  difference: AccessDifference | undefined;
  /** For wide-store.ts: JSON of all but the reasons, without the opening brace. */
  lists: string;
  /** JSON. */
  reasons: string;
}

export interface Shapes {
  /** undefined: nothing is to be stored. */
  of(facts: string, groupNames: ReadonlyMap<string, string>): Shape | undefined;
}

/** Beyond these, begun anew: some 10 MB. */
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
      // The text itself would hold on to the page that it is a part of.
      const key = hash('sha256', facts, 'base64');
      if (kept.has(key)) return kept.get(key);
      if (kept.size >= MAX_KEPT) kept.clear();
      const shape = toShape(facts, groupNames, catalog, { at: occurredAt, eventId });
      kept.set(key, shape);
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
  const { reasons, ...held } = after;
  const lists = {
    told: difference !== undefined,
    granted_permissions: grantedPermissions,
    revoked_permissions: revokedPermissions,
    granted_roles: grantedRoles,
    revoked_roles: revokedRoles,
    holds: after !== NO_ACCESS,
    ...held,
  };
  return { difference, lists: JSON.stringify(lists).slice(1), reasons: JSON.stringify(reasons) };
}
