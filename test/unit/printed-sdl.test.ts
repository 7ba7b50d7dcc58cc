import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { printedSchema, SCHEMA_FILE } from '../../schema/print.ts';

test('schema/schema.graphql is what the code says (npm run generate writes it)', async () => {
  expect(await readFile(SCHEMA_FILE, 'utf8')).toBe(printedSchema());
});
