import { expect, test } from 'vitest';
import { FOLLOW, SNAPSHOT_PAGE } from '../../src/client/documents.ts';
import { loadPersistedOperations, resolveOperation } from '../../src/server/persisted-operations.ts';

const operations = loadPersistedOperations();

test.each([
  ['the subscription', FOLLOW],
  ['the snapshot', SNAPSHOT_PAGE],
])('%s of our client is taken where nothing else is', (_what, query) => {
  expect(resolveOperation({ query }, operations, true)).toMatch(/^(query|subscription) /);
});

test('no operation has a text or a comment in it, whose white space would mean something', () => {
  for (const text of operations.byHash.values()) expect(text).not.toMatch(/["#]/);
});

test.each([{ persistedQuery: null }, { persistedQuery: 'x' }, { persistedQuery: { sha256Hash: 7 } }, 'x', 7, null])(
  'extensions of any form name nothing: %j',
  (extensions) => expect(resolveOperation({ query: '{ a }', extensions }, operations, false)).toBe('{ a }'),
);
