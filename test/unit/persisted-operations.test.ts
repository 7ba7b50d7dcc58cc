import { expect, test } from 'vitest';
import * as ofClient from '../../src/client/documents.ts';
import * as ofCommands from '../../src/commands/documents.ts';
import { loadPersistedOperations, resolveOperation } from '../../src/server/persisted-operations.ts';

const operations = loadPersistedOperations();

test.each(Object.entries({ ...ofClient, ...ofCommands }))(
  '%s, of our client or a command, is taken where nothing else is',
  (_name, query) => {
    expect(resolveOperation({ query }, operations, true)).toBe(query);
  },
);

test('no operation has a text or a comment in it, whose white space would mean something', () => {
  for (const text of operations.byHash.values()) expect(text).not.toMatch(/["#]/);
});

test.each([{ persistedQuery: null }, { persistedQuery: 'x' }, { persistedQuery: { sha256Hash: 7 } }, 'x', 7, null])(
  'extensions of any form name nothing: %j',
  (extensions) => expect(resolveOperation({ query: '{ a }', extensions }, operations, false)).toBe('{ a }'),
);
