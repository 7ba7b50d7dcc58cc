// A page of users costs what its users cost, however many others there are.
import { expect, test } from 'vitest';
import { readUserPage } from '../../../src/entitlements/wide-page.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { watch } from '../../support/watched-db.ts';

const core = useCoreDatabase({ each: 'empty' });

const USERS = 3_000;
const GROUPS = 5;
const FILL = `
  INSERT INTO organization (id, source_updated_at, source_version) VALUES ('org_1', now(), '');
  INSERT INTO directory (id, organization_id, name, type, source_state, state, source_updated_at, source_version)
  VALUES ('directory_1', 'org_1', 'One', 'okta', 'ACTIVE', 'ACTIVE', now(), '');
  INSERT INTO directory_group (id, directory_id, organization_id, name, created_at, updated_at, source_version)
  SELECT 'group_' || n, 'directory_1', 'org_1', 'team-' || n, now(), now(), '' FROM generate_series(1, ${GROUPS}) n;
  INSERT INTO group_mapping (id, organization_id, group_name, roles) VALUES ('mapping_1', 'org_1', 'team-1', '{reader}'), ('mapping_2', 'org_1', 'team-2', '{writer}');
  INSERT INTO directory_user (id, directory_id, organization_id, display_name, source_state, state, created_at, updated_at, source_version)
  SELECT 'user_' || lpad(n::text, 5, '0'), 'directory_1', 'org_1', 'Person', 'ACTIVE', 'ACTIVE', now(), now(), '' FROM generate_series(1, ${USERS}) n;
  INSERT INTO membership (user_id, group_id, directory_id, organization_id, present, version, active, since)
  SELECT u.id, g.id, 'directory_1', 'org_1', true, '', g.id <> 'group_2' OR u.id > 'user_00002', now() FROM directory_user u, directory_group g;
  INSERT INTO effective_entitlement (user_id, from_position, organization_id, directory_id, roles, permissions, reasons, from_at, from_cause)
  SELECT id, 1, 'org_1', 'directory_1', '{reader}', '{read}', '{"paths":[],"permissions":{}}', now(), '{}' FROM directory_user;
  ANALYZE`;

test('from each user by keys, and no table from end to end', async () => {
  for (const statement of FILL.split(';')) await core.db.$executeRawUnsafe(statement);
  const { db, statements } = watch(core.db);
  const page = await readUserPage(db, { organizationId: 'org_1', roles: [], groupIds: ['group_1'] }, { after: 'user_00001', limit: 1_000 });
  expect([page.lines.length, page.lines[0]?.userId, page.last]).toEqual([1_000, 'user_00002', 'user_01001']);
  const groupsOf = (index: number): unknown => JSON.parse(page.lines[index]?.facts.split('\u001f')[2] ?? '');
  // Memberships that count, of groups that are mapped.
  expect([groupsOf(0), groupsOf(1)]).toEqual([['group_1'], ['group_1', 'group_2']]);
  const [{ sequentialScans = [] } = {}] = statements;
  expect(sequentialScans.filter((table) => ['membership', 'directory_user', 'effective_entitlement'].includes(table))).toEqual([]);
});
