// The contract that callers rely on (test/fixtures/contract.graphql) holds against schema/schema.graphql: every name,
// argument, type and nullability. What is not delivered yet is listed by name; whoever delivers it takes it off the list.
import { readFileSync } from 'node:fs';
import {
  buildSchema,
  type DefinitionNode,
  type DocumentNode,
  type FieldDefinitionNode,
  type InputValueDefinitionNode,
  isObjectType,
  parse,
  print,
} from 'graphql';
import { describe, expect, test } from 'vitest';
import { schema } from '../../schema/index.ts';
import { SCHEMA_FILE } from '../../schema/print.ts';

const ABSENT = new Set<string>([]);
/** Connections are defined by reference to Relay's specification. */
const CONNECTION_OF: Record<string, string> = {
  OrganizationConnection: 'Organization',
  UserConnection: 'User',
  UserGroupsConnection: 'Group',
  GroupConnection: 'Group',
  GroupMembersConnection: 'User',
  GrantConnection: 'Grant',
  DirectoryEventConnection: 'DirectoryEvent',
  ReplayConnection: 'Replay',
  DriftItemConnection: 'DriftItem',
  DriftReportConnection: 'DriftReport',
};

/** One entry for everything that a caller can name: `Type`, `Type.field`, `Type.field(argument)`, `Enum.VALUE`, `Union|Member`. */
function namesOf(document: DocumentNode): Map<string, string> {
  const names = new Map<string, string>();
  const addInput = (path: string, { type, defaultValue }: InputValueDefinitionNode) =>
    names.set(path, `${print(type)}${defaultValue ? ` = ${print(defaultValue)}` : ''}`);
  const addField = (type: string, field: FieldDefinitionNode) => {
    names.set(`${type}.${field.name.value}`, print(field.type));
    for (const argument of field.arguments ?? []) addInput(`${type}.${field.name.value}(${argument.name.value})`, argument);
  };
  const addDefinition = (definition: DefinitionNode) => {
    if (!('name' in definition) || !definition.name) return;
    const name = definition.name.value;
    names.set(name, definition.kind);
    switch (definition.kind) {
      case 'ObjectTypeDefinition':
        for (const field of definition.fields ?? []) addField(name, field);
        break;
      case 'InputObjectTypeDefinition':
        for (const field of definition.fields ?? []) addInput(`${name}.${field.name.value}`, field);
        break;
      case 'EnumTypeDefinition':
        for (const value of definition.values ?? []) names.set(`${name}.${value.name.value}`, 'value');
        break;
      case 'UnionTypeDefinition':
        for (const member of definition.types ?? []) names.set(`${name}|${member.name.value}`, 'member');
        break;
      case 'ScalarTypeDefinition':
        break;
      default:
        throw new Error(`the contract has a ${definition.kind}, which this test does not compare`);
    }
  };
  for (const definition of document.definitions) addDefinition(definition);
  return names;
}

const contract = namesOf(parse(readFileSync(new URL('../fixtures/contract.graphql', import.meta.url), 'utf8')));
const printed = namesOf(parse(readFileSync(SCHEMA_FILE, 'utf8')));

const isAbsent = (name: string): boolean =>
  ABSENT.has(name) || ABSENT.has(name.split(/[.(|]/)[0] ?? '') || ABSENT.has(name.split('(')[0] ?? '');
const due = [...contract].filter(([name]) => !isAbsent(name));

test('every name of the contract is there, of the same type and nullability', () => {
  expect(due.length).toBeGreaterThan(300);
  expect(
    due.filter(([name, type]) => printed.get(name) !== type).map(([name, type]) => ({ name, contract: type, schema: printed.get(name) })),
  ).toEqual([]);
});

test('what is listed as absent is absent, and part of the contract', () => {
  expect([...ABSENT].filter((name) => printed.has(name))).toEqual([]);
  expect([...ABSENT].filter((name) => !contract.has(name))).toEqual([]);
});

test('further arguments have a default or may be left out', () => {
  const required = [...printed].filter(([name, type]) => name.includes('(') && !contract.has(name) && type.endsWith('!'));
  expect(required).toEqual([]);
});

test.each(Object.entries(CONNECTION_OF))('%s is a Relay connection with nodes and totalCount', (name, node) => {
  const edge = printed.get(`${name}.edges`);
  expect(edge).toMatch(/^\[\w+!\]!$/);
  expect(printed.get(`${edge?.slice(1, -3)}.node`)).toBe(`${node}!`);
  expect(printed.get(`${edge?.slice(1, -3)}.cursor`)).toBe('String!');
  expect(printed.get(`${name}.nodes`)).toBe(`[${node}!]!`);
  expect(printed.get(`${name}.pageInfo`)).toBe('PageInfo!');
  expect(printed.get(`${name}.totalCount`)).toBe('Int!');
});

test('no connection of the contract was forgotten', () => {
  const named = [...contract.values()].flatMap((type) => /^(\w+Connection)!$/.exec(type)?.[1] ?? []);
  const known = [...Object.keys(CONNECTION_OF), 'EntitlementSnapshotConnection'];
  expect([...new Set(named)].sort()).toEqual(known.sort());
});

describe('deny by default', () => {
  const roots = ['Query', 'Mutation', 'Subscription'].flatMap((name) => {
    const type = schema.getType(name);
    return isObjectType(type) ? Object.values(type.getFields()).map((field) => [`${name}.${field.name}`, field] as const) : [];
  });

  test.each(roots)('%s says which scope it needs', (name, field) => {
    const options = field.extensions.pothosOptions as { authScopes?: Record<string, unknown> };
    expect(options.authScopes).toEqual(name === 'Query.caller' ? { anyCaller: true } : { scope: expect.stringMatching(/^[A-Z_]+$/) });
  });
});

test('the checked-in schema builds', () => {
  expect(() => buildSchema(readFileSync(SCHEMA_FILE, 'utf8'))).not.toThrow();
});
