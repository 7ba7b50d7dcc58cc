// POST /webhooks/workos on the real server over a real inbox, by the facts of how WorkOS delivers and how others would.
import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Db, openDb } from '../../src/db/client.ts';
import { createRefusalCounter, type RefusalCounter } from '../../src/ingest/count-refusals.ts';
import { acceptWebhook } from '../../src/ingest/webhook.ts';
import { createLogger } from '../../src/log.ts';
import type { createHttpServer } from '../../src/server/http.ts';
import { type Api, startApi } from '../support/api.ts';
import { userEvent } from '../support/events.ts';

const log = createLogger('silent');
const now = new Date('2026-03-01T12:00:00Z');
const SECRETS = ['wh_new', 'wh_old'];
type Policy = Parameters<typeof createHttpServer>[0]['policy'];
const POLICIES: Record<string, Policy & object> = {
  plain: {},
  listed: { webhookAddresses: ['127.0.0.0/8'] },
  elsewhere: { webhookAddresses: ['203.0.113.0/24'] },
  proxied: { webhookAddresses: ['203.0.113.0/24'], trustedProxies: ['127.0.0.1'] },
};
const away = openDb({ url: 'postgres://nobody@127.0.0.1:9/none', poolSize: 1, statementTimeoutMs: 1_000, applicationName: 'test' });
const apis = new Map<string, Api & { refusals: RefusalCounter }>();
const at = (name: string) => apis.get(name) as Api & { refusals: RefusalCounter };
let woken = 0;
const onStored = () => {
  woken += 1;
};

beforeAll(async () => {
  const open = async (name: string, policy: Policy & object, inbox?: Db) => {
    const started: { refusals?: RefusalCounter } = {};
    const api = await startApi(({ db }) => {
      const refusals = createRefusalCounter(db, log);
      started.refusals = refusals;
      const deps = { db: inbox ?? db, log, secrets: SECRETS, refusals, onStored };
      return { policy, webhooks: { accept: (delivery) => acceptWebhook(deps, { ...delivery, now }), refused: refusals.add } };
    });
    apis.set(name, { ...api, refusals: started.refusals as RefusalCounter });
  };
  for (const [name, policy] of Object.entries(POLICIES)) await open(name, policy);
  await open('outage', {}, away.db);
}, 120_000);
afterAll(async () => {
  await Promise.all([...apis.values()].map((api) => api.close()));
  await away.close();
});
beforeEach(async () => {
  for (const { db, refusals } of apis.values()) {
    await refusals.settled();
    await db.$executeRawUnsafe('TRUNCATE directory_event, ingest_stat');
  }
  woken = 0;
});

const sign = (body: Buffer | string, secret = 'wh_new', t: string | number = now.getTime()): string =>
  `t=${t}, v1=${createHmac('sha256', secret).update(`${t}.`).update(body).digest('hex')}`;
const deliver = async (
  body: Buffer | string,
  { signature = sign(body), to = 'plain', headers = {} }: { signature?: string | null; to?: string; headers?: Record<string, string> } = {},
) => {
  const response = await fetch(`${at(to).url}/webhooks/workos`, {
    method: 'POST',
    headers: { ...(signature !== null && { 'workos-signature': signature }), ...headers },
    body: Buffer.from(body),
  });
  return { status: response.status, body: (await response.json()) as unknown };
};
/** Rows, and deliveries counted as refused. */
const traces = async (to = 'plain'): Promise<[number, number]> => {
  const { db, refusals } = at(to);
  await refusals.settled();
  return [await db.directoryEvent.count(), (await db.ingestStat.findMany()).reduce((sum, row) => sum + row.refused, 0)];
};

const BODY = JSON.stringify(userEvent(1));
const REFUSED: [string, { body?: string; signature: string | null }, number, string][] = [
  ['no signature', { signature: null }, 400, 'missing_signature'],
  ['an empty one', { signature: '' }, 400, 'missing_signature'],
  ['no time', { signature: sign(BODY).replace(/t=\d+, /, '') }, 400, 'malformed_signature'],
  ['a time that is no number', { signature: sign(BODY, 'wh_new', 'soon') }, 400, 'malformed_signature'],
  ['a time that is NaN', { signature: sign(BODY, 'wh_new', 'NaN') }, 400, 'malformed_signature'],
  ['a negative time', { signature: sign(BODY, 'wh_new', -1) }, 400, 'malformed_signature'],
  ['a time beyond numbers', { signature: sign(BODY, 'wh_new', '9'.repeat(40)) }, 400, 'malformed_signature'],
  ['two times, of which one was signed', { signature: `t=1, ${sign(BODY)}` }, 400, 'malformed_signature'],
  ['a hash that is cut short', { signature: sign(BODY).slice(0, -2) }, 400, 'malformed_signature'],
  ['a hash of another version', { signature: sign(BODY).replace('v1=', 'v0=') }, 400, 'malformed_signature'],
  ['three minutes and more in the past', { signature: sign(BODY, 'wh_new', now.getTime() - 180_001) }, 400, 'too_old'],
  ['three minutes and more in the future', { signature: sign(BODY, 'wh_new', now.getTime() + 180_001) }, 400, 'in_the_future'],
  ['seconds for milliseconds', { signature: sign(BODY, 'wh_new', Math.floor(now.getTime() / 1000)) }, 400, 'too_old'],
  ['a secret that is not ours', { signature: sign(BODY, 'wh_other') }, 401, 'wrong_signature'],
  ['an empty secret', { signature: sign(BODY, '') }, 401, 'wrong_signature'],
  ['the signature of another body', { signature: sign(`${BODY} `) }, 401, 'wrong_signature'],
  ['a time that was changed', { signature: sign(BODY).replace(/t=\d+/, `t=${now.getTime() + 1}`) }, 401, 'wrong_signature'],
];

test.each(REFUSED)('%s is refused, counted, and leaves nothing', async (_what, { signature }, status, error) => {
  expect(await deliver(BODY, { signature })).toEqual({ status, body: { error } });
  expect([...(await traces()), woken]).toEqual([0, 1, 0]);
});

test.each<[string, string]>([
  ['either secret while they change', sign(BODY, 'wh_old')],
  ['the edge of the past', sign(BODY, 'wh_new', now.getTime() - 180_000)],
  ['the edge of the future', sign(BODY, 'wh_new', now.getTime() + 180_000)],
  ['several hashes, of which one is right', `${sign(BODY, 'wh_other')}, ${sign(BODY).split(', ')[1]}`],
  ['capital letters in the hash', sign(BODY).replace(/[0-9a-f]{64}$/, (hash) => hash.toUpperCase())],
])('%s is accepted', async (_what, signature) => {
  expect(await deliver(BODY, { signature })).toEqual({ status: 200, body: { stored: true } });
  expect([...(await traces()), woken]).toEqual([1, 0, 1]);
});

test('a delivery that is caught and sent again, at once or by another way, adds nothing', async () => {
  const answers = await Promise.all(Array.from({ length: 10 }, () => deliver(BODY)));
  expect(answers.filter(({ body }) => (body as { stored: boolean }).stored)).toHaveLength(1);
  const altered = BODY.replace('"dsync.user.created"', '"dsync.user.deleted"');
  expect(await deliver(altered)).toEqual({ status: 200, body: { stored: false } });
  expect(await at('plain').db.directoryEvent.findMany({ select: { raw: true } })).toEqual([{ raw: BODY }]);
});

test('what stands in the row are the bytes that were signed, whatever the content type and whatever they hold', async () => {
  const bodies = [
    `{ "id":"${userEvent(7).id}" , "event":"new.kind", "n": 1.0000000000000000001, "name":"Zoë" }`,
    '{"__proto__":{"admin":true},"id":"x"}',
    '[]',
    'null',
    '',
  ];
  for (const body of bodies) {
    expect(await deliver(body, { headers: { 'content-type': 'text/plain; charset=utf-16' } })).toEqual({
      status: 200,
      body: { stored: true },
    });
  }
  expect(({} as { admin?: boolean }).admin).toBeUndefined();
  expect((await at('plain').db.directoryEvent.findMany()).map(({ raw }) => raw).sort()).toEqual([...bodies].sort());
});

test('a row that cannot be written is no success: the answer asks for another delivery', async () => {
  expect((await deliver(BODY, { to: 'outage' })).status).toBe(503);
  expect(woken).toBe(0);
});

test('the cursor of the Events API is not moved', async () => {
  const before = await at('plain').db.syncCursor.findMany();
  await deliver(BODY);
  expect(await at('plain').db.syncCursor.findMany()).toEqual(before);
});

describe('a list of addresses', () => {
  test.each<[string, string, string | undefined, number]>([
    ['lets its own in', 'listed', undefined, 200],
    ['keeps others out, well signed as they are', 'elsewhere', undefined, 403],
    ['believes no header of a peer that is no proxy', 'elsewhere', '203.0.113.5', 403],
    ['believes what a trusted proxy wrote last', 'proxied', '203.0.113.5', 200],
    ['and not what stood there before', 'proxied', '203.0.113.5, 198.51.100.1', 403],
    ['nor a proxy that says nothing', 'proxied', undefined, 403],
  ])('%s', async (_what, to, forwarded, status) => {
    const answer = await deliver(BODY, { to, headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded } });
    expect(answer).toEqual({ status, body: status === 200 ? { stored: true } : { error: 'address_not_allowed' } });
    expect(await traces(to)).toEqual(status === 200 ? [1, 0] : [0, 1]);
  });

  test('is no substitute for the signature', async () => {
    expect((await deliver(BODY, { to: 'listed', signature: sign(BODY, 'wh_other') })).status).toBe(401);
  });
});
