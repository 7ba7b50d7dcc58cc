// schema → schema/schema.graphql, the hashes of the shipped operations → schema/operations.json, those that the client and the
// commands send → documents.ts of each (all checked in), and schema/operations/*.graphql → typed documents in test/gql (not in git).
// `--check` writes none of those checked in: it exits with 1 when what is on disk is not what the code says, or an operation
// is not valid.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { generate } from '@graphql-codegen/cli';
import { printedSchema, SCHEMA_FILE } from './schema/print.ts';
import { loadPersistedOperations } from './src/server/persisted-operations.ts';

const { check } = parseArgs({ options: { check: { type: 'boolean', default: false } } }).values;
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Operations by name. */
const SENT = {
  client: ['FollowChanges', 'SnapshotPage'],
  commands: [
    ...[
      'Health',
      'WatchHealth',
      'DirectoryEvents',
      'DirectoryEvent',
      'RetryEvents',
      'SkipEvent',
      'ApiKeys',
      'CreateApiKey',
      'RevokeApiKey',
    ],
    ...['StartReplay', 'CancelReplay', 'Replay', 'Replays', 'WatchReplay', 'ApplyCatalog', 'Reconcile', 'DriftReport'],
  ],
};

/** By the name of the operation, which is the only one in its text. */
const operations = new Map(
  [...loadPersistedOperations().byHash].map(([hash, text]) => [/^\w+ (\w+)/.exec(text)?.[1] ?? '', { hash, text }]),
);

const generated = [
  [fileURLToPath(SCHEMA_FILE), printedSchema()],
  [here('schema/operations.json'), printedHashes()],
  [here('src/client/documents.ts'), printedDocuments(SENT.client)],
  [here('src/commands/documents.ts'), printedDocuments(SENT.commands)],
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
  const hashes = [...operations].map(([name, { hash }]) => [name, hash] as const);
  return `${JSON.stringify(Object.fromEntries(hashes.sort(([a], [b]) => (a < b ? -1 : 1))), null, 2)}\n`;
}

/** Word for word the shipped ones, so that a service which takes nothing else takes them. FollowChanges → FOLLOW_CHANGES. */
function printedDocuments(names: readonly string[]): string {
  const documents = names.map((name) => {
    const operation = operations.get(name);
    if (!operation) throw new Error(`schema/operations has no operation ${name}`);
    return `export const ${name.replace(/\B[A-Z]/g, '_$&').toUpperCase()} = \`${operation.text}\`;\n`;
  });
  return ['// What is sent. Generated from schema/operations by codegen.ts.\n', ...documents].join('\n');
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
