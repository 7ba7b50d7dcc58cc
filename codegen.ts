// schema → schema/schema.graphql and the hashes of the shipped operations → schema/operations.json (both checked in), and
// schema/operations/*.graphql → typed documents in test/gql (not in git). `--check` writes neither of the first two: it exits
// with 1 when what is on disk is not what the code says, or an operation is not valid.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { generate } from '@graphql-codegen/cli';
import { printedSchema, SCHEMA_FILE } from './schema/print.ts';
import { loadPersistedOperations } from './src/server/persisted-operations.ts';

const { check } = parseArgs({ options: { check: { type: 'boolean', default: false } } }).values;
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const generated = [
  [fileURLToPath(SCHEMA_FILE), printedSchema()],
  [here('schema/operations.json'), printedHashes()],
] as const;
for (const [file, text] of generated) {
  if (text === (await readFile(file, 'utf8').catch(() => ''))) continue;
  if (check) {
    process.stderr.write(`${file} is not what the code says. Run \`npm run generate\` and commit the file.\n`);
    process.exit(1);
  }
  await writeFile(file, text);
}

function printedHashes(): string {
  const byName = [...loadPersistedOperations().byHash].map(([hash, text]) => [/^\w+ (\w+)/.exec(text)?.[1] ?? '', hash] as const);
  return `${JSON.stringify(Object.fromEntries(byName.sort(([a], [b]) => (a < b ? -1 : 1))), null, 2)}\n`;
}

await generate(
  {
    schema: fileURLToPath(SCHEMA_FILE),
    documents: here('schema/operations/*.graphql'),
    silent: true,
    generates: {
      [here('test/gql/documents.ts')]: {
        plugins: ['typescript-operations', 'typed-document-node'],
        config: {
          enumType: 'string-literal',
          useTypeImports: true,
          strictScalars: true,
          immutableTypes: true,
          scalars: { ID: 'string', DateTime: 'string', JSON: 'unknown', Cursor: 'string' },
        },
      },
    },
  },
  true,
);
