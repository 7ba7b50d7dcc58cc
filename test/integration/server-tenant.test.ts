// A caller that is bound to one organization never sees anything of another, whatever it asks and over any transport (I6):
// foreign ids answer like ids that never were. Field by field that is test/integration/authorization-matrix.test.ts; here are
// lists without a filter, what a stream delivers, and the client that cannot be used unbound.
import { beforeAll, describe, expect, test } from 'vitest';
import { bindTenant } from '../../schema/tenant.ts';
import { Prisma } from '../../src/db/client.ts';
import { insertEvent } from '../support/company-rows.ts';
import { useCompanyApi } from '../support/suite-api.ts';
import { waitFor } from '../support/wait-for.ts';

const api = useCompanyApi();
let globexGrant = '';

beforeAll(async () => {
  await insertEvent(api.db, { id: 'event_acme' });
  await insertEvent(api.db, {
    id: 'event_globex',
    partition: 'org_globex',
    organizationId: 'org_globex',
    directoryId: 'directory_globex',
    userId: 'user_gus',
    groupId: 'group_globex_platform',
  });
  await insertEvent(api.db, { id: 'event_environment', partition: 'environment', organizationId: null, directoryId: null, userId: null });
  const replay = { dryRun: true, source: 'LOG' as const, selection: {}, requestedBy: 'x' };
  await api.db.replay.create({ data: { id: 'replay_acme', organizationId: 'org_acme', ...replay } });
  await api.db.replay.create({ data: { id: 'replay_globex', organizationId: 'org_globex', ...replay } });
  await api.db.replay.create({ data: { id: 'replay_all', organizationId: null, ...replay } });
  const grant = await api.db.grant.create({
    data: { userId: 'user_gus', organizationId: 'org_globex', role: 'reader', reason: 'x', grantedBy: 'x' },
  });
  globexGrant = grant.id;
}, 120_000);

test('without a filter a list holds what is its own and nothing else', async () => {
  const { data } = await api.query(
    `{ organizations { nodes { id } } users { nodes { id } } groups { nodes { id } } replays { nodes { id } } grants { nodes { userId } }
       directoryEvents { nodes { id } } groupMappings { organizationId } roles { slug organizationId } entitlementChanges { organizationId } }`,
    {},
    'acme',
  );
  expect(JSON.stringify(data)).not.toMatch(/gus|globex|event_environment|replay_all/);
  expect(data).toMatchObject({
    organizations: { nodes: [{ id: 'org_acme' }] },
    replays: { nodes: [{ id: 'replay_acme' }] },
    directoryEvents: { nodes: [{ id: 'event_acme' }] },
  });
});

test('mutations on foreign things are NOT_FOUND, as on unknown ones', async () => {
  const codes = (query: string) => api.codes(query, {}, 'acme');
  expect(await codes(`mutation { revokeGrant(id: "${globexGrant}") { id } }`)).toEqual(['NOT_FOUND']);
  expect(await codes('mutation { revokeGrant(id: "nowhere") { id } }')).toEqual(['NOT_FOUND']);
  expect(await codes('mutation { grantRole(userId: "user_gus", role: "reader", reason: "x") { id } }')).toEqual(['NOT_FOUND']);
  expect(await codes('mutation { cancelReplay(id: "replay_globex") { id } }')).toEqual(['NOT_FOUND']);
  const catalog = 'roles: [], groupMappings: [{ organizationId: "org_globex", groupName: "x", roles: [] }]';
  expect(await codes(`mutation { applyCatalog(catalog: { ${catalog} }) { applied } }`)).toEqual(['FORBIDDEN']);
});

describe('subscriptions', () => {
  const follow = 'subscription { entitlementChanges { ... on EntitlementChange { userId organizationId } } }';
  const grantTo = (userId: string) =>
    api.query(`mutation { grantRole(userId: "${userId}", role: "engineer", reason: "x") { id } }`).then(({ data }) => {
      const { id } = (data as { grantRole: { id: string } }).grantRole;
      return api.query(`mutation { revokeGrant(id: "${id}") { id } }`);
    });
  const own = (data: unknown) => JSON.stringify(data).includes('user_cyd');

  test('over SSE deliver what is its own and nothing else', async () => {
    const stop = new AbortController();
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const { data } of api.sse(follow, {}, { key: 'acme', signal: stop.signal })) seen.push(data);
    })().catch(() => {});
    await waitFor('a checkpoint', () => seen.length > 0);
    await grantTo('user_gus');
    await grantTo('user_cyd');
    await waitFor('two changes', () => seen.filter(own).length >= 2);
    stop.abort();
    await reading;
    expect(JSON.stringify(seen)).not.toMatch(/gus|globex/);
  });

  test('over WebSocket too', async () => {
    const seen: unknown[] = [];
    const leave = api
      .socket('acme')
      .subscribe({ query: follow }, { next: ({ data }) => void seen.push(data), error: () => {}, complete: () => {} });
    await waitFor('a checkpoint', () => seen.length > 0);
    await grantTo('user_gus');
    await grantTo('user_cyd');
    await waitFor('two changes', () => seen.filter(own).length >= 2);
    leave();
    expect(JSON.stringify(seen)).not.toMatch(/gus|globex/);
  });

  test('of a foreign replay are NOT_FOUND', async () => {
    for await (const { errors } of api.sse('subscription { replayProgress(id: "replay_globex") { id } }', {}, { key: 'acme' })) {
      expect(errors?.[0]?.extensions.code).toBe('NOT_FOUND');
    }
  });
});

describe('the bound client', () => {
  const bound = () => bindTenant(api.db, 'org_acme');

  test('refuses what the table of tenants does not name, and whatever is no read', async () => {
    await expect(bound().permission.findMany()).rejects.toThrow('not open');
    await expect(bound().$queryRaw`SELECT 1`).rejects.toThrow('not open');
    await expect(bound().grant.deleteMany()).rejects.toThrow('not open');
    await expect(bound().directoryUser.updateMany({ data: { email: null } })).rejects.toThrow('not open');
  });

  test('no condition of a query can widen it', async () => {
    const ids = async (where: Prisma.DirectoryUserWhereInput) =>
      (await bound().directoryUser.findMany({ where })).map(({ organizationId }) => organizationId);
    expect(new Set(await ids({}))).toEqual(new Set(['org_acme']));
    expect(await ids({ organizationId: 'org_globex' })).toEqual([]);
    expect(new Set(await ids({ OR: [{ organizationId: 'org_globex' }, { organizationId: 'org_acme' }] }))).toEqual(new Set(['org_acme']));
    expect(await ids({ AND: [{ organizationId: 'org_globex' }] })).toEqual([]);
    expect(await bound().directoryUser.findUnique({ where: { id: 'user_gus' } })).toBeNull();
    expect(await bound().directoryUser.count()).toBe(4);
  });

  test('every table is either bound or closed', async () => {
    const open: string[] = [];
    for (const model of Object.values(Prisma.ModelName)) {
      const delegate = bound()[(model.charAt(0).toLowerCase() + model.slice(1)) as 'directory'];
      await delegate.findMany().then(
        () => open.push(model),
        () => {},
      );
    }
    expect(open.sort()).toEqual([
      'AuditEntry',
      'Directory',
      'DirectoryEvent',
      'DirectoryGroup',
      'DirectoryUser',
      'DriftItem',
      'DriftReport',
      'EntitlementChange',
      'Grant',
      'GroupMapping',
      'Membership',
      'Organization',
      'Replay',
    ]);
  });
});
