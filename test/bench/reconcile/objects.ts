// WorkOS objects of the directory that run.ts compares.
type Json = Record<string, unknown>;

const EARLY = '2025-01-01T00:00:00.000Z';
export const DIRECTORY_ID = 'directory_bench';
const place = { directory_id: DIRECTORY_ID, organization_id: 'org_bench' };
const times = { created_at: EARLY, updated_at: EARLY };

export const directory: Json = {
  object: 'directory',
  id: DIRECTORY_ID,
  organization_id: 'org_bench',
  name: 'Bench',
  type: 'okta scim v2.0',
  state: 'active',
  ...times,
};

export const userId = (n: number): string => `directory_user_${String(n).padStart(7, '0')}`;
export const groupId = (n: number): string => `directory_group_${String(n).padStart(5, '0')}`;

export const userObject = (n: number, over: Json = {}): Json => ({
  object: 'directory_user',
  id: userId(n),
  ...place,
  idp_id: `idp-${n}`,
  email: `person.${n}@bench.example`,
  first_name: 'Person',
  last_name: `Number ${n}`,
  state: 'active',
  custom_attributes: { department: `Department ${n % 50}`, costCenter: n % 1_000 },
  ...times,
  ...over,
});

export const groupObject = (id: string, over: Json = {}): Json => ({
  object: 'directory_group',
  id,
  ...place,
  idp_id: `idp-${id}`,
  name: id,
  ...times,
  ...over,
});

export const member = (user: Json, id: string): Json => ({ directory_id: DIRECTORY_ID, user, group: groupObject(id) });

/** Each is in two groups. */
export const groupsOf = (n: number, groups: number): string[] => [...new Set([n % groups, (n * 7 + 13) % groups])].map(groupId);

export interface Size {
  users: number;
  groups: number;
}
