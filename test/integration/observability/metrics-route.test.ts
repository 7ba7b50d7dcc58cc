// Who may see /metrics, and where it is.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLogger } from '../../../src/log.ts';
import { createMetrics, type Exposition } from '../../../src/observability/metrics.ts';
import { createMetricsServer } from '../../../src/server/metrics-route.ts';
import { type Api, HEALTHY, startApi } from '../../support/api.ts';

let api: Api;
let broken = false;
const healthy = async () => {
  if (broken) throw new Error('planted');
  return HEALTHY;
};
const exposition: Exposition = createMetrics().expose({
  health: healthy,
  feedStats: () => ({ byTransport: { WebSocket: 0, SSE: 0 }, stalledReaders: 0 }),
  pools: {},
});

beforeAll(async () => {
  api = await startApi({ metrics: exposition });
});
afterAll(() => api.close());

test.each([
  ['nobody', null, 401],
  ['a wrong key', 'wrong', 401],
  ['a caller without SYNC_READ', 'entitlements', 403],
  ['a caller that is bound to an organization', 'acme', 403],
  ['a caller that sees the whole', 'admin', 200],
])('%s', async (_who, key, status) => {
  const response = await fetch(`${api.url}/metrics`, { headers: key ? { authorization: `Bearer ${key}` } : {} });
  expect(response.status).toBe(status);
  const text = await response.text();
  if (status === 200) expect(text).toMatch(/^sync_status 0$/m);
  else expect(text).not.toContain('sync_status');
});

test('on a port of its own it needs no key, and there is nothing else', async () => {
  const server = createMetricsServer({ exposition, log: createLogger('silent') });
  const { port } = await server.listen(0);
  const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
  const response = await get('/metrics');
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(await response.text()).toMatch(/^sync_status 0$/m);
  expect((await get('/graphql')).status).toBe(404);
  broken = true;
  const failed = await get('/metrics');
  broken = false;
  expect([failed.status, await failed.text()]).toEqual([500, '{"error":"internal"}']);
  await server.close();
});
