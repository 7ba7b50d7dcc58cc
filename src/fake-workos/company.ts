// Pure: the life of the company. From what is the case, chance and the time, what happens next: people are hired, move,
// are promoted, fall ill and come back, leave; teams come, change their names and go. One thing may take several events.
import type { Random } from '../lib/random.ts';
import { added, changed, emailFor, happened, isEmailTakenIn, type Moment, newGroup, newUser, removed } from './company-objects.ts';
import { DIRECTORIES, MANAGERS, ON_CALL, type PlannedDirectory } from './company-plan.ts';
import type { NewEvent } from './history.ts';
import { LAST_NAMES, TEAM_NAMES, TITLES } from './names.ts';
import type { GroupObject, UserObject } from './shapes.ts';
import type { Truth } from './truth.ts';

interface View extends Moment {
  truth: Truth;
  directory: PlannedDirectory;
  active: readonly UserObject[];
  away: readonly UserObject[];
  groups: ReadonlyMap<string, GroupObject>;
  teams: readonly GroupObject[];
}

type Happening = (view: View) => NewEvent[];

const TARGET_HEADCOUNT = 45;
const ATTEMPTS = 40;

/** Empty only when nothing can happen any more, because somebody deleted every directory of the company. */
export function nextCompanyEvents(truth: Truth, random: Random, nowMs: number): NewEvent[] {
  const directories = DIRECTORIES.filter((directory) => truth.directories.has(directory.id));
  if (directories.length === 0) return [];
  const fullness = truth.users.size / TARGET_HEADCOUNT;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const events = pickHappening(random, fullness)(viewOf(truth, random.pick(directories), random, nowMs));
    if (events.length > 0) return events;
  }
  return hire(viewOf(truth, random.pick(directories), random, nowMs));
}

function pickHappening(random: Random, fullness: number): Happening {
  const table: [Happening, weight: number][] = [
    [hire, 12 / Math.max(fullness, 0.2)],
    [letGo, 12 * fullness],
    [move, 18],
    [rotateOnCall, 12],
    [joinTeam, 12],
    [leaveTeam, 8],
    [promote, 6],
    [suspend, 7],
    [reactivate, 10],
    [createTeam, 4],
    [renameTeam, 3],
    [deleteTeam, 3],
    [marry, 3],
  ];
  let ticket = random.next() * table.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [happening, weight] of table) {
    ticket -= weight;
    if (ticket < 0) return happening;
  }
  return hire;
}

function viewOf(truth: Truth, directory: PlannedDirectory, random: Random, nowMs: number): View {
  const users = [...truth.users.values()].filter((user) => user.directory_id === directory.id);
  const groups = [...truth.groups.values()].filter((group) => group.directory_id === directory.id);
  return {
    random,
    nowMs,
    isEmailTaken: isEmailTakenIn(truth),
    truth,
    directory,
    active: users.filter((user) => user.state === 'active'),
    away: users.filter((user) => user.state !== 'active'),
    groups: new Map(groups.map((group) => [group.name, group])),
    teams: groups.filter((group) => group.name.startsWith('team-')),
  };
}

const isMember = ({ truth }: View, user: UserObject, group: GroupObject): boolean => truth.groupsOf(user.id).includes(group.id);
const pick = <T>({ random }: View, items: readonly T[]): T | undefined => (items.length === 0 ? undefined : random.pick(items));
const attributesOf = (user: UserObject): object =>
  typeof user.custom_attributes === 'object' && user.custom_attributes !== null ? user.custom_attributes : {};

function hire(view: View): NewEvent[] {
  const department = view.random.pick(view.directory.departments);
  const user = newUser(view, view.directory, department);
  const group = view.groups.get(department);
  return [happened(view, 'dsync.user.created', user), ...(group ? [added(view, user, group)] : [])];
}

// By default WorkOS reports a leaver as deleted, and sends no user_removed.
function letGo(view: View): NewEvent[] {
  const user = pick(view, [...view.active, ...view.away]);
  return user ? [happened(view, 'dsync.user.deleted', user)] : [];
}

function move(view: View): NewEvent[] {
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

function rotateOnCall(view: View): NewEvent[] {
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

function joinTeam(view: View): NewEvent[] {
  const team = pick(view, view.teams);
  const user =
    team &&
    pick(
      view,
      view.active.filter((candidate) => !isMember(view, candidate, team)),
    );
  return team && user ? [added(view, user, team)] : [];
}

function leaveTeam(view: View): NewEvent[] {
  const team = pick(view, view.teams);
  const user =
    team &&
    pick(
      view,
      view.active.filter((candidate) => isMember(view, candidate, team)),
    );
  return team && user ? [removed(view, user, team)] : [];
}

function promote(view: View): NewEvent[] {
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

function suspend(view: View): NewEvent[] {
  const user = pick(view, view.active);
  if (!user || view.away.length * 6 > view.active.length) return [];
  return [changed(view, 'dsync.user.updated', user, { state: view.random.chance(0.7) ? 'inactive' : 'suspended' })[1]];
}

function reactivate(view: View): NewEvent[] {
  const user = pick(view, view.away);
  return user ? [changed(view, 'dsync.user.updated', user, { state: 'active' })[1]] : [];
}

const freeTeamName = (view: View): string | undefined =>
  pick(
    view,
    TEAM_NAMES.filter((name) => !view.groups.has(name)),
  );

// A name that comes back is a new group with a new id.
function createTeam(view: View): NewEvent[] {
  const name = freeTeamName(view);
  if (name === undefined || view.teams.length >= 4) return [];
  const team = newGroup(view, view.directory, name);
  const founders = view.random.shuffle(view.active).slice(0, 2 + view.random.below(3));
  return [happened(view, 'dsync.group.created', team), ...founders.map((user) => added(view, user, team))];
}

function renameTeam(view: View): NewEvent[] {
  const team = pick(view, view.teams);
  const name = freeTeamName(view);
  return team && name !== undefined ? [changed(view, 'dsync.group.updated', team, { name })[1]] : [];
}

// WorkOS sends no user_removed for the members.
function deleteTeam(view: View): NewEvent[] {
  const team = pick(view, view.teams);
  return team ? [happened(view, 'dsync.group.deleted', team)] : [];
}

function marry(view: View): NewEvent[] {
  const user = pick(view, view.active);
  if (!user) return [];
  const last = view.random.pick(LAST_NAMES);
  const first = typeof user.first_name === 'string' ? user.first_name : 'Somebody';
  const email = emailFor(view, first, last);
  return [changed(view, 'dsync.user.updated', user, { last_name: last, name: `${first} ${last}`, email })[1]];
}
