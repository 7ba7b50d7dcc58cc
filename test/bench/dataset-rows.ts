// The rows of the benchmark's company, made by a few set-based statements from numbers alone: the same on every machine.
//
// 10 organizations with one directory each; user n and group n belong to organization n % 10. 1,000 groups: in every
// organization group 0 has everybody, 1–49 are mapped to one role each (every tenth to two), by id or by name, the others to none. A user
// is in group 0, in 5 of the mapped ones and in 4 of the others: 10 memberships, which give 5 or 6 paths to about 20 of 60
// permissions. 100 roles with 5 permissions each, defined for every organization.
//
// As history: the directories were read whole when nothing was mapped yet, then the catalog was applied, which granted every
// user its access in id order. So change n + 1 is of user n.
import type pg from 'pg';

export const ORGANIZATIONS = 10;
export const GROUPS = 1_000;
export const ROLES = 100;

const id = (prefix: string, n: number): string => `${prefix}_${String(n).padStart(26, '0')}`;
export const organizationId = (n: number): string => id('org', n);
export const directoryId = (n: number): string => id('directory', n);
export const userId = (n: number): string => id('directory_user', n);
export const groupId = (n: number): string => id('directory_group', n);
export const roleSlug = (n: number): string => `role-${String(n).padStart(2, '0')}`;
/** The organization of a user or a group. */
export const organizationOf = (n: number): number => n % ORGANIZATIONS;

/** Of a group that everybody in its organization is in, and that is mapped to no role. */
export const EVERYBODY = 'Everybody';

const VERSION = 'event_01KDVF0000000000000000000';
const READ_AT = '2026-01-01T00:00:00.000Z';
export const CATALOG_AT = '2026-01-02T00:00:00.000Z';
export const ACTOR = 'benchmark';

const RESOURCES = [
  'billing',
  'contract',
  'device',
  'export',
  'incident',
  'invoice',
  'ledger',
  'order',
  'payroll',
  'report',
  'ticket',
  'vendor',
];
const ACTIONS = ['approve', 'create', 'delete', 'read', 'update'];
export const PERMISSIONS: readonly string[] = RESOURCES.flatMap((resource) => ACTIONS.map((action) => `${resource}:${action}`));

/** From so many users on, only memberships that give something: 10 million of them would take longer to make than to measure,
 *  and access is the same. */
const ONLY_MAPPED_FROM_USERS = 500_000;

/** Steps through a list of that size that come to every place before they come back. */
const stepsOf = (size: number): string => {
  const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
  const steps = Array.from({ length: Math.floor(size / 2) }, (_, index) => index + 1).filter((step) => gcd(step, size) === 1);
  return `('{${steps.join(',')}}'::int[])`;
};
const step = (key: string, size: number): string => `${stepsOf(size)}[1 + pg_temp.pick(${key}, array_length(${stepsOf(size)}, 1))]`;

const HELPERS = `
  CREATE FUNCTION pg_temp.id(prefix text, n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT prefix || '_' || lpad(n::text, 26, '0') $$;
  CREATE FUNCTION pg_temp.pick(key text, below int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT ('x' || left(md5(key), 7))::bit(28)::int % below $$;`;

const DIRECTORIES = `
  INSERT INTO organization (id, name, source_updated_at, source_version, alive_version)
  SELECT pg_temp.id('org', n), 'Company ' || n, '${READ_AT}', '${VERSION}', '${VERSION}' FROM generate_series(0, ${ORGANIZATIONS - 1}) n;
  INSERT INTO directory (id, organization_id, name, type, source_state, state, source_updated_at, source_version, alive_version, imported_version)
  SELECT pg_temp.id('directory', n), pg_temp.id('org', n), 'Directory ' || n, 'okta scim v2.0', 'ACTIVE', 'ACTIVE', '${READ_AT}', '${VERSION}', '${VERSION}', '${VERSION}'
  FROM generate_series(0, ${ORGANIZATIONS - 1}) n;
  INSERT INTO directory_import (directory_id, organization_id, version, phase, started_at, finished_at)
  SELECT pg_temp.id('directory', n), pg_temp.id('org', n), '${VERSION}', 'FINISHED', '${READ_AT}', '${READ_AT}' FROM generate_series(0, ${ORGANIZATIONS - 1}) n;
  UPDATE sync_cursor SET event_id = '${VERSION}', event_created_at = '${READ_AT}', caught_up_at = now(), updated_at = now()`;

// Group n is number n / 10 of its organization.
const GROUP_ROWS = `
  INSERT INTO directory_group (id, directory_id, organization_id, idp_id, name, created_at, updated_at, source_version, alive_version, seen_version)
  SELECT pg_temp.id('directory_group', n), pg_temp.id('directory', n % ${ORGANIZATIONS}), pg_temp.id('org', n % ${ORGANIZATIONS}), 'idp-group-' || n,
         CASE WHEN n < ${ORGANIZATIONS} THEN '${EVERYBODY}' ELSE 'Team ' || n / ${ORGANIZATIONS} END, '${READ_AT}', '${READ_AT}', '${VERSION}', '${VERSION}', '${VERSION}'
  FROM generate_series(0, ${GROUPS - 1}) n`;

const CATALOG = `
  INSERT INTO role (organization_id, slug, name, permissions, origin, source_updated_at)
  SELECT '', 'role-' || lpad(r::text, 2, '0'), 'Role ' || r,
         ARRAY(SELECT ($1::text[])[1 + (pg_temp.pick(r || ' first', 60) + k * ${step("r || ' step'", 60)}) % 60] AS slug FROM generate_series(0, 4) k ORDER BY slug),
         'CATALOG', '${CATALOG_AT}'
  FROM generate_series(0, ${ROLES - 1}) r`;

const MAPPINGS = `
  INSERT INTO group_mapping (id, organization_id, group_id, group_name, roles, created_at)
  SELECT md5('mapping ' || n)::uuid::text, organization_id, CASE WHEN n / 10 % 2 = 0 THEN id END, CASE WHEN n / 10 % 2 = 1 THEN name END,
         CASE WHEN n % 10 = n / 10 % 10 THEN ARRAY['role-' || lpad((role % 100)::text, 2, '0'), 'role-' || lpad(((role + 37) % 100)::text, 2, '0')]
              ELSE ARRAY['role-' || lpad((role % 100)::text, 2, '0')] END, '${CATALOG_AT}'
  FROM generate_series(10, 499) n JOIN directory_group g ON g.id = pg_temp.id('directory_group', n), LATERAL (SELECT pg_temp.pick(n || ' role', 100) AS role) r`;

const PEOPLE = `
  CREATE TEMP TABLE person AS
  SELECT n, n % ${ORGANIZATIONS} AS organization, pg_temp.pick(n || ' mapped', 49) AS first, ${step("n || ' mapped step'", 49)} AS step,
         pg_temp.pick(n || ' other', 50) AS other_first, ${step("n || ' other step'", 50)} AS other_step
  FROM generate_series(0, $1::int - 1) n;
  ANALYZE person`;

const USER_ROWS = `
  INSERT INTO directory_user (id, directory_id, organization_id, idp_id, email, first_name, last_name, display_name, source_state, state, custom_attributes,
                              directory_roles, created_at, updated_at, source_version, alive_version, seen_version)
  SELECT pg_temp.id('directory_user', n), pg_temp.id('directory', organization), pg_temp.id('org', organization), 'idp-user-' || n,
         'person.' || n || '@company-' || organization || '.example', 'Person', 'Number ' || n, 'Person Number ' || n, 'ACTIVE', 'ACTIVE',
         jsonb_build_object('department', 'Department ' || n % 50, 'costCenter', n % 1000), '{}', '${READ_AT}', '${READ_AT}', '${VERSION}', '${VERSION}', '${VERSION}'
  FROM person ORDER BY n`;

const membershipsOf = (users: number): string => `
  CREATE TEMP TABLE belonging AS
  SELECT n, organization, number * ${ORGANIZATIONS} + organization AS group_n FROM person, LATERAL (
    SELECT 0 AS number
    UNION ALL SELECT 1 + (first + k * step) % 49 FROM generate_series(0, 4) k
    ${users >= ONLY_MAPPED_FROM_USERS ? '' : 'UNION ALL SELECT 50 + (other_first + k * other_step) % 50 FROM generate_series(0, 3) k'}) g
  ORDER BY n, group_n;
  INSERT INTO membership (user_id, group_id, directory_id, organization_id, present, version, active, since)
  SELECT pg_temp.id('directory_user', n), pg_temp.id('directory_group', group_n), pg_temp.id('directory', organization), pg_temp.id('org', organization),
         true, '${VERSION}', true, '${READ_AT}' FROM belonging;
  INSERT INTO membership_interval (user_id, group_id, organization_id, from_position, from_at, from_cause)
  SELECT pg_temp.id('directory_user', n), pg_temp.id('directory_group', group_n), pg_temp.id('org', organization), 1, '${READ_AT}',
         '{"kind":"RECONCILIATION","reason":"full read of the directory"}' FROM belonging;
  DROP TABLE belonging`;

// Once for every different set of mapped groups, as src/entitlements/compute.ts would, to the letter: dataset-check.ts compares.
const ACCESS = `
  CREATE TEMP TABLE access AS
  WITH path AS (
    SELECT organization, first, step, m.role, g.id AS group_id,
           row_number() OVER (PARTITION BY organization, first, step ORDER BY m.role COLLATE "C", g.id COLLATE "C") - 1 AS index
    FROM (SELECT DISTINCT organization, first, step FROM person) p CROSS JOIN generate_series(0, 4) k
    JOIN directory_group g ON g.id = pg_temp.id('directory_group', (1 + (first + k * step) % 49) * ${ORGANIZATIONS} + organization)
    JOIN (SELECT organization_id, group_id, group_name, unnest(roles) AS role FROM group_mapping) m
      ON m.organization_id = g.organization_id AND (m.group_id = g.id OR m.group_name = g.name)
  ), permission AS (
    SELECT organization, first, step, slug, string_agg(index::text, ',' ORDER BY index) AS via
    FROM path JOIN (SELECT slug AS role, unnest(permissions) AS slug FROM role) r USING (role) GROUP BY organization, first, step, slug
  ), permissions AS (
    SELECT organization, first, step, array_agg(slug ORDER BY slug COLLATE "C") AS slugs,
           string_agg(format('"%s":[%s]', slug, via), ',' ORDER BY slug COLLATE "C") AS reasons
    FROM permission GROUP BY organization, first, step
  ), paths AS (
    SELECT organization, first, step, array_agg(DISTINCT role ORDER BY role) AS roles,
           string_agg(format('{"role":"%s","source":"GROUP","groupId":"%s","grantId":null,"expiresAt":null,"since":"${CATALOG_AT}","causeEventId":null}',
             role, group_id), ',' ORDER BY index) AS paths
    FROM path GROUP BY organization, first, step
  )
  SELECT organization, first, step, roles, slugs AS permissions, format('{"paths":[%s],"permissions":{%s}}', paths, reasons)::json AS reasons
  FROM paths JOIN permissions USING (organization, first, step);
  ANALYZE access`;

const EFFECTIVE = `
  INSERT INTO effective_entitlement (user_id, from_position, organization_id, directory_id, roles, permissions, reasons, from_at, from_cause)
  SELECT pg_temp.id('directory_user', n), n + 1, pg_temp.id('org', organization), pg_temp.id('directory', organization), roles, permissions, reasons,
         '${CATALOG_AT}', '{"kind":"CATALOG_CHANGE","actor":"${ACTOR}"}'
  FROM person JOIN access USING (organization, first, step) ORDER BY n;
  INSERT INTO entitlement_change (position, organization_id, directory_id, user_id, granted_permissions, revoked_permissions, granted_roles, revoked_roles,
                                  cause_kind, actor, occurred_at, recorded_at)
  SELECT from_position, organization_id, directory_id, user_id, permissions, '{}', roles, '{}', 'CATALOG_CHANGE', '${ACTOR}', '${CATALOG_AT}', now()
  FROM effective_entitlement ORDER BY from_position;
  UPDATE change_log_head SET position = (SELECT count(*) FROM entitlement_change), relayed_position = (SELECT count(*) FROM entitlement_change)`;

/** Fills a database that has nothing but its migrations. */
export async function fillDatabase(client: pg.Client, { users, say }: { users: number; say: (text: string) => void }): Promise<void> {
  await client.query(`SET maintenance_work_mem = '512MB'; SET work_mem = '256MB'; SET synchronous_commit = off; SET timezone = 'UTC'`);
  const rebuildIndexes = await dropIndexes(client);
  await client.query(HELPERS);
  await client.query(DIRECTORIES);
  await client.query(GROUP_ROWS);
  await client.query(CATALOG, [PERMISSIONS]);
  await client.query(MAPPINGS);
  await client.query(PEOPLE.replace('$1', String(users)));
  say(`${users.toLocaleString('en')} users`);
  await client.query(USER_ROWS);
  say('memberships');
  await client.query(membershipsOf(users));
  say('effective access');
  await client.query(ACCESS);
  await client.query(EFFECTIVE);
  say('indexes');
  await rebuildIndexes();
  await client.query('VACUUM (ANALYZE)');
}

/** All but those of constraints: building one at the end is several times quicker than growing it. */
async function dropIndexes(client: pg.Client): Promise<() => Promise<void>> {
  const { rows } = await client.query<{ name: string; definition: string }>(
    `SELECT indexname AS name, indexdef AS definition FROM pg_indexes WHERE schemaname = 'public'
       AND tablename IN ('directory_user', 'membership', 'membership_interval', 'effective_entitlement', 'entitlement_change')
       AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = format('%I', indexname)::regclass)`,
  );
  for (const { name } of rows) await client.query(`DROP INDEX "${name}"`);
  return async () => {
    for (const { definition } of rows) await client.query(definition);
  };
}
