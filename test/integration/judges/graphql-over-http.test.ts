// GraphQL over HTTP as others read the specification: graphql-http's audits, all of them, against the running server. What
// they only recommend (SHOULD) or allow (MAY) counts like what they demand.
import { serverAudits } from 'graphql-http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Api, startApi } from '../../support/api.ts';

let api: Api;

beforeAll(async () => {
  api = await startApi();
}, 120_000);
afterAll(() => api.close());

const withKey: typeof fetch = (input, init) => {
  const headers = new Headers(init?.headers);
  headers.set('authorization', 'Bearer admin');
  return fetch(input, { ...init, headers });
};
const audits = serverAudits({ url: () => `${api.url}/graphql`, fetchFn: withKey });

test('there are audits', () => expect(audits.length).toBeGreaterThan(50));

test.each(audits.map((audit) => [audit.name, audit.id, audit] as const))('%s (%s)', async (_name, _id, audit) => {
  const result = await audit.fn();
  const { status, reason } = result.status === 'ok' ? { status: 'ok', reason: '' } : result;
  if ('response' in result) await result.response.body?.cancel().catch(() => undefined);
  expect({ status, reason }).toEqual({ status: 'ok', reason: '' });
});
