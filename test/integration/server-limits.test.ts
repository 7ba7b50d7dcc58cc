// How much one document may ask, and that what we ship stays below.
import { readdirSync, readFileSync } from 'node:fs';
import { getIntrospectionQuery, parse, print, separateOperations } from 'graphql';
import { expect, test } from 'vitest';
import { insertMembers } from '../support/company-rows.ts';
import { useCompanyApi } from '../support/suite-api.ts';

const api = useCompanyApi();

const repeat = (count: number, part: (index: number) => string) => Array.from({ length: count }, (_, index) => part(index)).join(' ');
const nested = (depth: number): string => (depth === 0 ? 'id' : `directories { organization { ${nested(depth - 1)} } }`);

test.each([
  ['depth', `{ organization(id: "x") { ${nested(6)} } }`, /depth/i],
  ['aliases', `{ ${repeat(31, (index) => `a${index}: caller { name }`)} }`, /aliases/i],
  ['tokens', `{ ${repeat(2001, () => 'caller')} }`, /token/i],
  ['text', `#${'x'.repeat(70_000)}\n{ caller { name } }`, /65536 characters/],
  ['directives', `{ caller { ${repeat(21, () => 'name @include(if: true)')} } }`, /directive/i],
  ['cost of literal pages within pages', '{ users(first: 500) { nodes { groups(first: 500) { nodes { id } } } } }', /cost/i],
])('too much %s is refused before anything runs', async (_what, query, message) => {
  const { errors, data } = await api.query(query);
  expect(errors).toHaveLength(1);
  expect(errors?.[0]?.message).toMatch(message);
  expect(errors?.[0]?.extensions.code).toMatch(/^GRAPHQL_(PARSE|VALIDATION)_FAILED$/);
  expect(data).toBeUndefined();
});

test('the same limits hold on a WebSocket, which stays open', async () => {
  const socket = api.socket();
  const ask = (query: string) =>
    new Promise<unknown>((resolve) => socket.subscribe({ query }, { next: resolve, error: resolve, complete: () => {} }));
  // Keeps the lazy client connected.
  const leave = socket.subscribe(
    { query: 'subscription { syncHealth { status } }' },
    { next: () => {}, error: () => {}, complete: () => {} },
  );
  expect(await ask(`{ ${repeat(2001, () => 'caller')} }`)).toMatchObject([{ extensions: { code: 'GRAPHQL_PARSE_FAILED' } }]);
  expect(await ask(`{ organization(id: "x") { ${nested(6)} } }`)).toMatchObject([{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }]);
  expect(await ask('{ caller { name } }')).toEqual({ data: { caller: { name: 'admin' } } });
  leave();
});

test('pages within pages may not add up beyond measure, wherever their size is written', async () => {
  const query =
    'query ($first: Int) { users(first: $first) { nodes { groups(first: $first) { nodes { members(first: $first) { nodes { id } } } } } } }';
  expect(await api.codes(query, { first: 100 })).toEqual([]);
  await insertMembers(api.db, 300);
  const { errors, data } = await api.query(query, { first: 500 });
  expect(new Set(errors?.map((error) => error.extensions.code))).toEqual(new Set(['BAD_USER_INPUT']));
  expect(errors?.[0]?.message).toContain('50000 rows');
  expect(data).toBeNull();
});

test('introspection passes, as GraphiQL asks for it', async () => {
  const query = getIntrospectionQuery({
    schemaDescription: true,
    specifiedByUrl: true,
    directiveIsRepeatable: true,
    inputValueDeprecation: true,
    oneOf: true,
  });
  expect(await api.codes(query)).toEqual([]);
});

const folder = new URL('../../schema/operations/', import.meta.url);
const operations = readdirSync(folder).flatMap((file) =>
  Object.entries(separateOperations(parse(readFileSync(new URL(file, folder), 'utf8')))),
);

test.each(operations)('the operation %s passes', async (name, document) => {
  expect(name).not.toBe('');
  // Nobody gives the variables: what needs some fails for that, and not for a limit, which would have come first.
  for await (const { errors = [] } of api.sse(print(document), {})) {
    expect(errors.map((error) => error.extensions.code).filter((code) => code !== 'BAD_USER_INPUT')).toEqual([]);
    break;
  }
});
