// The authorization matrix: every root field × every way to name something × every kind of caller × own, foreign and unknown
// ids, over HTTP, by Yoga and by compiled code; subscriptions and a sample of queries over WebSocket and SSE too. The fields come from the schema: one without
// an entry in test/support/root-fields.ts fails. Foreign and unknown ids answer byte for byte alike.
import { randomUUID } from 'node:crypto';
import { isObjectType } from 'graphql';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { schema } from '../../schema/index.ts';
import { SCOPES, type Scope } from '../../src/auth/caller.ts';
import { grantRole } from '../../src/entitlements/grants.ts';
import { createNudge } from '../../src/lib/nudge.ts';
import { createLogger } from '../../src/log.ts';
import { createEventOperations } from '../../src/ops/event-operations.ts';
import { createHealth } from '../../src/ops/health.ts';
import { createReplays } from '../../src/ops/replay.ts';
import { type Api, startApi } from '../support/api.ts';
import { type Callers, createCallers } from '../support/callers.ts';
import { insertCompany, insertEvent } from '../support/company-rows.ts';
import { hoist } from '../support/hoist.ts';
import { type Issuer, startIssuer } from '../support/issuer.ts';
import {
  type Ids,
  NESTED_FIELDS,
  namingArguments,
  namingNestedFields,
  question,
  ROOT_FIELDS,
  type Root,
  type RootField,
} from '../support/root-fields.ts';

const log = createLogger('silent');
const MAKER = { name: 'test', scopes: SCOPES, organizationId: null };
const NOWHERE = '0123456789ab';

let issuer: Issuer;
let api: Api;
let callers: Callers;
let own: Ids;
let foreign: Ids;
let unknown: Ids;

beforeAll(async () => {
  issuer = await startIssuer();
  api = await startApi(({ db, feed }) => {
    callers = createCallers(db, { jwt: issuer.settings });
    const { authenticate, revalidation, keys } = callers;
    return {
      authenticate,
      revalidation,
      // Nobody and revoked keys ask here more often than an address may.
      limits: { failedAuthenticationsPerMinute: 1_000_000 },
      services: {
        keys,
        replays: createReplays({ db, log, nudge: createNudge(), onChanges: () => {} }),
        events: createEventOperations({ db, onRetry: () => {} }),
        health: createHealth({
          db,
          retentionDays: 30,
          feedStats: feed.statsByTenant,
          dependencies: [],
          workosError: null,
          clock: () => new Date(),
        }),
      },
    };
  });
  await insertCompany(api.db);
  await grantRole(api.db, { userId: 'user_gus', role: 'reader', reason: 'x', expiresAt: null, actor: 'test', tenant: null });
  own = await insertThings('acme', 'user_ada', 'group_acme_platform');
  foreign = await insertThings('globex', 'user_gus', 'group_globex_platform');
  unknown = nobodyBeside(foreign);
}, 120_000);

afterAll(async () => {
  await api.close();
  await issuer.close();
});

/** Ids that nobody has, right beside these, so that pages which begin there are the same. */
const nobodyBeside = ({ thisLog, ...ids }: Ids): Ids => {
  const changed = Object.entries(ids).map(([name, id]) => [name, `${id.slice(0, -1)}${beside(id.slice(-1))}`]);
  return { ...Object.fromEntries(changed), thisLog };
};
const beside = (digit: string): string => String.fromCharCode(digit.charCodeAt(0) + (/[f9zZ]/.test(digit) ? -1 : 1));
const newEventId = (): string => `event_01K${randomUUID().replaceAll('-', '').slice(0, 23).toUpperCase()}`;

/** What mutations use up, made anew; the cursors of what is foreign belong to another log. */
async function insertThings(name: 'acme' | 'globex', user: string, group: string): Promise<Ids> {
  const organization = `org_${name}`;
  const directory = `directory_${name}`;
  const event = newEventId();
  const place = { partition: organization, organizationId: organization, directoryId: directory };
  await insertEvent(api.db, { id: event, ...place, userId: user, groupId: group, status: 'QUARANTINED', error: 'x', appliedAt: null });
  const replay = await api.db.replay.create({
    data: { dryRun: true, source: 'LOG', selection: {}, requestedBy: name, organizationId: organization },
  });
  await api.db.driftReport.updateMany({ data: { status: 'SUCCEEDED' } });
  const report = await api.db.driftReport.create({
    data: { directoryId: directory, organizationId: organization, repair: false, requestedBy: name, status: 'SUCCEEDED' },
  });
  await api.db.driftItem.create({ data: { reportId: report.id, key: user, kind: 'STATE', userId: user } });
  const grant = await api.db.grant.create({
    data: { userId: user, organizationId: organization, role: 'reader', reason: 'x', grantedBy: name },
  });
  const audit = await api.db.auditEntry.create({ data: { actor: name, action: 'x', organizationId: organization, input: {} } });
  const { apiKey } = await callers.keys.create({ name, scopes: ['SYNC_READ'], organizationId: organization, expiresAt: null }, MAKER);
  const { logId } = await api.db.changeLogHead.findUniqueOrThrow({ where: { id: 1 } });
  return {
    organization,
    directory,
    user,
    group,
    event,
    replay: replay.id,
    report: report.id,
    grant: grant.id,
    audit: audit.id,
    key: apiKey.id,
    logId: name === 'acme' ? logId : NOWHERE,
    thisLog: logId,
  };
}
const freshOwn = () => insertThings('acme', 'user_ada', 'group_acme_platform');
const freshForeign = () => insertThings('globex', 'user_gus', 'group_globex_platform');

async function keyWith(scopes: readonly Scope[], organizationId: string | null, expiresAt: Date | null = null) {
  // A key has a scope; one that Query.caller needs none for gets any.
  const given = scopes.length > 0 ? scopes : (['SYNC_READ'] as const);
  return callers.keys.create({ name: 'caller', scopes: given, organizationId, expiresAt }, MAKER);
}

interface Kinds {
  lacking: string;
  all: string;
  acme: string;
  globex: string;
  jwt: string;
  revoked: string;
  expired: string;
}

const made = new Map<Scope | null, Promise<Kinds>>();
function callersFor(scope: Scope | null): Promise<Kinds> {
  const scopes = scope === null ? [] : [scope];
  const make = async (): Promise<Kinds> => {
    const secretOf = async (...args: Parameters<typeof keyWith>) => (await keyWith(...args)).secret;
    const revoked = await keyWith(scopes, null);
    await callers.keys.revoke(revoked.apiKey.id, null);
    const expired = await keyWith(scopes, null);
    await api.db.apiKey.update({ where: { id: expired.apiKey.id }, data: { expiresAt: new Date(Date.now() - 1) } });
    return {
      lacking: await secretOf(
        SCOPES.filter((other) => other !== scope),
        null,
      ),
      all: await secretOf(scopes, null),
      acme: await secretOf(scopes, 'org_acme'),
      globex: await secretOf(scopes, 'org_globex'),
      jwt: await issuer.token({ sub: 'caller', permissions: scopes, exp: Math.floor(Date.now() / 1_000) + 600 }),
      revoked: revoked.secret,
      expired: expired.secret,
    };
  };
  const known = made.get(scope) ?? make();
  made.set(scope, known);
  return known;
}

interface Answer {
  status: number;
  text: string;
  codes: string[];
}

const codesIn = (text: string): string[] => {
  const { errors = [] } = JSON.parse(text) as { errors?: { extensions: { code: string } }[] };
  return errors.map(({ extensions }) => extensions.code);
};

async function post(body: object, credential: string | null): Promise<Answer> {
  const response = await fetch(`${api.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(credential !== null && { authorization: `Bearer ${credential}` }) },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, text, codes: codesIn(text) };
}

const overHttp = (document: string, credential: string | null): Promise<Answer> => post({ query: document }, credential);

/** As apps ask: one document with variables, again and again. The last answer is of compiled code, if it has no error. */
async function overAndOver(document: string, credential: string | null): Promise<Answer> {
  const body = hoist(schema, document);
  const [first, , last] = [await post(body, credential), await post(body, credential), await post(body, credential)] as const;
  expect({ status: last.status, codes: last.codes }).toEqual({ status: first.status, codes: first.codes });
  return last;
}

/** Of a feed all items until it has caught up; of anything else the first. */
const isComplete = (text: string): boolean =>
  !text.includes('entitlementChanges') || text.includes('"errors"') || text.includes('"caughtUp":true');

async function overSse(document: string, credential: string | null): Promise<Answer> {
  const stop = new AbortController();
  const response = await fetch(`${api.url}/graphql`, {
    method: 'POST',
    headers: {
      accept: 'text/event-stream',
      'content-type': 'application/json',
      ...(credential !== null && { authorization: `Bearer ${credential}` }),
    },
    body: JSON.stringify({ query: document }),
    signal: stop.signal,
  });
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
    const text = await response.text();
    return { status: response.status, text, codes: codesIn(text) };
  }
  let received = '';
  try {
    for await (const chunk of (response.body as ReadableStream<BufferSource>).pipeThrough(new TextDecoderStream())) {
      received += chunk;
      const items = [...received.matchAll(/^event: next\ndata: (.*)\n/gm)].map(([, text = '']) => text);
      if (items.some(isComplete)) return { status: response.status, text: items.join('\n'), codes: items.flatMap(codesIn) };
    }
    throw new Error(`no item came: ${received}`);
  } finally {
    stop.abort();
  }
}

/** The same, or the code that the socket was closed with. */
async function overWebSocket(document: string, credential: string | null): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<Answer>();
  const client = createClient({
    url: `${api.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    ...(credential !== null && { connectionParams: { authorization: `Bearer ${credential}` } }),
    retryAttempts: 0,
    on: { closed: (event) => resolve({ status: (event as { code: number }).code, text: '', codes: [] }) },
  });
  const items: string[] = [];
  const answer = (result: unknown) => {
    items.push(JSON.stringify(result));
    if (items.some(isComplete)) resolve({ status: 200, text: items.join('\n'), codes: items.flatMap(codesIn) });
  };
  client.subscribe(
    { query: document },
    { next: answer, error: (errors) => (Array.isArray(errors) ? answer({ errors }) : undefined), complete: () => {} },
  );
  try {
    return await promise;
  } finally {
    await client.dispose();
  }
}

type Ask = typeof overHttp;

/** Without the ids that were asked for, which an answer may repeat, and without the age of what waits, which grows. */
const blank = ({ status, text }: Answer, ids: Ids): string =>
  Object.values(ids).reduce(
    (left: string, id: string) => left.replaceAll(id, '#'.repeat(id.length)),
    `${status} ${text.replace(/(agSeconds":)[1-9][0-9.]*/g, '$1#')}`,
  );

const fieldsOf = (root: Root): string[] => {
  const type = { query: schema.getQueryType(), mutation: schema.getMutationType(), subscription: schema.getSubscriptionType() }[root];
  return isObjectType(type) ? Object.keys(type.getFields()) : [];
};

const entries = (Object.keys(ROOT_FIELDS) as Root[]).flatMap((root) =>
  Object.entries(ROOT_FIELDS[root]).map(([name, field]) => ({ root, name, field })),
);

test.each(Object.keys(ROOT_FIELDS) as Root[])('every %s has an entry, with every argument that can name something', (root) => {
  expect(Object.keys(ROOT_FIELDS[root]).sort()).toEqual(fieldsOf(root).sort());
  for (const name of fieldsOf(root)) {
    const ways = Object.keys((ROOT_FIELDS[root][name] as RootField).by);
    expect({ name, ways: namingArguments(schema, root, name).filter((path) => !ways.includes(path)) }).toEqual({ name, ways: [] });
  }
});

test('what is asked is of one length, so that answers can be compared', () => {
  for (const name of Object.keys(foreign) as (keyof Ids)[]) expect(unknown[name]).toHaveLength(foreign[name].length);
});

test('below the roots too, every field that takes an id or a cursor has an entry', () => {
  expect(namingNestedFields(schema).sort()).toEqual(Object.keys(NESTED_FIELDS).sort());
});

test.each(Object.keys(NESTED_FIELDS))('%s begins behind a foreign cursor as behind an unknown one', async (name) => {
  const { secret } = await keyWith(SCOPES, 'org_acme');
  const ask = NESTED_FIELDS[name] as (own: Ids, ids: Ids) => string;
  const answer = await overHttp(ask(own, foreign), secret);
  expect(answer.codes).toEqual([]);
  expect(answer.text).not.toMatch(/"data":\{"\w+":null/);
  expect(answer.text).toBe((await overHttp(ask(own, nobodyBeside(foreign)), secret)).text);
});

test('what waits in another organization does not age the answers of a bound caller', async () => {
  const place = { partition: 'org_globex', organizationId: 'org_globex', directoryId: 'directory_globex', userId: 'user_gus' };
  await insertEvent(api.db, {
    id: newEventId(),
    ...place,
    status: 'PENDING',
    appliedAt: null,
    occurredAt: new Date('1980-01-01T00:00:00Z'),
  });
  const longAgo = (Date.now() - Date.parse('1990-01-01T00:00:00Z')) / 1_000;
  const lags = async (organizationId: string | null): Promise<number[]> => {
    const { secret } = await keyWith(SCOPES, organizationId);
    const { text } = await overHttp(
      '{ checkAccess(userId: "user_nobody", permission: "x") { freshness { lagSeconds } } effectiveEntitlements(userId: "user_ada") { freshness { lagSeconds } } syncHealth { currentLagSeconds } }',
      secret,
    );
    return [...text.matchAll(/agSeconds":([0-9.]+)/g)].map(([, lag]) => Number(lag));
  };
  for (const lag of await lags('org_acme')) expect(lag).toBeLessThan(longAgo);
  const [unknownUser, adasOwn, everything] = await lags(null);
  expect(unknownUser).toBeGreaterThan(longAgo);
  expect(adasOwn).toBeLessThan(longAgo);
  expect(everything).toBeGreaterThan(longAgo);
});

/** Asks one root field as every kind of caller. */
function describeField({ root, name, field }: (typeof entries)[number], transport: string, ask: Ask): void {
  const ways = Object.keys(field.by).length > 0 ? Object.keys(field.by) : [null];
  const closed = transport === 'WebSocket' ? { status: 4401, codes: [] } : { status: 401, codes: ['UNAUTHENTICATED'] };
  const hiddenBy = (way: string | null) => (typeof field.hidden === 'object' ? field.hidden[way ?? ''] : field.hidden);
  const uses = root === 'mutation';

  describe(`${root} ${name} over ${transport}`, () => {
    test('is closed to nobody, to a revoked and to an expired key', async () => {
      const { revoked, expired } = await callersFor(field.scope);
      for (const credential of [null, 'nonsense', revoked, expired]) {
        for (const ids of [own, unknown]) {
          const { status, codes } = await ask(question(root, name, ways[0] ?? null, ids, own.organization), credential);
          expect({ status, codes }).toEqual(closed);
        }
      }
    });

    test.runIf(field.scope !== null)('is closed to a key that has every other scope', async () => {
      const { lacking } = await callersFor(field.scope);
      for (const way of ways) {
        const answers = [];
        for (const ids of [own, foreign, unknown])
          answers.push((await ask(question(root, name, way, ids, own.organization), lacking)).text);
        expect(codesIn(answers[0] as string)).toEqual(['FORBIDDEN']);
        expect(new Set(answers).size).toBe(1);
      }
    });

    test.each(ways)('by %s shows a caller that is bound to an organization nothing of another', async (way) => {
      const { acme, globex, jwt } = await callersFor(field.scope);
      for (const credential of [acme, jwt]) {
        const hidden = await ask(question(root, name, way, foreign, own.organization), credential);
        expect(blank(hidden, foreign)).toBe(blank(await ask(question(root, name, way, unknown, own.organization), credential), unknown));
        expect(blank(hidden, foreign)).not.toMatch(/user_gus|globex/);
        expect(hidden.codes).toEqual([hiddenBy(way) ?? []].flat());
      }
      // The same from the other side: what is one's own is foreign to somebody else.
      const theirs = { ...own, logId: foreign.logId };
      const hidden = await ask(question(root, name, way, theirs, foreign.organization), globex);
      const nobody = nobodyBeside(theirs);
      expect(blank(hidden, theirs)).toBe(blank(await ask(question(root, name, way, nobody, foreign.organization), globex), nobody));
      expect(blank(hidden, theirs)).not.toMatch(/user_ada|acme/);
    });

    test.each(ways)('by %s answers about what is its own, to a key and to a token alike, and to a caller without bounds', async (way) => {
      const { all, acme, jwt } = await callersFor(field.scope);
      const answers: string[] = [];
      for (const credential of [acme, jwt, all]) {
        const ids = uses ? await freshOwn() : own;
        const answer = await ask(question(root, name, way, ids, ids.organization), credential);
        expect(answer.codes).toEqual([]);
        answers.push(blank(answer, ids));
      }
      expect(answers[0]).toBe(answers[1]);
      const others = { ...(uses ? await freshForeign() : foreign), logId: own.logId };
      const seen = await ask(question(root, name, way, others, others.organization), all);
      expect(seen.codes).toEqual([]);
      // The control: there is something to hide, and whoever may see it does.
      // A page begins behind what its cursor names, there or not.
      if (way === null || way === 'after' || field.blind?.includes(way)) return;
      const nobody = nobodyBeside(others);
      expect(blank(seen, others)).not.toBe(blank(await ask(question(root, name, way, nobody, nobody.organization), all), nobody));
    });
  });
}

for (const entry of entries) if (entry.root !== 'subscription') describeField(entry, 'HTTP', overHttp);
for (const entry of entries) if (entry.root === 'query') describeField(entry, 'HTTP, again and again', overAndOver);

const SAMPLE = ['caller', 'user', 'users', 'checkAccess', 'entitlementSnapshot', 'directoryEvent', 'replay', 'apiKeys'];
for (const [transport, ask] of [
  ['WebSocket', overWebSocket],
  ['SSE', overSse],
] as const) {
  for (const entry of entries) {
    if (entry.root === 'subscription' || (entry.root === 'query' && SAMPLE.includes(entry.name))) describeField(entry, transport, ask);
  }
}
