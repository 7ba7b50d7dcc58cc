// A catalog that fits the living company, in the shape of CatalogInput (contract.graphql), so that its people have
// permissions. `member` and `manager` are roles that the directory itself assigns.
import { BRANCH_ORGANIZATION_ID, MANAGERS, ON_CALL, STAFF_ORGANIZATION_ID } from './company-plan.ts';
import { TEAM_NAMES } from './names.ts';

export interface CompanyCatalog {
  roles: { slug: string; name: string; description: string; permissions: string[] }[];
  groupMappings: { organizationId: string; groupName: string; roles: string[] }[];
}

const role = (slug: string, name: string, description: string, ...permissions: string[]) => ({ slug, name, description, permissions });

const map = (organizationId: string, groupName: string, ...roles: string[]) => ({ organizationId, groupName, roles });

/** Half of the team names give access, so that a rename or a new team may or may not. */
const deployingTeams = TEAM_NAMES.slice(0, TEAM_NAMES.length / 2);

export const COMPANY_CATALOG: CompanyCatalog = {
  roles: [
    role('member', 'Member', 'Everybody in the directory', 'intranet:read'),
    role('manager', 'Manager', 'People with reports', 'intranet:read', 'reports:read', 'leave:approve'),
    role('engineer', 'Engineer', 'Writes and ships software', 'code:read', 'code:write', 'ci:run'),
    role('operator', 'Operator', 'On call for production', 'production:access', 'pager:acknowledge'),
    role('accountant', 'Accountant', 'Handles money', 'invoices:read', 'invoices:write', 'payroll:read'),
    role('people-partner', 'People partner', 'Handles personnel files', 'personnel:read', 'personnel:write'),
    role('support-agent', 'Support agent', 'Answers customers', 'tickets:read', 'tickets:write', 'customers:read'),
    role('seller', 'Seller', 'Talks to customers to be', 'customers:read', 'quotes:write'),
    role('contractor', 'Contractor', 'Works here for a while', 'code:read', 'tickets:read'),
    role('deployer', 'Deployer', 'Member of a team that runs a service', 'deployments:create'),
  ],
  groupMappings: [
    map(STAFF_ORGANIZATION_ID, 'engineering', 'engineer'),
    map(STAFF_ORGANIZATION_ID, 'finance', 'accountant'),
    map(STAFF_ORGANIZATION_ID, 'people', 'people-partner'),
    map(STAFF_ORGANIZATION_ID, 'support', 'support-agent'),
    map(STAFF_ORGANIZATION_ID, 'contractors', 'contractor'),
    map(STAFF_ORGANIZATION_ID, ON_CALL, 'operator'),
    map(STAFF_ORGANIZATION_ID, MANAGERS, 'manager'),
    ...deployingTeams.map((name) => map(STAFF_ORGANIZATION_ID, name, 'deployer')),
    map(BRANCH_ORGANIZATION_ID, 'engineering', 'engineer'),
    map(BRANCH_ORGANIZATION_ID, 'sales', 'seller'),
    map(BRANCH_ORGANIZATION_ID, ON_CALL, 'operator'),
    map(BRANCH_ORGANIZATION_ID, MANAGERS, 'manager'),
    ...deployingTeams.map((name) => map(BRANCH_ORGANIZATION_ID, name, 'deployer')),
  ],
};
