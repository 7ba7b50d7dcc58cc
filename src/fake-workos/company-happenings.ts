// Pure: the things that can happen in one directory of the living company. Each answers the events that tell it, or
// none when it cannot happen now.
import { added, changed, emailFor, happened, type Moment, newGroup, newUser, removed } from './company-objects.ts';
import { MANAGERS, ON_CALL, type PlannedDirectory } from './company-plan.ts';
import type { NewEvent } from './history.ts';
import { LAST_NAMES, TEAM_NAMES, TITLES } from './names.ts';
import type { GroupObject, UserObject } from './shapes.ts';
import type { Truth } from './truth.ts';

/** One directory at one moment. */
export interface View extends Moment {
  truth: Truth;
  directory: PlannedDirectory;
  active: readonly UserObject[];
  away: readonly UserObject[];
  /** By name. */
  groups: ReadonlyMap<string, GroupObject>;
  teams: readonly GroupObject[];
}

export type Happening = (view: View) => NewEvent[];

const isMember = ({ truth }: View, user: UserObject, group: GroupObject): boolean => truth.groupsOf(user.id).includes(group.id);
const pick = <T>({ random }: View, items: readonly T[]): T | undefined => (items.length === 0 ? undefined : random.pick(items));
const attributesOf = (user: UserObject): object =>
  typeof user.custom_attributes === 'object' && user.custom_attributes !== null ? user.custom_attributes : {};

export function hire(view: View): NewEvent[] {
  const department = view.random.pick(view.directory.departments);
  const user = newUser(view, view.directory, department);
  const group = view.groups.get(department);
  return [happened(view, 'dsync.user.created', user), ...(group ? [added(view, user, group)] : [])];
}

// By default WorkOS reports a leaver as deleted, and sends no user_removed.
export function letGo(view: View): NewEvent[] {
  const user = pick(view, [...view.active, ...view.away]);
  return user ? [happened(view, 'dsync.user.deleted', user)] : [];
}

export function move(view: View): NewEvent[] {
  const departments = view.directory.departments.flatMap((name) => view.groups.get(name) ?? []);
  const user = pick(view, view.active);
  const from = user && departments.find((group) => isMember(view, user, group));
  const to = pick(
    view,
    departments.filter((group) => group !== from),
  );
  if (!user || !to) return [];
  const job = { department: to.name, job_title: view.random.pick(TITLES[to.name] ?? ['Employee']) };
  const [moved, event] = changed(view, 'dsync.user.updated', user, { custom_attributes: { ...attributesOf(user), ...job } });
  return [...(from ? [removed(view, moved, from)] : []), event, added(view, moved, to)];
}

export function rotateOnCall(view: View): NewEvent[] {
  const group = view.groups.get(ON_CALL);
  if (!group) return [];
  const leaving = pick(
    view,
    view.active.filter((user) => isMember(view, user, group)),
  );
  const coming = pick(
    view,
    view.active.filter((user) => !isMember(view, user, group)),
  );
  return [...(leaving ? [removed(view, leaving, group)] : []), ...(coming ? [added(view, coming, group)] : [])];
}

export function joinTeam(view: View): NewEvent[] {
  const team = pick(view, view.teams);
  const user =
    team &&
    pick(
      view,
      view.active.filter((candidate) => !isMember(view, candidate, team)),
    );
  return team && user ? [added(view, user, team)] : [];
}

export function leaveTeam(view: View): NewEvent[] {
  const team = pick(view, view.teams);
  const user =
    team &&
    pick(
      view,
      view.active.filter((candidate) => isMember(view, candidate, team)),
    );
  return team && user ? [removed(view, user, team)] : [];
}

export function promote(view: View): NewEvent[] {
  const group = view.groups.get(MANAGERS);
  const user =
    group &&
    pick(
      view,
      view.active.filter((candidate) => !isMember(view, candidate, group)),
    );
  if (!group || !user || view.truth.membersOf(group.id).length * 4 > view.active.length) return [];
  const [promoted, event] = changed(view, 'dsync.user.updated', user, { role: { slug: 'manager' }, roles: [{ slug: 'manager' }] });
  return [event, added(view, promoted, group)];
}

export function suspend(view: View): NewEvent[] {
  const user = pick(view, view.active);
  if (!user || view.away.length * 6 > view.active.length) return [];
  return [changed(view, 'dsync.user.updated', user, { state: view.random.chance(0.7) ? 'inactive' : 'suspended' })[1]];
}

export function reactivate(view: View): NewEvent[] {
  const user = pick(view, view.away);
  return user ? [changed(view, 'dsync.user.updated', user, { state: 'active' })[1]] : [];
}

const freeTeamName = (view: View): string | undefined =>
  pick(
    view,
    TEAM_NAMES.filter((name) => !view.groups.has(name)),
  );

// A name that comes back is a new group with a new id.
export function createTeam(view: View): NewEvent[] {
  const name = freeTeamName(view);
  if (name === undefined || view.teams.length >= 4) return [];
  const team = newGroup(view, view.directory, name);
  const founders = view.random.shuffle(view.active).slice(0, 2 + view.random.below(3));
  return [happened(view, 'dsync.group.created', team), ...founders.map((user) => added(view, user, team))];
}

export function renameTeam(view: View): NewEvent[] {
  const team = pick(view, view.teams);
  const name = freeTeamName(view);
  return team && name !== undefined ? [changed(view, 'dsync.group.updated', team, { name })[1]] : [];
}

// WorkOS sends no user_removed for the members.
export function deleteTeam(view: View): NewEvent[] {
  const team = pick(view, view.teams);
  return team ? [happened(view, 'dsync.group.deleted', team)] : [];
}

export function marry(view: View): NewEvent[] {
  const user = pick(view, view.active);
  if (!user) return [];
  const last = view.random.pick(LAST_NAMES);
  const first = typeof user.first_name === 'string' ? user.first_name : 'Somebody';
  const email = emailFor(view, first, last);
  return [changed(view, 'dsync.user.updated', user, { last_name: last, name: `${first} ${last}`, email })[1]];
}
