// Draws histories of a few directories, as WorkOS would tell them: a small world takes one step at a time and says what
// happened as events. Few ids on purpose, so that everything meets everything. `plausible` histories are those of a source
// that never contradicts itself, so that a read of its state agrees with its events; the others add what sources are known to do anyhow.
import fc from 'fast-check';
import {
  aDirectory,
  aGroup,
  aMembership,
  anEvent,
  anOrganization,
  aPermission,
  aRole,
  aUser,
  type Json,
  momentOf,
  type SourceEvent,
} from './workos-objects.ts';

const PLAUSIBLE = [
  'activate',
  'hire',
  'stage',
  'edit',
  'assign',
  'suspend',
  'reactivate',
  'dismiss',
  'foundGroup',
  'renameGroup',
  'dissolveGroup',
  'join',
  'join',
  'join',
  'join',
  'leave',
  'leave',
  'removeDirectory',
  'moveDirectory',
  'nameOrganization',
  'unknownType',
] as const;

/** Sources change without a word, too (Okta leaves out removals): only a read of their state shows it. */
const SILENT = ['vanish', 'slipOut', 'slipOut'] as const;

const IMPLAUSIBLE = [
  'orphanJoin',
  'orphanLeave',
  'dismissUnknown',
  'dissolveUnknown',
  'staleEdit',
  'tiedEdit',
  'ancientEdit',
  'reviveUser',
  'reviveGroup',
  'seenAfterDeletion',
  'removeOrganization',
  'wanderingOrganization',
] as const;

const CATALOG = ['defineRole', 'alterRole', 'dropRole', 'definePermission', 'dropPermission'] as const;

type Kind = (typeof PLAUSIBLE)[number] | (typeof SILENT)[number] | (typeof IMPLAUSIBLE)[number] | (typeof CATALOG)[number];

/** One step: what happens, and to whom (taken modulo what there is). */
export interface Step {
  kind: Kind;
  directory: number;
  user: number;
  group: number;
  value: number;
}

export const GROUP_NAMES = ['engineers', 'admins', 'auditors'];
const ORGANIZATIONS = ['org_1', 'org_2'];
const DIRECTORY_COUNT = 3;

/** What the source knows now; what a read of its state API shows. */
export interface World {
  directories: { id: string; organizationId: string | null; json: Json | undefined }[];
  users: Map<string, Json>;
  groups: Map<string, Json>;
  /** `user group` */
  memberships: Set<string>;
}

export interface History {
  events: SourceEvent[];
  /** The world after the first `n` events; index n. */
  worlds: World[];
}

const step = (kinds: readonly Kind[]): fc.Arbitrary<Step> =>
  fc.record({
    kind: fc.constantFrom(...kinds),
    directory: fc.nat(DIRECTORY_COUNT - 1),
    user: fc.nat(3),
    group: fc.nat(2),
    value: fc.nat(5),
  });

/** A company that runs already: two directories with three people in two groups each. */
const FOUNDING: readonly Step[] = [0, 1].flatMap((directory) =>
  (['activate', 'foundGroup', 'foundGroup', 'hire', 'hire', 'hire', 'join', 'join', 'join'] as const).map((kind, index) => ({
    kind,
    directory,
    user: index % 3,
    group: index % 2,
    value: index % 2,
  })),
);

const history = (kinds: readonly Kind[], maxLength: number): fc.Arbitrary<History> =>
  fc
    .tuple(
      fc.constantFrom(false, true, true, true),
      fc.array(step(kinds), { minLength: 2, maxLength: maxLength - FOUNDING.length, size: 'max' }),
    )
    .map(([founded, steps]) => play(founded ? [...FOUNDING, ...steps] : steps));

/** Of a source that never contradicts itself. */
export const plausibleHistory = (maxLength: number): fc.Arbitrary<History> => history([...PLAUSIBLE, ...SILENT], maxLength);

export const anyHistory = (maxLength: number): fc.Arbitrary<History> => history([...PLAUSIBLE, ...PLAUSIBLE, ...IMPLAUSIBLE], maxLength);

/** With roles and permissions that WorkOS defines. */
export const anyHistoryWithCatalog = (maxLength: number): fc.Arbitrary<History> =>
  history([...PLAUSIBLE, ...PLAUSIBLE, ...IMPLAUSIBLE, ...CATALOG], maxLength);

function play(steps: readonly Step[]): History {
  const world: World = {
    directories: Array.from({ length: DIRECTORY_COUNT }, (_, index) => ({
      id: `directory_${index}`,
      organizationId: [ORGANIZATIONS[0], null, ORGANIZATIONS[1]][index] ?? null,
      json: undefined,
    })),
    users: new Map(),
    groups: new Map(),
    memberships: new Set(),
  };
  const events: SourceEvent[] = [];
  const worlds = [structuredClone(world)];
  steps.forEach((one, index) => {
    const n = index + 1;
    const emit = (type: string, data: unknown): void => {
      events.push(anEvent(n, type, data));
      worlds.push(structuredClone(world));
    };
    take(world, one, n, emit);
  });
  const described = events.map(({ id, type, raw }) => `${id.slice(-4)} ${type} ${raw}`).join('\n');
  return Object.assign({ events, worlds }, { [fc.toStringMethod]: () => described });
}

function take(world: World, one: Step, n: number, emit: (type: string, data: unknown) => void): void {
  const directory = world.directories[one.directory % world.directories.length];
  if (!directory) return;
  const now = momentOf(n);
  const own = { directory_id: directory.id, organization_id: directory.organizationId };
  const usersHere = [...world.users.values()].filter((user) => user.directory_id === directory.id);
  const groupsHere = [...world.groups.values()].filter((group) => group.directory_id === directory.id);
  const user = usersHere[one.user % Math.max(1, usersHere.length)];
  const group = groupsHere[one.group % Math.max(1, groupsHere.length)];
  const freshUser = (id: string, over: Json = {}): Json => ({
    ...aUser(id, own),
    created_at: now,
    updated_at: now,
    roles: roles(one.value),
    ...over,
  });
  const freshGroup = (id: string): Json => ({
    ...aGroup(id, own),
    name: GROUP_NAMES[one.value % GROUP_NAMES.length],
    created_at: now,
    updated_at: now,
  });
  const put = (next: Json): Json => {
    world.users.set(String(next.id), next);
    return next;
  };
  const forget = (id: string): void => {
    world.users.delete(id);
    world.groups.delete(id);
    for (const pair of world.memberships) if (pair.split(' ').includes(id)) world.memberships.delete(pair);
  };

  switch (one.kind) {
    case 'activate':
      directory.json = aDirectory(directory.id, { organization_id: directory.organizationId, updated_at: now, name: `name ${one.value}` });
      emit('dsync.activated', directory.json);
      break;
    case 'hire':
    case 'stage': {
      if (usersHere.length >= 4) break;
      const state = one.kind === 'hire' ? 'active' : 'inactive';
      emit('dsync.user.created', put(freshUser(`user_${one.directory}_${n}`, { state })));
      break;
    }
    case 'edit':
      if (user)
        emit(
          'dsync.user.updated',
          put({ ...user, email: `mail-${one.value}@example.com`, updated_at: now, custom_attributes: { b: one.value, a: [null] } }),
        );
      break;
    case 'assign':
      if (user) emit('dsync.user.updated', put({ ...user, role: { slug: 'member' }, roles: roles(one.value + 1), updated_at: now }));
      break;
    case 'suspend':
      if (user) emit('dsync.user.updated', put({ ...user, state: one.value % 2 ? 'suspended' : 'inactive', updated_at: now }));
      break;
    case 'reactivate':
      if (user) emit('dsync.user.updated', put({ ...user, state: 'active', updated_at: now }));
      break;
    case 'dismiss':
      if (!user) break;
      forget(String(user.id));
      emit('dsync.user.deleted', { ...user, state: one.value % 2 ? 'inactive' : user.state, updated_at: now });
      break;
    case 'foundGroup': {
      if (groupsHere.length >= 3) break;
      const json = freshGroup(`group_${one.directory}_${n}`);
      world.groups.set(String(json.id), json);
      emit('dsync.group.created', json);
      break;
    }
    case 'renameGroup': {
      if (!group) break;
      const json: Json = { ...group, name: GROUP_NAMES[one.value % GROUP_NAMES.length], updated_at: now };
      world.groups.set(String(json.id), json);
      emit('dsync.group.updated', json);
      break;
    }
    case 'dissolveGroup':
      if (!group) break;
      forget(String(group.id));
      emit('dsync.group.deleted', group);
      break;
    case 'join':
      if (!user || !group) break;
      world.memberships.add(`${user.id} ${group.id}`);
      emit('dsync.group.user_added', aMembership(user, group));
      break;
    case 'leave':
      if (!user || !group) break;
      world.memberships.delete(`${user.id} ${group.id}`);
      emit('dsync.group.user_removed', aMembership(user, group));
      break;
    case 'removeDirectory':
      for (const entity of [...usersHere, ...groupsHere]) forget(String(entity.id));
      directory.json = undefined;
      emit(
        one.value % 2 ? 'dsync.deleted' : 'dsync.deactivated',
        aDirectory(directory.id, { organization_id: directory.organizationId, state: 'deleting', updated_at: now }),
      );
      break;
    case 'moveDirectory':
      if (directory.organizationId === null) break;
      directory.organizationId = ORGANIZATIONS.find((id) => id !== directory.organizationId) ?? null;
      for (const entities of [world.users, world.groups]) {
        for (const [id, entity] of entities)
          if (entity.directory_id === directory.id) entities.set(id, { ...entity, organization_id: directory.organizationId });
      }
      directory.json = aDirectory(directory.id, { organization_id: directory.organizationId, updated_at: now });
      emit('dsync.activated', directory.json);
      break;
    case 'nameOrganization':
      emit(
        one.value % 2 ? 'organization.created' : 'organization.updated',
        anOrganization(ORGANIZATIONS[one.user % 2], { name: `name ${n}`, updated_at: now }),
      );
      break;
    case 'unknownType':
      emit('dsync.token.created', { id: 'token_1', directory_id: directory.id });
      break;

    case 'vanish':
      if (user) forget(String(user.id));
      break;
    case 'slipOut': {
      const pairs = [...world.memberships].filter((pair) => usersHere.some(({ id }) => pair.startsWith(`${id} `)));
      world.memberships.delete(pairs[one.user % Math.max(1, pairs.length)] ?? '');
      break;
    }

    // What a source without contradictions would not say.
    case 'orphanJoin':
      emit(
        'dsync.group.user_added',
        aMembership(freshUser(`orphan_${one.directory}_${one.user}`), freshGroup(`lost_${one.directory}_${one.group}`)),
      );
      break;
    case 'orphanLeave':
      emit(
        'dsync.group.user_removed',
        aMembership(freshUser(`orphan_${one.directory}_${one.user}`), freshGroup(`lost_${one.directory}_${one.group}`)),
      );
      break;
    case 'dismissUnknown':
      emit('dsync.user.deleted', freshUser(`orphan_${one.directory}_${one.user}`));
      break;
    case 'dissolveUnknown':
      emit('dsync.group.deleted', freshGroup(`lost_${one.directory}_${one.group}`));
      break;
    case 'staleEdit':
      if (user)
        emit('dsync.user.updated', {
          ...user,
          state: one.value % 3 ? 'active' : 'inactive',
          email: 'stale@example.com',
          updated_at: momentOf(n - 1 - one.value),
        });
      break;
    case 'tiedEdit':
      if (user) emit('dsync.user.updated', { ...user, email: `tied-${n}@example.com`, roles: roles(one.value) });
      break;
    case 'ancientEdit':
      emit(
        'dsync.user.updated',
        freshUser(`orphan_${one.directory}_${one.user}`, { email: `ancient-${n}@example.com`, updated_at: '0001-01-01T00:00:00Z' }),
      );
      break;
    case 'reviveUser':
      emit('dsync.user.created', freshUser(`orphan_${one.directory}_${one.user}`));
      break;
    case 'reviveGroup':
      emit('dsync.group.created', freshGroup(`lost_${one.directory}_${one.group}`));
      break;
    case 'seenAfterDeletion':
      emit('dsync.user.updated', freshUser(`orphan_${one.directory}_${one.user}`, { state: one.value % 2 ? 'active' : 'suspended' }));
      break;
    case 'removeOrganization':
      emit('organization.deleted', anOrganization(ORGANIZATIONS[one.user % 2], { updated_at: now }));
      break;
    case 'wanderingOrganization':
      // A directory of which no event of its own tells, and whose users name now this organization, now that, now none.
      emit(
        'dsync.user.created',
        freshUser(`wanderer_${one.user}`, { directory_id: 'directory_silent', organization_id: [...ORGANIZATIONS, null][one.value % 3] }),
      );
      break;

    case 'defineRole':
    case 'alterRole':
    case 'dropRole': {
      const scoped = one.directory % 2 === 1;
      const event = { defineRole: 'created', alterRole: 'updated', dropRole: 'deleted' }[one.kind];
      const role = aRole(roles(one.value)[0]?.slug ?? 'member', PERMISSIONS.slice(one.group, one.group + one.user), {
        updated_at: now,
        ...(scoped && { organization_id: ORGANIZATIONS[one.user % 2] }),
      });
      emit(`${scoped ? 'organization_role' : 'role'}.${event}`, role);
      break;
    }
    case 'definePermission':
    case 'dropPermission':
      emit(
        one.kind === 'definePermission' ? 'permission.created' : 'permission.deleted',
        aPermission(PERMISSIONS[one.value % PERMISSIONS.length] ?? '', { updated_at: now }),
      );
      break;
    default:
      one.kind satisfies never;
  }
}

/** `constructor` and `__proto__` are names like any other. */
export const PERMISSIONS = ['docs:read', 'docs:write', '42', 'constructor', '__proto__'];
const ROLES = ['member', 'lead', '__proto__'];

const roles = (value: number): { slug: string }[] => ROLES.filter((_, index) => (value >> index) & 1).map((slug) => ({ slug }));
