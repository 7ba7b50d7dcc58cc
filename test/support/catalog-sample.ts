// A catalog over the groups and permissions that test/support/history-generator.ts draws.
import type { CatalogInput } from '../../src/entitlements/catalog-plan.ts';

export const CATALOG: CatalogInput = {
  roles: [
    { slug: 'builder', permissions: ['docs:read', 'docs:write', '42'] },
    { slug: 'steward', permissions: ['docs:read', 'constructor', '__proto__'] },
    { slug: 'steward', organizationId: 'org_2', permissions: ['audit:read'] },
    { slug: 'empty', permissions: [] },
  ],
  groupMappings: [
    { organizationId: 'org_1', groupName: 'engineers', roles: ['builder'] },
    { organizationId: 'org_1', groupName: 'admins', roles: ['steward', 'builder'] },
    { organizationId: 'org_2', groupName: 'admins', roles: ['steward'] },
    { organizationId: 'org_2', groupName: 'auditors', roles: ['empty'] },
    { organizationId: 'directory_1', groupName: 'engineers', roles: ['steward'] },
    { organizationId: 'org_1', groupId: 'lost_0_1', roles: ['steward'] },
  ],
};
