import { expect, test } from 'vitest';
import { type AppliedMigration, checksumOf, judgeHistory } from '../../../src/db/migration-history.ts';

const LOCAL = ['1_a', '2_b', '3_c'].map((name) => ({ name, sql: `-- ${name}` }));
const applied = (name: string, over: Partial<AppliedMigration> = {}): AppliedMigration => ({
  name,
  checksum: checksumOf(`-- ${name}`),
  finished: true,
  logs: null,
  ...over,
});
const judge = (rows: AppliedMigration[], hasTables = true) => judgeHistory(LOCAL, rows, hasTables);

test('an empty database and one that is behind are migrated, a current one is left alone', () => {
  expect(judge([], false)).toEqual({ kind: 'behind', interrupted: [] });
  expect(judge([applied('1_a')])).toEqual({ kind: 'behind', interrupted: [] });
  expect(judge(LOCAL.map(({ name }) => applied(name)))).toEqual({ kind: 'current' });
});

test('a migration that was interrupted is tried again; one that failed is not', () => {
  expect(judge([applied('1_a'), applied('2_b', { finished: false })])).toEqual({ kind: 'behind', interrupted: ['2_b'] });
  expect(
    judge([applied('1_a', { finished: false, logs: 'external connector error\nError querying the database: ERROR: no\n   0: trace' })]),
  ).toMatchObject({
    kind: 'damaged',
    problem: expect.stringContaining('1_a has failed before (ERROR: no)'),
  });
});

test('a history that this version did not write is refused, and the sentence says which migration', () => {
  expect(judge([...LOCAL.map(({ name }) => applied(name)), applied('4_d')])).toMatchObject({
    kind: 'newer',
    problem: expect.stringContaining('4_d is unknown here'),
  });
  expect(judge([applied('1_a'), applied('2_b', { checksum: 'x' })])).toMatchObject({
    kind: 'damaged',
    problem: expect.stringContaining('2_b was applied with another content'),
  });
  expect(judge([applied('1_a'), applied('3_c')])).toMatchObject({
    kind: 'damaged',
    problem: expect.stringContaining('3_c was applied, 2_b before it was not'),
  });
  expect(judge([], true)).toMatchObject({ kind: 'damaged', problem: expect.stringContaining('no migration history') });
});
