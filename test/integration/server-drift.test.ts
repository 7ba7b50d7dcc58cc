// Drift over GraphQL: asked for, paged through, confirmed; and what a caller is told who asks wrongly.
import { expect, test } from 'vitest';
import { useCompanyApi } from '../support/suite-api.ts';

const START = `mutation ($id: ID!, $repair: Boolean, $max: Int, $token: String) {
  reconcileDirectory(directoryId: $id, repair: $repair, maxRevocations: $max, confirmToken: $token) { id status phase repair requestedBy byKind { kind count } confirmToken }
}`;
const ITEMS = `query ($id: ID!, $first: Int, $after: String) {
  driftReport(id: $id) { status items(first: $first, after: $after) { totalCount pageInfo { hasNextPage endCursor } nodes { kind userId groupId local source } } }
}`;
const LIST = `query ($directoryId: ID) { driftReports(directoryId: $directoryId) { totalCount nodes { id directoryId } } }`;

interface Started {
  reconcileDirectory: { id: string };
}
interface Items {
  driftReport: { items: { totalCount: number; pageInfo: { hasNextPage: boolean; endCursor: string }; nodes: unknown[] } } | null;
}

const api = useCompanyApi();

const start = async (id: string, over: object = {}, key = 'admin') => api.query<Started, object>(START, { id, ...over }, key);

test('a reconciliation is asked for, and the second of a directory is told of the first', async () => {
  const { data, errors } = await start('directory_acme', { repair: true, max: 3 }, 'acme');
  expect(errors).toBeUndefined();
  expect(data?.reconcileDirectory).toMatchObject({
    status: 'PENDING',
    phase: 'USERS',
    repair: true,
    requestedBy: 'acme',
    byKind: [],
    confirmToken: null,
  });
  const again = await start('directory_acme');
  expect(again.errors?.[0]?.extensions).toMatchObject({ code: 'CONFLICT', driftReportId: data?.reconcileDirectory.id });
});

test.each([
  ['directory_nowhere', {}, 'admin', 'NOT_FOUND'],
  ['directory_globex', {}, 'acme', 'NOT_FOUND'],
  ['directory_globex', { max: -1 }, 'admin', 'BAD_USER_INPUT'],
  ['directory_globex', { token: 'x' }, 'admin', 'BAD_USER_INPUT'],
  ['directory_globex', { repair: true, token: 'x' }, 'admin', 'CONFIRMATION_REQUIRED'],
  ['directory_globex', {}, 'entitlements', 'FORBIDDEN'],
])('%s with %j by %s: %s', async (id, over, key, code) => {
  const { errors } = await start(id, over, key);
  expect(errors?.map(({ extensions }) => extensions.code)).toEqual([code]);
});

test('items come in pages, in one order; foreign reports are as unknown as any', async () => {
  const report = await api.db.driftReport.create({
    data: {
      directoryId: 'directory_globex',
      organizationId: 'org_globex',
      repair: false,
      requestedBy: 'ops',
      status: 'SUCCEEDED',
      byKind: { STATE: 3 },
    },
  });
  await api.db.driftItem.createMany({
    data: ['a', 'b', 'c'].map((userId) => ({
      reportId: report.id,
      key: `1 ${userId} STATE`,
      kind: 'STATE',
      userId,
      local: { state: 'ACTIVE' },
      source: { state: 'SUSPENDED' },
    })),
  });
  const first = (await api.query<Items, object>(ITEMS, { id: report.id, first: 2 })).data?.driftReport?.items;
  expect(first).toMatchObject({ totalCount: 3, pageInfo: { hasNextPage: true }, nodes: [{ userId: 'a' }, { userId: 'b' }] });
  const second = (await api.query<Items, object>(ITEMS, { id: report.id, first: 2, after: first?.pageInfo.endCursor })).data?.driftReport
    ?.items;
  expect(second).toMatchObject({
    pageInfo: { hasNextPage: false },
    nodes: [{ kind: 'STATE', userId: 'c', groupId: null, local: { state: 'ACTIVE' }, source: { state: 'SUSPENDED' } }],
  });
  expect((await api.query<Items, object>(ITEMS, { id: report.id }, 'acme')).data).toEqual({ driftReport: null });
  expect((await api.query(LIST, { directoryId: 'directory_globex' }, 'acme')).data).toEqual({ driftReports: { totalCount: 0, nodes: [] } });
  expect((await api.query(LIST, { directoryId: 'directory_globex' })).data).toMatchObject({
    driftReports: { totalCount: 1, nodes: [{ id: report.id }] },
  });
});
