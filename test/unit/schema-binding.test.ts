// No resolver can reach a client that is not bound to the caller's organization: not by an import, not by a call, and not
// through anything in its context.
import { glob, readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { type ContextDeps, createContext } from '../../schema/context.ts';
import type { Db } from '../../src/db/client.ts';
import { bindingFaults } from '../support/binding.ts';

test('the resolvers keep to what is bound', async () => {
  const files = new Map<string, string>();
  for await (const file of glob('{src,schema}/**/*.ts')) files.set(file, await readFile(file, 'utf8'));
  expect([...files.keys()].filter((file) => file.startsWith('schema/')).length).toBeGreaterThan(30);
  expect(bindingFaults(files)).toEqual([]);
});

describe('each part of the rule can fail', () => {
  const TARGETS = {
    'src/db/client.ts': 'export type Db = object;\nexport function openDb() {}',
    'src/entitlements/read.ts':
      'export async function readEffective(\n  db: Db,\n  ids: string[],\n) {}\nexport const decide = (answer: object) => answer;\nexport const begin = async (tx: Tx) => tx;\nexport function createThing({ log, db }: Deps) {}',
    'schema/role-rows.ts': 'export const readRoles = (db: Db, tenant: string | null) => db;',
  };
  const faults = (file: string, source: string) => bindingFaults(new Map(Object.entries({ ...TARGETS, [file]: source })));

  test.each<[string, string, string]>([
    ['the type of a client', "import type { Db } from '../src/db/client.ts';", 'imports Db of src/db/client.ts'],
    ['the type, inline', "import { type Prisma, type Tx } from '../src/db/client.ts';", 'imports Tx of src/db/client.ts'],
    ['a client of its own', "import { openDb } from '../src/db/client.ts';", 'imports openDb of src/db/client.ts'],
    [
      'a function that takes one',
      "import { decide, readEffective } from '../src/entitlements/read.ts';",
      'imports readEffective, which takes a client',
    ],
    ['one that takes a transaction', "import { begin } from '../src/entitlements/read.ts';", 'imports begin, which takes a client'],
    [
      'one that takes it among others',
      "import { createThing } from '../src/entitlements/read.ts';",
      'imports createThing, which takes a client',
    ],
    [
      'one that was renamed',
      "import { readEffective as read } from '../src/entitlements/read.ts';",
      'imports readEffective, which takes a client',
    ],
    ['SQL of a binder', "import { readRoles, type RoleRow } from './role-rows.ts';", 'imports readRoles, which takes a client'],
    ['raw SQL', 'const rows = context.db.$queryRawUnsafe(SQL);', 'calls .$queryRawUnsafe'],
    ['a transaction', 'db.$transaction([]);', 'calls .$transaction'],
  ])('%s', (_what, source, fault) => expect(faults('schema/thing.ts', source)).toEqual([`schema/thing.ts: ${fault}`]));

  test('SQL without a tenant', () =>
    expect(faults('schema/role-rows.ts', 'export async function readAll(db: Db, ids: string[]): Promise<void> {\n}')).toEqual([
      'schema/role-rows.ts: readAll takes a client and no tenant',
    ]));

  test('what is allowed is allowed', () => {
    const sound =
      "import type { Prisma } from '../src/db/client.ts';\nimport { decide, type Freshness } from '../src/entitlements/read.ts';\nimport type { RoleRow } from './role-rows.ts';\n";
    expect(faults('schema/thing.ts', sound)).toEqual([]);
  });
});

test('nothing in a bound context is the client that sees everything', () => {
  const unbound: object = { $extends: () => ({ bound: true }) };
  const deps = { db: unbound as Db, services: { logId: 'x' }, revalidation: {} } as unknown as ContextDeps;
  const caller = { name: 'x', scopes: [], organizationId: 'org_1' };
  const seen = new Set<unknown>();
  const walk = (value: unknown): void => {
    if (!(value instanceof Object) || seen.has(value)) return;
    seen.add(value);
    for (const key of Reflect.ownKeys(value)) walk((value as Record<PropertyKey, unknown>)[key]);
  };
  const context = createContext(deps, { caller, signal: new AbortController().signal });
  walk(context);
  // Parts that are made when they are asked for.
  for (const key of Reflect.ownKeys(Object.getPrototypeOf(context))) if (key !== 'constructor') walk(context[key as keyof typeof context]);
  expect(seen.size).toBeGreaterThan(20);
  expect(seen.has(unbound)).toBe(false);
});
