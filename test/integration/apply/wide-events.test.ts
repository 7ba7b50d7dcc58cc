// A group or a directory that goes is one step for everybody in it, however many they are.
import { beforeAll, expect, test } from 'vitest';
import { previewFacts } from '../../../src/apply/apply-facts.ts';
import { parseEvent } from '../../../src/apply/parse-event.ts';
import { found } from '../../support/small-company.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { aDirectory, aGroup, anEvent } from '../../support/workos-objects.ts';

const core = useCoreDatabase();

/** Each loses a membership and access: more than a call may have arguments. */
const MEMBERS = 70_000;
const REASONS = {
  paths: [
    {
      role: 'builder',
      source: 'GROUP',
      groupId: 'engineers',
      grantId: null,
      expiresAt: null,
      since: '2026-01-01T00:00:00.000Z',
      causeEventId: null,
    },
  ],
  permissions: { 'docs:read': [0], 'docs:write': [0] },
};
const FILL = [
  `INSERT INTO directory_user (id, directory_id, organization_id, display_name, directory_roles, source_state, state, created_at, updated_at, source_version)
   SELECT 'user_' || n, 'directory_1', 'org_1', 'Person', '{}', 'ACTIVE', 'ACTIVE', now(), now(), '' FROM generate_series(1, ${MEMBERS}) n`,
  `INSERT INTO membership (user_id, group_id, directory_id, organization_id, present, version, active, since)
   SELECT id, 'engineers', 'directory_1', 'org_1', true, '', true, now() FROM directory_user WHERE display_name = 'Person'`,
  `INSERT INTO effective_entitlement (user_id, from_position, organization_id, directory_id, roles, permissions, reasons, from_at, from_cause)
   SELECT id, 1, 'org_1', 'directory_1', '{builder}', '{docs:read,docs:write}', '${JSON.stringify(REASONS)}', now(), '{}' FROM directory_user WHERE display_name = 'Person'`,
];

beforeAll(async () => {
  await found(core.db);
  for (const statement of FILL) await core.db.$executeRawUnsafe(statement);
}, 120_000);

test.each([
  ['dsync.group.deleted', aGroup('engineers')],
  ['dsync.deleted', aDirectory()],
])('%s: each of very many loses membership and access, in a time in proportion', { timeout: 120_000 }, async (type, data) => {
  const parsed = parseEvent(anEvent(100, type, data));
  if (parsed.kind !== 'observation') throw new Error(parsed.kind);
  // Past the time that a statement may take here, were everybody compared with everybody.
  const transitions = await previewFacts(core.db, 'org_1', { observations: [parsed.observation] });
  const who = (kind: string) =>
    new Set(transitions.flatMap((one) => (one.kind === kind && one.userId.startsWith('user_') ? [one.userId] : [])));
  expect([who('membership').size, who('access').size]).toEqual([MEMBERS, MEMBERS]);
});
