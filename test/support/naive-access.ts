// What everybody may do, worked out a second time and in the plainest way: row by row from the tables of the directory and the
// catalog, sharing no code with src. Slow, and easy to believe.
import type { Db } from '../../src/db/client.ts';

export interface Access {
  organizationId: string;
  roles: string[];
  permissions: string[];
}

/** By user; who may do nothing is left out. */
export async function naiveAccess(db: Db): Promise<Map<string, Access>> {
  const [users, directories, organizations, groups, memberships, roles, permissions, mappings, grants] = [
    await db.directoryUser.findMany(),
    await db.directory.findMany(),
    await db.organization.findMany(),
    await db.directoryGroup.findMany(),
    await db.membership.findMany(),
    await db.role.findMany(),
    await db.permission.findMany(),
    await db.groupMapping.findMany(),
    await db.grant.findMany(),
  ];
  const alive = (row: { aliveVersion: string; deletedVersion: string } | undefined): boolean =>
    row !== undefined && !(row.deletedVersion > row.aliveVersion);
  const access = new Map<string, Access>();
  for (const user of users) {
    const directory = directories.find((one) => one.id === user.directoryId);
    const organization = organizations.find((one) => one.id === directory?.organizationId);
    if (!directory || !alive(user) || user.sourceState !== 'ACTIVE') continue;
    if (!alive(directory) || directory.sourceState !== 'ACTIVE' || !alive(organization)) continue;
    const organizationId = directory.organizationId;

    const held = new Set<string>(user.directoryRoles);
    for (const grant of grants) {
      if (grant.userId === user.id && grant.organizationId === organizationId && grant.revokedAt === null) held.add(grant.role);
    }
    for (const membership of memberships) {
      if (membership.userId !== user.id || !membership.present || membership.version < user.barrierVersion) continue;
      const group = groups.find((one) => one.id === membership.groupId);
      if (!group || !alive(group) || membership.version <= group.deletedVersion) continue;
      for (const mapping of mappings) {
        if (mapping.organizationId !== organizationId) continue;
        if (mapping.groupId === group.id || mapping.groupName === group.name) for (const role of mapping.roles) held.add(role);
      }
    }
    if (held.size === 0) continue;

    const allowed = new Set<string>();
    for (const slug of held) {
      const role =
        roles.find((one) => one.slug === slug && one.organizationId === organizationId && !one.deleted) ??
        roles.find((one) => one.slug === slug && one.organizationId === '' && !one.deleted);
      for (const permission of role?.permissions ?? []) {
        const gone = permissions.find((one) => one.slug === permission && !alive(one));
        if (!(role?.origin === 'WORKOS' && gone)) allowed.add(permission);
      }
    }
    access.set(user.id, { organizationId, roles: [...held].sort(), permissions: [...allowed].sort() });
  }
  return access;
}
