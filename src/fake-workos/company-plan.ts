// What is fixed about the living company: its organizations, directories and the groups that each directory starts with.

export interface PlannedDirectory {
  id: string;
  organizationId: string;
  name: string;
  type: string;
  /** Groups of which everybody is in one. */
  departments: readonly string[];
  /** Further groups, of people from any department. */
  circles: readonly string[];
  headcount: number;
}

export const STAFF_ORGANIZATION_ID = 'org_01JFAKE0C0MPANY0000000000A';
export const BRANCH_ORGANIZATION_ID = 'org_01JFAKE0C0MPANY0000000000B';

export const ORGANIZATIONS = [
  { id: STAFF_ORGANIZATION_ID, name: 'Fake Company' },
  { id: BRANCH_ORGANIZATION_ID, name: 'Fake Company Branch Office' },
] as const;

export const ON_CALL = 'on-call';
export const MANAGERS = 'managers';

export const DIRECTORIES: readonly PlannedDirectory[] = [
  {
    id: 'directory_01JFAKE0C0MPANY0000000000A',
    organizationId: STAFF_ORGANIZATION_ID,
    name: 'Fake Company staff',
    type: 'okta scim v2.0',
    departments: ['engineering', 'finance', 'people', 'support'],
    circles: [ON_CALL, MANAGERS],
    headcount: 22,
  },
  {
    id: 'directory_01JFAKE0C0MPANY0000000000B',
    organizationId: STAFF_ORGANIZATION_ID,
    name: 'Fake Company contractors',
    type: 'azure scim v2.0',
    departments: ['contractors'],
    circles: [],
    headcount: 8,
  },
  {
    id: 'directory_01JFAKE0C0MPANY0000000000C',
    organizationId: BRANCH_ORGANIZATION_ID,
    name: 'Fake Company branch office',
    type: 'gsuite directory',
    departments: ['engineering', 'sales'],
    circles: [ON_CALL, MANAGERS],
    headcount: 12,
  },
];
