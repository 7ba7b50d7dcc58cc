// schema → schema/schema.graphql (checked in), and schema/operations/*.graphql → typed documents in test/gql (not in git).
// `--check` writes no schema: it exits with 1 when the one on disk is not what the code says, or an operation is not valid.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { generate } from '@graphql-codegen/cli';
import { printedSchema, SCHEMA_FILE } from './schema/print.ts';

const { check } = parseArgs({ options: { check: { type: 'boolean', default: false } } }).values;
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const onDisk = await readFile(SCHEMA_FILE, 'utf8').catch(() => '');
const printed = printedSchema();
if (printed !== onDisk) {
  if (check) {
    process.stderr.write('schema/schema.graphql is not what the code says. Run `npm run generate` and commit the file.\n');
    process.exit(1);
  }
  await writeFile(SCHEMA_FILE, printed);
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
