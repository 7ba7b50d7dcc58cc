// Which documents are compiled, when, and how many are kept.
import { parse } from 'graphql';
import { expect, test } from 'vitest';
import { schema } from '../../schema/index.ts';
import { compilable } from '../../src/server/compilable.ts';
import { createCompiledDocuments } from '../../src/server/compiled-documents.ts';

test.each([
  ['{ caller { name } }', 2],
  ['query A($id: ID!) { user(id: $id) { ...F } } fragment F on User { id email }', 4],
  ['{ a: caller { __typename } b: caller { __typename } }', 4],
])('%s is compiled', (text, fields) => expect(compilable(parse(text))?.fields).toBe(fields));

const doubling = Array.from({ length: 20 }, (_, index) => `fragment F${index} on Query { ...F${index + 1} ...F${index + 1} }`).join(' ');

test.each([
  ['a mutation', 'mutation { revokeGrant(id: "x") { id } }'],
  ['a subscription', 'subscription { syncHealth { status } }'],
  ['several operations', 'query A { caller { name } } query B { caller { name } }'],
  ['a directive', '{ caller { name @skip(if: false) } }'],
  ['introspection', '{ __type(name: "User") { name } }'],
  ['the key __proto__', '{ __proto__: caller { name } }'],
  ['many fields', `{ caller { ${Array.from({ length: 400 }, (_, index) => `a${index}: name`).join(' ')} } }`],
  ['fragments that double', `{ ...F0 } ${doubling} fragment F20 on Query { caller { name } }`],
])('%s is left to Yoga', (_what, text) => expect(compilable(parse(text))).toBeUndefined());

test('a document is compiled once it was accepted and asked for, under its own name only', () => {
  const text = 'query A { caller { name } }';
  const documents = createCompiledDocuments(schema, 2);
  expect(documents.find(text, undefined)).toBeUndefined();
  documents.accept(parse(text));
  expect(documents.find(text, 'A')).toBeUndefined();
  expect(documents.find(text, 'B')).toBeUndefined();
  const run = documents.find(text, 'A');
  expect(run).toBeTypeOf('function');
  expect(documents.find(text, undefined)).toBe(run);
  expect(documents.find(`${text} `, 'A')).toBeUndefined();
});

test('however many documents are accepted, what is kept is bounded', () => {
  const documents = createCompiledDocuments(schema, 1);
  const fields = Array.from({ length: 300 }, (_, index) => `a${index}: name`).join(' ');
  const texts = Array.from({ length: 80 }, (_, index) => `query Q${index} { caller { ${fields} } }`);
  for (const text of texts) documents.accept(parse(text));
  const kept = texts.filter((text) => documents.find(text, undefined));
  expect(kept.length).toBeGreaterThan(30);
  expect(kept.length).toBeLessThan(60);
  expect(kept).toEqual(texts.slice(-kept.length));
});
