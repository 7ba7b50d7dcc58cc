// Pure: effective access of one user from what is known of them. A user without an active account in an active directory
// of a live organization has none; else the union over group mappings, the directory's own roles and grants.
import type { Effective, EntitlementPath } from '../model/entitlement.ts';
import { NO_ACCESS } from '../model/entitlement.ts';
import type { OrganizationCatalog } from './organization-catalog.ts';

export interface AccessFacts {
  /** Account, directory and organization are all in force. */
  inForce: boolean;
  /** The groups whose membership counts. */
  groups: Iterable<{ id: string; name: string }>;
  directoryRoles: readonly string[];
  grants: readonly { id: string; role: string; expiresAt: Date | null }[];
}

/** When and by which directory event paths that are new come to hold. */
export interface Onset {
  at: Date;
  eventId: string | null;
}

/** What a path is told from others by. */
type Way = Pick<EntitlementPath, 'role' | 'source' | 'groupId' | 'grantId'>;

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const compareWays = (a: Way, b: Way): number =>
  compare(a.role, b.role) || compare(a.source, b.source) || compare(a.groupId ?? a.grantId ?? '', b.groupId ?? b.grantId ?? '');

/** In order; some may come twice. */
function waysOf({ groups, directoryRoles, grants }: AccessFacts, catalog: OrganizationCatalog): (Way & { expiresAt: string | null })[] {
  const ways: (Way & { expiresAt: string | null })[] = [];
  for (const { id, name } of groups)
    for (const role of catalog.rolesOfGroup(id, name)) ways.push({ role, source: 'GROUP', groupId: id, grantId: null, expiresAt: null });
  for (const role of directoryRoles) ways.push({ role, source: 'DIRECTORY_ROLE', groupId: null, grantId: null, expiresAt: null });
  for (const { id, role, expiresAt } of grants)
    ways.push({ role, source: 'GRANT', groupId: null, grantId: id, expiresAt: expiresAt?.toISOString() ?? null });
  return ways.sort(compareWays);
}

/** Paths that `previous` has too keep their `since` and `causeEventId`; where nothing altered they are the same objects. */
export function computeEffective(facts: AccessFacts, catalog: OrganizationCatalog, previous: Effective, onset: Onset): Effective {
  if (!facts.inForce) return NO_ACCESS;
  const known = previous.reasons.paths.toSorted(compareWays);
  const paths: EntitlementPath[] = [];
  let next = 0;
  for (const way of waysOf(facts, catalog)) {
    const last = paths.at(-1);
    if (last && compareWays(last, way) === 0) continue;
    while (next < known.length && compareWays(known[next] as Way, way) < 0) next += 1;
    const before = known[next];
    if (!before || compareWays(before, way) !== 0) paths.push({ ...way, since: onset.at.toISOString(), causeEventId: onset.eventId });
    else if (before.expiresAt === way.expiresAt) paths.push(before);
    else paths.push({ ...before, expiresAt: way.expiresAt });
  }
  if (paths.length === 0) return NO_ACCESS;
  const { roles, permissions, via } = catalog.heldBy(paths.map(({ role }) => role));
  const isSame = via === previous.reasons.permissions && paths.every((path, index) => path === previous.reasons.paths[index]);
  return isSame ? previous : { roles, permissions, reasons: { paths, permissions: via } };
}
