// Nonsense of every kind against the real process: webhooks, documents, variables, cursors, filters, frames. Nothing is
// answered with 500 or INTERNAL, nothing ends the process or stops its work, and its memory does not grow with the nonsense.
// FUZZ_SEED and FUZZ_RUNS vary and lengthen the search; fast-check prints what is needed to repeat a failure.
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import fc from 'fast-check';
import {
  buildSchema,
  type GraphQLInputType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
} from 'graphql';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { type Service, startService } from '../support/service-process.ts';
import { makeTemporaryDir } from '../support/temporary-dir.ts';
import { waitFor } from '../support/wait-for.ts';

const RUNS = Number(process.env.FUZZ_RUNS ?? 25);
const SEED = Number(process.env.FUZZ_SEED ?? 1);
/** Requests under way together: as many are drawn for one run. */
const AT_ONCE = 8;
const FAKE_WEBHOOK_SECRET = 'whsec_fake_workos';

let database: TestDatabase;
let service: Service;
let cursors: string[];
let dataDir: string;

beforeAll(async () => {
  database = await createTestDatabase();
  dataDir = await makeTemporaryDir('access-fuzz-');
  service = await startService('start', {
    DATABASE_URL: database.url,
    DATA_DIR: dataDir,
    LOG_LEVEL: 'warn',
    // Whatever is kept of the nonsense would not fit.
    NODE_OPTIONS: '--max-old-space-size=256',
  });
  const { users, entitlementSnapshot } = await waitFor('the company', async () => {
    const { users } = await service.query<{
      users: { nodes: { id: string; organization: { id: string } }[]; pageInfo: { endCursor: string } };
    }>('{ users(first: 2) { nodes { id organization { id } } pageInfo { endCursor } } }');
    if (users.nodes.length < 2) return null;
    const id = users.nodes[0]?.organization.id;
    const snapshot = await service.query<{ entitlementSnapshot: { asOf: string; pageInfo: { endCursor: string } } }>(
      'query ($id: ID!) { entitlementSnapshot(organizationId: $id, first: 1) { asOf pageInfo { endCursor } } }',
      { id },
    );
    return { users, ...snapshot };
  });
  cursors = [users.pageInfo.endCursor, entitlementSnapshot.asOf, entitlementSnapshot.pageInfo.endCursor];
  ids.push(...users.nodes.flatMap(({ id, organization }) => [id, organization.id]));
}, 120_000);
afterAll(async () => {
  await service?.end();
  await database?.drop();
  await rm(dataDir, { recursive: true, force: true });
}, 60_000);

const check = async <T>(drawn: fc.Arbitrary<T>, ask: (one: T) => Promise<void>): Promise<void> => {
  const together = fc.array(drawn, { minLength: AT_ONCE, maxLength: AT_ONCE });
  await fc.assert(
    fc.asyncProperty(together, async (all) => {
      await Promise.all(all.map(ask));
    }),
    { numRuns: RUNS, seed: SEED },
  );
  expect(service.process.exitCode).toBeNull();
};

const bytes = fc.uint8Array({ maxLength: 2_000 }).map((array) => Buffer.from(array));
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string(),
  fc.constantFrom('\0', '\ud800', '%', "'; --", '__proto__', '../', 'x'.repeat(5_000)),
);

// ---------------------------------------------------------------- webhooks

const sign = (body: Buffer, time = String(Date.now())): string =>
  `t=${time}, v1=${createHmac('sha256', FAKE_WEBHOOK_SECRET).update(`${time}.`).update(body).digest('hex')}`;

async function deliver(body: Buffer, signature: string | null): Promise<number> {
  const headers = signature === null ? {} : { 'workos-signature': signature };
  const response = await fetch(`${service.url}/webhooks/workos`, { method: 'POST', headers, body: body as Uint8Array<ArrayBuffer> });
  await response.arrayBuffer();
  return response.status;
}

const TYPES = [
  'dsync.activated',
  'dsync.deleted',
  'dsync.user.created',
  'dsync.user.updated',
  'dsync.user.deleted',
  'dsync.group.created',
  'dsync.group.deleted',
  'dsync.group.user_added',
  'dsync.group.user_removed',
  'role.created',
  'organization_role.deleted',
  'permission.created',
  'organization.updated',
];
const ulid = fc.string({ unit: fc.constantFrom(...'0123456789ABCDEFGHJKMNPQRSTVWXYZ'), minLength: 25, maxLength: 25 });
const ids: string[] = ['', 'org_1', 'null'];
/** `fuzz_`: what these events do to people stays among themselves. */
const ownId = fc.constantFrom('fuzz_1', 'fuzz_2', 'fuzz_3');
const odd = fc.oneof(anyText, fc.jsonValue({ maxDepth: 3 }), fc.constantFrom(null, -0, 1e308, '2023-04-28 20:05:31.093', '9999-99-99'));
const object = fc.record(
  {
    id: fc.oneof({ weight: 4, arbitrary: ownId }, { weight: 1, arbitrary: odd }),
    directory_id: fc.oneof(ownId, odd),
    organization_id: fc.oneof(ownId, odd),
    state: fc.oneof(fc.constantFrom('active', 'inactive', 'deleting'), odd),
    name: odd,
    email: odd,
    slug: odd,
    permissions: odd,
    roles: odd,
    role: odd,
    custom_attributes: odd,
    created_at: odd,
    updated_at: odd,
  },
  { requiredKeys: [] },
);
const event = fc
  .record({
    id: fc.oneof({ weight: 6, arbitrary: ulid.map((text) => `event_0${text}`) }, { weight: 1, arbitrary: odd }),
    event: fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...TYPES) }, { weight: 1, arbitrary: odd }),
    data: fc.oneof(
      { weight: 4, arbitrary: object },
      { weight: 2, arbitrary: fc.record({ directory_id: ownId, user: object, group: object }) },
      { weight: 1, arbitrary: odd },
    ),
    created_at: fc.oneof(fc.constant('2026-01-01T00:00:00.000Z'), odd),
  })
  .map((value) => Buffer.from(JSON.stringify(value)));

test('webhooks: bytes of any kind under any signature are refused', () =>
  check(
    fc.tuple(
      bytes,
      fc.oneof(
        fc.constant(null),
        fc.string(),
        fc.nat().map((n) => `t=${n}, v1=${'0'.repeat(64)}`),
      ),
    ),
    async ([body, signature]) => {
      const printable = signature?.replace(/[^\x20-\x7e]/g, '') ?? null;
      expect([400, 401]).toContain(await deliver(body, printable));
    },
  ));

test('webhooks: bytes of any kind under a good signature are kept', () =>
  check(
    fc.oneof(
      bytes,
      anyText.map((text) => Buffer.from(text)),
      fc.json().map((text) => Buffer.from(text)),
    ),
    async (body) => {
      expect(await deliver(body, sign(body))).toBe(200);
    },
  ));

test('webhooks: events with anything in them are kept, and every one comes to an end', async () => {
  await check(event, async (body) => {
    expect(await deliver(body, sign(body))).toBe(200);
  });
  await waitFor(
    'the inbox to be empty',
    async () =>
      (await service.query<{ syncHealth: { events: { pending: number } } }>('{ syncHealth { events { pending } } }')).syncHealth.events
        .pending < 20,
    { timeoutMs: 60_000 },
  );
}, 120_000);

// ---------------------------------------------------------------- GraphQL

interface Answer {
  status: number;
  text: string;
}

async function send(body: string | Buffer, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(`${service.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${service.key}`, ...headers },
    body: body as string,
    signal: AbortSignal.timeout(30_000),
  });
  return { status: response.status, text: await response.text() };
}

const expectSound = ({ status, text }: Answer): void => {
  expect({ status, text: status < 500 && !text.includes('INTERNAL') }).toEqual({ status, text: true });
};

const schema = buildSchema(readFileSync(new URL('../../schema/schema.graphql', import.meta.url), 'utf8'));

/** Values of a type, most of them sound so that they come far, some of them of no type at all. */
function valuesOf(type: GraphQLInputType, depth = 0): fc.Arbitrary<unknown> {
  if (isNonNullType(type)) return valuesOf(type.ofType, depth);
  if (isListType(type)) return fc.array(valuesOf(type.ofType, depth + 1), { maxLength: 3 });
  if (isEnumType(type)) return fc.constantFrom(...type.getValues().map(({ name }) => name));
  if (isInputObjectType(type)) {
    const fields = Object.values(type.getFields()).map((field) => [field.name, valuesOf(field.type, depth + 1)] as const);
    return fc.record(Object.fromEntries(fields), { requiredKeys: [] });
  }
  switch (type.name) {
    case 'Int':
      return fc.constantFrom(-1, 0, 1, 2, 500, 501, 2 ** 31 - 1, -(2 ** 31));
    case 'Float':
      return fc.constantFrom(-1, 0, 0.5, 1e9, 1e308, -0, 5e-324);
    case 'Boolean':
      return fc.boolean();
    case 'DateTime':
      return fc.constantFrom(
        '2026-01-01T00:00:00Z',
        '0000-01-01T00:00:00Z',
        '9999-12-31T23:59:59.999999999+14:00',
        '2026-02-30T00:00:00Z',
        '2026-01-01',
        '',
      );
    default:
      return fc.oneof(anyText, cursorLike, fc.constantFrom(...ids));
  }
}

/** Cursors that were given out, cut, bent and forged. */
const cursorLike: fc.Arbitrary<string> = fc
  .tuple(fc.nat(), fc.nat(), fc.constantFrom('keep', 'cut', 'bend', 'double', 'forge'), anyText)
  .map(([which, at, how, text]) => {
    const cursor = cursors?.[which % cursors.length] ?? 'bG9nOjA6MA';
    const place = at % cursor.length;
    if (how === 'cut') return cursor.slice(0, place);
    if (how === 'bend') return `${cursor.slice(0, place)}A${cursor.slice(place + 1)}`;
    if (how === 'double') return cursor + cursor;
    if (how === 'forge') return Buffer.from(`${Buffer.from(cursor, 'base64url').toString().split(':')[0]}:${text}`).toString('base64url');
    return cursor;
  });

const SETTLES_ELSEWHERE = ['replayEvents', 'reconcileDirectory']; // start work of minutes; their arguments are tested with them
const rootFields = [schema.getQueryType(), schema.getMutationType()].flatMap((root) =>
  Object.values(root?.getFields() ?? {})
    .filter(({ name, args }) => args.length > 0 && !SETTLES_ELSEWHERE.includes(name))
    .map((field) => ({ operation: root?.name.toLowerCase() ?? '', field })),
);

test.each(rootFields.map((root) => [root.field.name, root] as const))(
  'the arguments of %s',
  (_name, { operation, field }) => {
    const declared = field.args.map((arg) => `$${arg.name}: ${arg.type}`).join(', ');
    const given = field.args.map((arg) => `${arg.name}: $${arg.name}`).join(', ');
    const query = `${operation} (${declared}) { ${field.name}(${given}) ${isLeafType(getNamedType(field.type)) ? '' : '{ __typename }'} }`;
    const sound = fc.record(Object.fromEntries(field.args.map((arg) => [arg.name, valuesOf(arg.type)])), {
      requiredKeys: field.args.filter((arg) => isNonNullType(arg.type)).map(({ name }) => name),
    });
    const variables = fc.oneof(
      { weight: 6, arbitrary: sound },
      { weight: 1, arbitrary: fc.dictionary(fc.constantFrom(...field.args.map(({ name }) => name)), fc.jsonValue({ maxDepth: 4 })) },
    );
    return check(variables, async (values) => expectSound(await send(JSON.stringify({ query, variables: values }))));
  },
  120_000,
);

test('bodies of any kind', () =>
  check(
    fc.oneof(
      bytes,
      fc.json(),
      fc.jsonValue().map((query) => JSON.stringify({ query })),
      fc
        .record({
          query: fc.constant('{ __typename }'),
          variables: fc.jsonValue(),
          operationName: fc.jsonValue(),
          extensions: fc.jsonValue(),
          documentId: fc.jsonValue(),
        })
        .map((body) => JSON.stringify(body)),
    ),
    async (body) => expectSound(await send(body)),
  ));

const WORDS = [
  '{',
  '}',
  '(',
  ')',
  '[',
  ']',
  ':',
  '$',
  '@',
  '...',
  'query',
  'mutation',
  'subscription',
  'fragment',
  'on',
  'caller',
  'users',
  'nodes',
  'name',
  'id',
  'first',
  '1',
  '-1',
  '"x"',
  '"""',
  'null',
  'true',
  '__typename',
  '__schema',
  'include',
  'if',
  'ACTIVE',
  '#',
  '\n',
  '\ufeff',
  'é',
];
test('documents of words in any order', () =>
  check(
    fc.array(fc.constantFrom(...WORDS), { maxLength: 60 }).map((words) => words.join(' ')),
    async (query) => expectSound(await send(JSON.stringify({ query }))),
  ));

test('queries by GET with anything in them', () =>
  check(
    fc.record(
      { query: fc.oneof(fc.constant('{ __typename }'), anyText), variables: anyText, extensions: anyText, documentId: anyText },
      { requiredKeys: [] },
    ),
    async (params) => {
      const search = new URLSearchParams(Object.entries(params).map(([name, value]) => [name, value.slice(0, 1_000)]));
      const response = await fetch(`${service.url}/graphql?${search}`, { headers: { authorization: `Bearer ${service.key}` } });
      expectSound({ status: response.status, text: await response.text() });
    },
  ));

test(
  'WebSockets with anything on them: closed or answered, and the process goes on',
  () =>
    check(
      fc.tuple(
        fc.boolean(),
        fc.array(
          fc.oneof(
            bytes,
            fc.json(),
            fc
              .record({
                id: fc.jsonValue(),
                type: fc.constantFrom('connection_init', 'subscribe', 'complete', 'ping', 'pong', 'next'),
                payload: fc.jsonValue(),
              })
              .map((message) => JSON.stringify(message)),
          ),
          { maxLength: 4 },
        ),
      ),
      ([known, messages]) =>
        new Promise<void>((resolve, reject) => {
          const socket = new WebSocket(`${service.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
          socket.on('error', () => {});
          socket.on('close', (code) => (code === 4500 ? reject(new Error('an error went through to the socket')) : resolve()));
          socket.on('open', () => {
            if (known) socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${service.key}` } }));
            for (const message of messages) socket.send(message);
            setTimeout(() => socket.close(1000), 50);
          });
        }),
    ),
  120_000,
);

// ---------------------------------------------------------------- afterwards

const residentKb = (): number => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${service.process.pid}/status`, 'utf8'))?.[1]);

// Without the bound on what is kept of documents (src/server/document-cache.ts) this ends the process.
test.runIf(process.platform === 'linux')(
  'memory does not grow with the nonsense',
  async () => {
    let serial = 0;
    /** As large as is let through, for what is kept of it. */
    const fields = Array.from({ length: 30 }, (_, n) => `a${n}: caller { ${'name '.repeat(40)} }`).join(' ');
    /** Each of its own, so that nothing is answered from what was kept of another. */
    const flood = async (): Promise<number> => {
      for (let round = 0; round < 12; round += 1) {
        await Promise.all(
          Array.from({ length: AT_ONCE }, async () => {
            serial += 1;
            expectSound(
              await send(
                JSON.stringify({
                  query: `{ ${fields} } # ${serial}`,
                  variables: { x: 'y'.repeat(20_000) },
                }),
              ),
            );
            await deliver(Buffer.from(`${serial}${'z'.repeat(20_000)}`), `t=${Date.now()}, v1=${'0'.repeat(64)}`);
          }),
        );
      }
      return residentKb();
    };
    await flood();
    const after = await flood();
    const later = [await flood(), await flood()];
    expect(Math.min(...later) / after).toBeLessThan(1.3);
  },
  120_000,
);

test('after all that the service is well: it answers, it works, and it had no fault of its own', async () => {
  const { syncHealth } = await service.query<{ syncHealth: { events: { pending: number } } }>('{ syncHealth { events { pending } } }');
  expect(syncHealth.events.pending).toBeLessThan(50);
  const faults = service
    .output()
    .split('\n')
    .filter((line) => /"level":"(error|fatal)"/.test(line) && !line.includes('events were quarantined'));
  expect(faults).toEqual([]);
  expect(await service.end()).toBe(0);
});
