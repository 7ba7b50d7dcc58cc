// Pure: the directory events of a company that is provisioned for the first time, from numbers alone: the same on every machine. The
// ten organizations of dataset-rows.ts: first their directories, then their groups, then their people, each at once followed by the
// groups that it is in. Each event is made when it is asked for by its number: a million people need no memory.
import type { CatalogInput } from '../../src/entitlements/catalog-plan.ts';
import type { HistoryEvent } from '../../src/fake-workos/history.ts';
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

export interface CompanySize {
  users: number;
  /** Groups of each. */
  memberships: number;
}

const LETTERS_OF_TIME = 10;
const LETTERS_OF_NUMBER = 16;

const encode = (value: number, length: number): string => {
  let [rest, text] = [value, ''];
  for (let index = 0; index < length; index += 1) {
    text = CROCKFORD.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
};

export const countOf = ({ users, memberships }: CompanySize): number => ORGANIZATIONS + GROUPS + users * (1 + memberships);

export const eventIdOf = (n: number): string => `event_${encode(STARTS_AT + n, LETTERS_OF_TIME)}${encode(n, LETTERS_OF_NUMBER)}`;

/** undefined for what is no id of any company's event. */
export function numberOfEvent(id: string): number | undefined {
  const n = [...id.slice(-LETTERS_OF_NUMBER)].reduce((sum, letter) => sum * 32 + CROCKFORD.indexOf(letter), 0);
  return n >= 0 && eventIdOf(n) === id ? n : undefined;
}

const BEGINNING = new Date(STARTS_AT).toISOString();
const times = { created_at: BEGINNING, updated_at: BEGINNING };

/** Of a user or a group. */
const place = (n: number) => ({ directory_id: directoryId(organizationOf(n)), organization_id: organizationId(organizationOf(n)) });

const directory = (n: number) => ({
  object: 'directory',
  id: directoryId(n),
  organization_id: organizationId(n),
  name: `Company ${n}`,
  ...times,
  type: 'okta scim v2.0',
  state: 'active',
  domains: [],
  external_key: `key-${n}`,
});

const group = (n: number) => ({
  object: 'directory_group',
  id: groupId(n),
  ...place(n),
  idp_id: `idp-group-${n}`,
  name: `Team ${n}`,
  raw_attributes: {},
  ...times,
});

function user(n: number) {
  const email = `person.${n}@company-${organizationOf(n)}.example`;
  return {
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
}

/** One step in the list of the organization's groups for each further one. */
const groupOf = (n: number, which: number): number =>
  ((Math.floor(n / ORGANIZATIONS) * 7 + which * 31) % (GROUPS / ORGANIZATIONS)) * ORGANIZATIONS + organizationOf(n);

function happening({ memberships }: CompanySize, n: number): Pick<HistoryEvent, 'event' | 'data'> {
  if (n < ORGANIZATIONS) return { event: 'dsync.activated', data: directory(n) };
  if (n < ORGANIZATIONS + GROUPS) return { event: 'dsync.group.created', data: group(n - ORGANIZATIONS) };
  const since = n - ORGANIZATIONS - GROUPS;
  const person = Math.floor(since / (1 + memberships));
  const step = since % (1 + memberships);
  if (step === 0) return { event: 'dsync.user.created', data: user(person) };
  const { directory_id } = place(person);
  return { event: 'dsync.group.user_added', data: { directory_id, user: user(person), group: group(groupOf(person, step - 1)) } };
}

/** Event `n` of `countOf(size)`, from 0. */
export function eventOf(size: CompanySize, n: number): HistoryEvent {
  const { event, data } = happening(size, n);
  return { object: 'event', id: eventIdOf(n), event, data, created_at: new Date(STARTS_AT + n).toISOString(), context: {} };
}
