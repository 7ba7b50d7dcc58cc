// Every mutation leaves an entry in the audit: who, what, to what, why, how it ended. No mutation can be forgotten, and no
// secret is kept.
import { type GraphQLInputType, isEnumType, isListType, isNonNullType, isObjectType, isScalarType } from 'graphql';
import { beforeEach, describe, expect, test } from 'vitest';
import { schema } from '../../schema/index.ts';
import { createLogger } from '../../src/log.ts';
import { createAudit } from '../../src/ops/audit.ts';
import { inputOf } from '../../src/ops/audit-entry.ts';
import { useCompanyApi } from '../support/suite-api.ts';

const api = useCompanyApi();
beforeEach(async () => {
  await api.db.auditEntry.deleteMany();
});

const entries = () => api.db.auditEntry.findMany({ orderBy: { id: 'asc' } });

/** Something that GraphQL takes for a value of the type, whether or not it makes sense. */
function anyValue(type: GraphQLInputType): unknown {
  if (isNonNullType(type)) return anyValue(type.ofType);
  if (isListType(type)) return [anyValue(type.ofType)];
  if (isEnumType(type)) return type.getValues()[0]?.name;
  if (isScalarType(type)) return { Int: 1, Float: 1, Boolean: true, DateTime: '2999-01-01T00:00:00.000Z' }[type.name] ?? 'nowhere';
  const required = Object.values(type.getFields()).filter((field) => isNonNullType(field.type));
  return Object.fromEntries(required.map((field) => [field.name, anyValue(field.type)]));
}

const mutationType = schema.getMutationType();
const mutations = isObjectType(mutationType) ? Object.values(mutationType.getFields()) : [];

describe.each(mutations.map((field) => [field.name, field] as const))('%s', (name, field) => {
  const required = field.args.filter((arg) => isNonNullType(arg.type));
  const variables = Object.fromEntries(required.map((arg) => [arg.name, anyValue(arg.type)]));
  const declared = required.map((arg) => `$${arg.name}: ${arg.type}`).join(', ');
  const given = required.map((arg) => `${arg.name}: $${arg.name}`).join(', ');
  const document = `mutation (${declared}) { ${name}(${given}) { __typename } }`;

  test('has an entry, whatever became of it', async () => {
    const { errors } = await api.query(document, variables);
    const [entry, ...others] = await entries();
    expect(others).toEqual([]);
    expect(entry).toMatchObject({ action: name, actor: 'admin', outcome: errors ? 'FAILED' : 'SUCCEEDED', finishedAt: expect.any(Date) });
    if (errors) expect(entry?.error).toContain(errors[0]?.extensions.code);
    for (const key of Object.keys(variables)) expect(entry?.input).toHaveProperty(key);
  });

  test('has an entry of an attempt without the right for it', async () => {
    expect(await api.codes(document, variables, 'nothing')).toEqual(['FORBIDDEN']);
    expect(await entries()).toMatchObject([
      { action: name, actor: 'nothing', outcome: 'FAILED', error: expect.stringMatching(/^FORBIDDEN: /) },
    ]);
  });
});

test('an operation that cannot be written down is not done', async () => {
  await api.db.$executeRawUnsafe('ALTER TABLE audit_entry RENAME TO audit_entry_away');
  try {
    expect(await api.codes('mutation { grantRole(userId: "user_ada", role: "reader", reason: "x") { id } }')).toEqual(['INTERNAL']);
    expect(await api.db.grant.count({ where: { userId: 'user_ada', reason: 'x' } })).toBe(0);
  } finally {
    await api.db.$executeRawUnsafe('ALTER TABLE audit_entry_away RENAME TO audit_entry');
  }
});

test('that it succeeded holds with what it did, or neither does', async () => {
  const grant = 'mutation { grantRole(userId: "user_ada", role: "reader", reason: "once") { id } }';
  const { db } = api;
  const forbid = (when: string) =>
    db.$executeRawUnsafe(`CREATE TRIGGER forbid BEFORE UPDATE ON audit_entry FOR EACH ROW WHEN (${when}) EXECUTE FUNCTION forbid()`);
  const allow = () => db.$executeRawUnsafe('DROP TRIGGER forbid ON audit_entry');
  await db.$executeRawUnsafe("CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'forbidden'; END $$");

  await forbid("OLD.outcome = 'STARTED' AND NEW.outcome = 'SUCCEEDED'");
  expect(await api.codes(grant)).toEqual(['INTERNAL']);
  expect(await db.grant.count({ where: { reason: 'once' } })).toBe(0);
  expect(await entries()).toMatchObject([{ outcome: 'FAILED', error: 'INTERNAL' }]);
  await allow();

  // As if the process had ended right after the commit.
  await forbid("OLD.outcome = 'SUCCEEDED'");
  expect(await api.codes(grant)).toEqual([]);
  expect(await db.grant.count({ where: { reason: 'once' } })).toBe(1);
  expect((await entries()).at(-1)).toMatchObject({ action: 'grantRole', outcome: 'SUCCEEDED', finishedAt: expect.any(Date) });
  await allow();
});

test('keys of one name are told apart', async () => {
  const caller = { name: 'billing', scopes: [], organizationId: null };
  const audit = createAudit({ db: api.db, log: createLogger('silent') });
  const expiresAt = new Date(0);
  for (const credential of [
    { kind: 'key' as const, id: 'ak_1', expiresAt },
    { kind: 'token' as const, subject: 's', expiresAt },
    undefined,
  ])
    await audit.record({ action: 'x', args: {}, caller: { ...caller, ...(credential && { credential }) } }, async () => 1);
  expect((await entries()).map(({ credential }) => credential)).toEqual(['ak_1', 'token s', null]);
});

test('malformed text does not get an operation past the audit', async () => {
  expect(
    await api.codes('mutation ($id: ID!, $why: String!) { skipEvent(eventId: $id, reason: $why) { id } }', { id: 'a\0b', why: '\ud800' }),
  ).toHaveLength(1);
  expect(await entries()).toMatchObject([{ action: 'skipEvent', target: 'a\ufffdb', reason: '\ufffd', outcome: 'FAILED' }]);
});

test('secrets are left out by name, at any depth; what is too long is kept as a digest', () => {
  const input = { input: { confirmToken: 't', userId: 'u', reason: null }, password: ['p'], apiSecret: { a: 1 }, at: new Date(0) };
  expect(inputOf(input)).toEqual({
    input: { confirmToken: '[left out]', userId: 'u', reason: null },
    password: '[left out]',
    apiSecret: '[left out]',
    at: '1970-01-01T00:00:00.000Z',
  });
  expect(inputOf({ catalog: 'x'.repeat(200_000) })).toEqual({
    leftOut: expect.stringContaining('characters'),
    sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
});

const LIST = `query ($organizationId: ID, $actor: String, $action: String, $from: DateTime, $to: DateTime, $first: Int, $after: String) {
  auditEntries(organizationId: $organizationId, actor: $actor, action: $action, from: $from, to: $to, first: $first, after: $after) {
    totalCount nodes { actor action organizationId target reason input outcome error } pageInfo { hasNextPage endCursor } } }`;

test('entries are found by organization, actor, action and time, page by page; a bound caller finds its own', async () => {
  const grant = (userId: string, key: string) =>
    api.query('mutation ($id: ID!) { grantRole(userId: $id, role: "reader", reason: "ticket 7") { id } }', { id: userId }, key);
  await grant('user_ada', 'admin');
  await grant('user_gus', 'admin');
  await grant('user_cyd', 'acme');
  await api.query('mutation { cancelReplay(id: "nowhere") { id } }');
  const list = async (variables: object, key?: string) => {
    const { data, errors } = await api.query<
      { auditEntries: { totalCount: number; nodes: Record<string, unknown>[]; pageInfo: { hasNextPage: boolean; endCursor: string } } },
      object
    >(LIST, variables, key);
    expect(errors).toBeUndefined();
    return (data as NonNullable<typeof data>).auditEntries;
  };
  const all = await list({});
  expect(all.nodes).toMatchObject([
    {
      actor: 'admin',
      action: 'grantRole',
      organizationId: 'org_acme',
      reason: 'ticket 7',
      outcome: 'SUCCEEDED',
      input: { userId: 'user_ada' },
    },
    { actor: 'admin', action: 'grantRole', organizationId: 'org_globex' },
    { actor: 'acme', action: 'grantRole', organizationId: 'org_acme' },
    {
      actor: 'admin',
      action: 'cancelReplay',
      organizationId: null,
      target: 'nowhere',
      outcome: 'FAILED',
      error: expect.stringContaining('NOT_FOUND'),
    },
  ]);
  expect((await list({ actor: 'acme' })).totalCount).toBe(1);
  expect((await list({ action: 'grantRole' })).totalCount).toBe(3);
  expect((await list({ organizationId: 'org_globex' })).totalCount).toBe(1);
  expect((await list({ to: '2020-01-01T00:00:00Z' })).totalCount).toBe(0);
  const first = await list({ first: 3 });
  expect(first.pageInfo.hasNextPage).toBe(true);
  expect((await list({ first: 3, after: first.pageInfo.endCursor })).nodes).toHaveLength(1);

  const own = await list({}, 'acme');
  expect(own.nodes.map(({ organizationId }) => organizationId)).toEqual(['org_acme', 'org_acme']);
  expect((await list({ organizationId: 'org_globex' }, 'acme')).totalCount).toBe(0);
  expect(await api.codes(LIST, {}, 'entitlements')).toEqual(['FORBIDDEN']);
});
