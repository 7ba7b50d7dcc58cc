// Two organizations to ask about. acme: ada (active, in platform and readers), bob (suspended, in readers), cyd (active, no
// group), del (deleted); globex: gus (active, in a group that is called platform too). Access comes from the real catalog
// and grants, so it has reasons and stands in the change log.
import type { Db } from '../../src/db/client.ts';
import { applyCatalog } from '../../src/entitlements/catalog.ts';
import { grantRole } from '../../src/entitlements/grants.ts';

const AT = new Date('2026-01-01T00:00:00.000Z');
const version = 'event_01KDVMCG000000000000000000';
const registers = { sourceVersion: version, aliveVersion: version };

type UserSeed = { id: string; state?: 'ACTIVE' | 'SUSPENDED' | 'DELETED'; email?: string; displayName?: string; directoryRoles?: string[] };

async function insertDirectory(db: Db, name: string, seeds: readonly UserSeed[], groups: Record<string, readonly string[]>): Promise<void> {
  const organizationId = `org_${name}`;
  const directoryId = `directory_${name}`;
  const place = { organizationId, directoryId };
  await db.organization.create({ data: { id: organizationId, name: name.toUpperCase(), sourceUpdatedAt: AT, ...registers } });
  await db.directory.create({
    data: {
      id: directoryId,
      organizationId,
      name,
      type: 'okta scim v2.0',
      sourceState: 'ACTIVE',
      state: 'ACTIVE',
      sourceUpdatedAt: AT,
      ...registers,
    },
  });
  await db.directoryUser.createMany({
    data: seeds.map(({ id, state = 'ACTIVE', email, displayName = id, directoryRoles = [] }) => ({
      id,
      ...place,
      idpId: `idp-${id}`,
      email: email ?? `${id}@${name}.example`,
      firstName: null,
      lastName: null,
      displayName,
      sourceState: state === 'DELETED' ? 'ACTIVE' : state,
      state,
      customAttributes: { team: name },
      directoryRoles,
      createdAt: AT,
      updatedAt: AT,
      ...registers,
      seenVersion: version,
    })),
  });
  for (const [group, members] of Object.entries(groups)) {
    const id = `group_${name}_${group}`;
    await db.directoryGroup.create({
      data: { id, ...place, idpId: `idp-${id}`, name: group, createdAt: AT, updatedAt: AT, ...registers, seenVersion: version },
    });
    await db.membership.createMany({
      data: members.map((userId) => ({
        userId,
        groupId: id,
        ...place,
        present: true,
        active: true,
        version,
        since: AT,
        causeEventId: version,
      })),
    });
  }
}

export async function insertCompany(db: Db): Promise<void> {
  await insertDirectory(
    db,
    'acme',
    [
      { id: 'user_ada', displayName: 'Ada Lovelace' },
      { id: 'user_bob', displayName: 'Bob 100% _sure_', state: 'SUSPENDED' },
      { id: 'user_cyd', displayName: 'Cyd', directoryRoles: ['auditor'] },
      { id: 'user_del', displayName: 'Del', state: 'DELETED' },
    ],
    { platform: ['user_ada'], readers: ['user_ada', 'user_bob'], empty: [] },
  );
  await insertDirectory(db, 'globex', [{ id: 'user_gus', displayName: 'Gus' }], { platform: ['user_gus'] });
  // A removal stays as a row: it must show nowhere.
  await db.membership.create({
    data: {
      userId: 'user_cyd',
      groupId: 'group_acme_readers',
      organizationId: 'org_acme',
      directoryId: 'directory_acme',
      present: false,
      active: false,
      version,
      since: AT,
    },
  });
  await applyCatalog(db, {
    catalog: {
      roles: [
        { slug: 'engineer', name: 'Engineer', permissions: ['deploy:run', 'docs:read'] },
        { slug: 'reader', permissions: ['docs:read'] },
        { slug: 'engineer', organizationId: 'org_globex', permissions: ['globex:only'] },
      ],
      groupMappings: [
        { organizationId: 'org_acme', groupName: 'platform', roles: ['engineer'] },
        { organizationId: 'org_acme', groupId: 'group_acme_readers', roles: ['reader'] },
        { organizationId: 'org_globex', groupName: 'platform', roles: ['engineer'] },
      ],
    },
    dryRun: false,
    prune: false,
    actor: 'seed',
    tenant: null,
  });
  await grantRole(db, { userId: 'user_cyd', role: 'reader', reason: 'on call', expiresAt: null, actor: 'seed', tenant: null });
}

/** More members of acme's readers. */
export async function insertMembers(db: Db, count: number): Promise<void> {
  const place = { organizationId: 'org_acme', directoryId: 'directory_acme' };
  const ids = Array.from({ length: count }, (_, index) => `user_m${String(index).padStart(4, '0')}`);
  await db.directoryUser.createMany({
    data: ids.map((id) => ({
      id,
      ...place,
      displayName: id,
      sourceState: 'ACTIVE',
      state: 'ACTIVE',
      customAttributes: {},
      directoryRoles: [],
      createdAt: AT,
      updatedAt: AT,
      ...registers,
    })),
  });
  await db.membership.createMany({
    data: ids.map((userId) => ({ userId, groupId: 'group_acme_readers', ...place, present: true, active: true, version, since: AT })),
  });
}

/** An event in the inbox, applied unless told otherwise. */
export async function insertEvent(
  db: Db,
  { id, ...over }: { id: string } & Partial<Parameters<Db['directoryEvent']['create']>[0]['data']>,
): Promise<void> {
  const raw = JSON.stringify({ id, event: 'dsync.user.updated', data: { id: 'user_ada' } });
  await db.directoryEvent.create({
    data: {
      id,
      type: 'dsync.user.updated',
      partition: 'org_acme',
      organizationId: 'org_acme',
      directoryId: 'directory_acme',
      userId: 'user_ada',
      raw,
      status: 'APPLIED',
      channel: 'EVENTS_API',
      occurredAt: AT,
      appliedAt: AT,
      ...over,
    } as Parameters<Db['directoryEvent']['create']>[0]['data'],
  });
}
