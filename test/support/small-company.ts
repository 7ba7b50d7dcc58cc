// One directory of one organization, with three people and two groups, for tests that tell a story. Events 1 to 10.
import type { Db } from '../../src/db/client.ts';
import { applyCatalog } from '../../src/entitlements/catalog.ts';
import type { CatalogInput } from '../../src/entitlements/catalog-plan.ts';
import { deliver } from './core-database.ts';
import { readEffective } from './read-effective.ts';
import { aDirectory, aGroup, aMembership, anEvent, aUser } from './workos-objects.ts';

export const COMPANY = [
  anEvent(1, 'dsync.activated', aDirectory()),
  anEvent(2, 'dsync.user.created', aUser('ann')),
  anEvent(3, 'dsync.user.created', aUser('bob')),
  anEvent(4, 'dsync.user.created', aUser('cyd')),
  anEvent(5, 'dsync.group.created', aGroup('engineers')),
  anEvent(6, 'dsync.group.created', aGroup('admins')),
  anEvent(7, 'dsync.group.user_added', aMembership(aUser('ann'), aGroup('engineers'))),
  anEvent(8, 'dsync.group.user_added', aMembership(aUser('bob'), aGroup('engineers'))),
  anEvent(9, 'dsync.group.user_added', aMembership(aUser('bob'), aGroup('admins'))),
];
export const NEXT = 10;

export const COMPANY_CATALOG: CatalogInput = {
  roles: [
    { slug: 'builder', permissions: ['docs:read', 'docs:write'] },
    { slug: 'steward', permissions: ['docs:read', 'docs:admin'] },
  ],
  groupMappings: [
    { organizationId: 'org_1', groupName: 'engineers', roles: ['builder'] },
    { organizationId: 'org_1', groupName: 'admins', roles: ['steward'] },
  ],
};

export const putCatalog = (db: Db, catalog: CatalogInput = COMPANY_CATALOG) =>
  applyCatalog(db, { catalog, dryRun: false, prune: false, actor: 'test', tenant: null });

export async function found(db: Db): Promise<void> {
  await putCatalog(db);
  await deliver(db, COMPANY);
}

/** What each may do now, by user; who may do nothing is left out. */
export async function permissionsNow(db: Db): Promise<Record<string, string[]>> {
  const users = await db.directoryUser.findMany({ orderBy: { id: 'asc' } });
  const answers = await readEffective(
    db,
    users.map(({ id }) => id),
    null,
  );
  return Object.fromEntries(
    [...answers]
      .filter(([, { effective }]) => effective.permissions.length > 0)
      .map(([id, { effective }]) => [id, effective.permissions])
      .sort(),
  );
}

/** The log in short: who, by what, +granted -revoked. */
export async function changesSince(db: Db, position: number): Promise<string[]> {
  const changes = await db.entitlementChange.findMany({ where: { position: { gt: position } }, orderBy: { position: 'asc' } });
  return changes.map((one) =>
    [
      `${one.userId} ${one.eventType ?? one.causeKind}:`,
      ...one.grantedPermissions.map((permission) => `+${permission}`),
      ...one.revokedPermissions.map((permission) => `-${permission}`),
    ].join(' '),
  );
}

export const headOf = async (db: Db): Promise<number> => Number((await db.changeLogHead.findUniqueOrThrow({ where: { id: 1 } })).position);

/** Status of each event, by the last four digits of its id. */
export async function verdicts(db: Db): Promise<Record<string, string>> {
  const events = await db.directoryEvent.findMany({ orderBy: { id: 'asc' }, select: { id: true, status: true } });
  return Object.fromEntries(events.map(({ id, status }) => [id.slice(-4), status]));
}
