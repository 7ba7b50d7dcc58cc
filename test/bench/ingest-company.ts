// The directory events of a company that is provisioned for the first time, from numbers alone: the same on every machine. The
// ten organizations of dataset-rows.ts; of each first the directory, then its groups, then its people, each at once followed by
// the groups that it is in. As a stream of JSON lines, so that a million people need no memory.
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { CatalogInput } from '../../src/entitlements/catalog-plan.ts';
import { directoryId, groupId, ORGANIZATIONS, organizationId, organizationOf, userId } from './dataset-rows.ts';

const GROUPS = 1_000;
const ROLES = 100;
const PERMISSIONS_OF_ROLE = 5;
const STARTS_AT = Date.UTC(2026, 0, 1);
const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** Every group of every organization gives one role, by its name. */
export const COMPANY_CATALOG: CatalogInput = {
  roles: Array.from({ length: ROLES }, (_, role) => ({
    slug: `role-${role}`,
    name: `Role ${role}`,
    permissions: Array.from({ length: PERMISSIONS_OF_ROLE }, (_, index) => `thing-${(role * 7 + index * 11) % 60}:use`),
  })),
  groupMappings: Array.from({ length: GROUPS }, (_, n) => ({
    organizationId: organizationId(organizationOf(n)),
    groupName: `Team ${n}`,
    roles: [`role-${n % ROLES}`],
  })),
};

const encode = (value: number, length: number): string => {
  let [rest, text] = [value, ''];
  for (let index = 0; index < length; index += 1) {
    text = CROCKFORD.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
};

const idOf = (n: number): string => `event_${encode(STARTS_AT + n, 10)}${encode(n, 16)}`;

function* happenings({ users, memberships }: { users: number; memberships: number }): Generator<{ event: string; data: object }> {
  const at = new Date(STARTS_AT).toISOString();
  const times = { created_at: at, updated_at: at };
  const place = (n: number) => ({ directory_id: directoryId(organizationOf(n)), organization_id: organizationId(organizationOf(n)) });
  for (let n = 0; n < ORGANIZATIONS; n += 1) {
    const data = { object: 'directory', id: directoryId(n), organization_id: organizationId(n), name: `Company ${n}`, ...times };
    yield { event: 'dsync.activated', data: { ...data, type: 'okta scim v2.0', state: 'active', domains: [], external_key: `key-${n}` } };
  }
  const group = (n: number) => ({
    object: 'directory_group',
    id: groupId(n),
    ...place(n),
    idp_id: `idp-group-${n}`,
    name: `Team ${n}`,
    raw_attributes: {},
    ...times,
  });
  for (let n = 0; n < GROUPS; n += 1) yield { event: 'dsync.group.created', data: group(n) };
  for (let n = 0; n < users; n += 1) {
    const email = `person.${n}@company-${organizationOf(n)}.example`;
    const user = {
      object: 'directory_user',
      id: userId(n),
      ...place(n),
      idp_id: `idp-user-${n}`,
      email,
      username: email,
      first_name: 'Person',
      last_name: `Number ${n}`,
      emails: [{ primary: true, type: 'work', value: email }],
      job_title: null,
      state: 'active',
      custom_attributes: { department: `Department ${n % 50}`, cost_center: n % 1_000 },
      raw_attributes: {},
      role: { slug: 'member' },
      roles: [{ slug: 'member' }],
      ...times,
    };
    yield { event: 'dsync.user.created', data: user };
    // One step in the list of the organization's groups for each further one.
    for (let which = 0; which < memberships; which += 1) {
      const of = ((Math.floor(n / ORGANIZATIONS) * 7 + which * 31) % (GROUPS / ORGANIZATIONS)) * ORGANIZATIONS + organizationOf(n);
      yield { event: 'dsync.group.user_added', data: { directory_id: directoryId(organizationOf(n)), user, group: group(of) } };
    }
  }
}

function* lines(size: { users: number; memberships: number }): Generator<string> {
  let count = 0;
  for (const { event, data } of happenings(size)) {
    const created_at = new Date(STARTS_AT + count).toISOString();
    yield `${JSON.stringify({ object: 'event', id: idOf(count), event, data, created_at, context: {} })}\n`;
    count += 1;
  }
}

export const countOf = ({ users, memberships }: { users: number; memberships: number }): number =>
  ORGANIZATIONS + GROUPS + users * (1 + memberships);

/** Answers the id of the last event. */
export async function writeCompany(file: string, size: { users: number; memberships: number }): Promise<string> {
  await pipeline(Readable.from(lines(size)), createWriteStream(file));
  return idOf(countOf(size) - 1);
}
