// No lower than what fixed an advisory, wherever in the tree a copy lies.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

interface Lock {
  packages: Record<string, { version?: string }>;
}

const { packages } = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')) as Lock;
const versions = (name: string): string[] =>
  Object.entries(packages).flatMap(([path, { version }]) => (path.endsWith(`node_modules/${name}`) && version ? [version] : []));
const numbers = (version: string): number[] =>
  version
    .replace(/[-+].*$/, '')
    .split('.')
    .map(Number);

function isAtLeast(version: string, floor: string): boolean {
  const [a, b] = [numbers(version), numbers(floor)];
  const index = [0, 1, 2].find((at) => a[at] !== b[at]) ?? 2;
  return (a[index] ?? 0) >= (b[index] ?? 0);
}

const SEEN = [
  ['ws', '8.21.0', 'CVE-2024-37890 (many headers crash the server), and memory by tiny fragments and chunks'],
  ['graphql', '16.9.0', 'CVE-2023-26144 (validation of overlapping fields), and depth of introspection'],
  ['@escape.tech/graphql-armor-max-depth', '2.4.2', 'GHSA-224p-v68g-5g8f (a fragment named __schema, depths kept from another place)'],
  ['@escape.tech/graphql-armor-cost-limit', '2.4.3', 'the same for costs'],
  ['graphql-ws', '6.0.0', 'the transport without the legacy subprotocol'],
  ['graphql-yoga', '5.24.1', 'a limit for request bodies'],
  ['jose', '6.0.0', 'no algorithm that a token chooses'],
  ['zod', '4.0.0', 'regular expressions that take for ever'],
  ['@graphql-tools/utils', '10.0.0', 'prototype pollution by merging'],
] as const;

test.each(SEEN)('%s is at least %s: %s', (name, floor) => {
  const found = versions(name);
  expect(found.length).toBeGreaterThan(0);
  expect(found.filter((version) => !isAtLeast(version, floor))).toEqual([]);
});

test('there is one copy of graphql', () => expect(versions('graphql')).toHaveLength(1));

test('the comparison compares', () => {
  expect(isAtLeast('8.17.1', '8.17.1')).toBe(true);
  expect(isAtLeast('8.9.9', '8.17.1')).toBe(false);
  expect(isAtLeast('10.0.0', '9.9.9')).toBe(true);
  expect(isAtLeast('9.10.0', '10.0.0')).toBe(false);
});
