// Pure: the objects and events that the living company writes, in WorkOS' format.
import type { Random } from '../lib/random.ts';
import type { PlannedDirectory } from './company-plan.ts';
import { ulid } from './event-ids.ts';
import type { NewEvent } from './history.ts';
import { FIRST_NAMES, LAST_NAMES, MAIL_DOMAIN, TITLES } from './names.ts';
import type { GroupObject, UserObject } from './shapes.ts';
import type { Truth } from './truth.ts';

/** A moment in the company's life: chance and the time at which things happen. */
export interface Moment {
  random: Random;
  nowMs: number;
  isEmailTaken: (email: string) => boolean;
}

export const isEmailTakenIn =
  (truth: Truth) =>
  (email: string): boolean =>
    [...truth.users.values()].some((user) => user.email === email);

const iso = (ms: number): string => new Date(ms).toISOString();

export function emailFor(moment: Moment, first: string, last: string): string {
  const local = `${first}.${last}`.toLowerCase();
  for (let suffix = 1; ; suffix += 1) {
    const email = `${local}${suffix === 1 ? '' : suffix}@${MAIL_DOMAIN}`;
    if (!moment.isEmailTaken(email)) return email;
  }
}

export function newUser(moment: Moment, directory: PlannedDirectory, department: string): UserObject {
  const { random, nowMs } = moment;
  const first = random.pick(FIRST_NAMES);
  const last = random.pick(LAST_NAMES);
  return {
    object: 'directory_user',
    id: `directory_user_${ulid(nowMs, random)}`,
    directory_id: directory.id,
    organization_id: directory.organizationId,
    idp_id: `00u${ulid(nowMs, random).slice(-14).toLowerCase()}`,
    email: emailFor(moment, first, last),
    first_name: first,
    last_name: last,
    name: `${first} ${last}`,
    state: 'active',
    custom_attributes: { department, job_title: random.pick(TITLES[department] ?? ['Employee']) },
    raw_attributes: {},
    role: { slug: 'member' },
    roles: [{ slug: 'member' }],
    created_at: iso(nowMs),
    updated_at: iso(nowMs),
  };
}

export function newGroup({ random, nowMs }: Moment, directory: Pick<PlannedDirectory, 'id' | 'organizationId'>, name: string): GroupObject {
  return {
    object: 'directory_group',
    id: `directory_group_${ulid(nowMs, random)}`,
    idp_id: `00g${ulid(nowMs, random).slice(-14).toLowerCase()}`,
    directory_id: directory.id,
    organization_id: directory.organizationId,
    name,
    raw_attributes: {},
    created_at: iso(nowMs),
    updated_at: iso(nowMs),
  };
}

export const happened = ({ nowMs }: Moment, event: string, data: unknown): NewEvent => ({
  object: 'event',
  event,
  data,
  created_at: iso(nowMs),
  context: {},
});

/** The object after `changes`, and the event that says so with the attributes from before. */
export function changed<T extends UserObject | GroupObject>(moment: Moment, type: string, object: T, changes: Partial<T>): [T, NewEvent] {
  const now = { ...object, ...changes, updated_at: iso(moment.nowMs) };
  const previous = Object.fromEntries(Object.keys(changes).map((key) => [key, object[key] ?? null]));
  return [now, happened(moment, type, { ...now, previous_attributes: previous })];
}

export const added = (moment: Moment, user: UserObject, group: GroupObject): NewEvent =>
  happened(moment, 'dsync.group.user_added', { directory_id: group.directory_id, user, group });

export const removed = (moment: Moment, user: UserObject, group: GroupObject): NewEvent =>
  happened(moment, 'dsync.group.user_removed', { directory_id: group.directory_id, user, group });
