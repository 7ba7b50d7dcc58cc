// Pure: how the company came to be, long enough ago that the Events API no longer tells it: the people who are there
// already, for the initial import to read.
import type { Random } from '../lib/random.ts';
import { added, happened, type Moment, newGroup, newUser } from './company-objects.ts';
import { DIRECTORIES, MANAGERS, ON_CALL, ORGANIZATIONS, type PlannedDirectory } from './company-plan.ts';
import type { NewEvent } from './history.ts';
import type { GroupObject } from './shapes.ts';

const FOUNDED_BEFORE_MS = 400 * 86_400_000;
const BETWEEN_EVENTS_MS = 61_000;

export function foundCompany(random: Random, nowMs: number): NewEvent[] {
  const events: NewEvent[] = [];
  const emails = new Set<string>();
  const moment = (): Moment => ({
    random,
    nowMs: nowMs - FOUNDED_BEFORE_MS + events.length * BETWEEN_EVENTS_MS,
    isEmailTaken: (email) => emails.has(email),
  });
  for (const organization of ORGANIZATIONS)
    events.push(happened(moment(), 'organization.created', describeOrganization(moment(), organization)));
  for (const directory of DIRECTORIES) {
    events.push(happened(moment(), 'dsync.activated', describeDirectory(moment(), directory)));
    const groups = new Map<string, GroupObject>();
    for (const name of [...directory.departments, ...directory.circles]) {
      const group = newGroup(moment(), directory, name);
      groups.set(name, group);
      events.push(happened(moment(), 'dsync.group.created', group));
    }
    for (let hired = 0; hired < directory.headcount; hired += 1) {
      const department = directory.departments[hired % directory.departments.length] as string;
      const user = newUser(moment(), directory, department);
      emails.add(user.email ?? '');
      const leads = hired < directory.departments.length && directory.circles.includes(MANAGERS);
      const managing = leads ? { ...user, role: { slug: 'manager' }, roles: [{ slug: 'manager' }] } : user;
      events.push(happened(moment(), 'dsync.user.created', managing));
      const joins = [department, ...(leads ? [MANAGERS] : []), ...(department === 'engineering' && hired % 3 === 0 ? [ON_CALL] : [])];
      for (const group of joins.flatMap((name) => groups.get(name) ?? [])) events.push(added(moment(), managing, group));
    }
  }
  return events;
}

function describeOrganization({ nowMs }: Moment, { id, name }: { id: string; name: string }) {
  const at = new Date(nowMs).toISOString();
  return { object: 'organization', id, name, domains: [], metadata: {}, external_id: null, created_at: at, updated_at: at };
}

function describeDirectory({ nowMs }: Moment, { id, organizationId, name, type }: PlannedDirectory) {
  const at = new Date(nowMs).toISOString();
  const state = { type, state: 'active', name, organization_id: organizationId, domains: [] };
  return { object: 'directory', id, external_key: id.slice(-16), ...state, created_at: at, updated_at: at };
}
