import { expect, test } from 'vitest';
import { type Account, type AccountSide, classifyAccount, classifyGroup, keyOf } from '../../../src/ops/drift-classify.ts';

const AT = new Date('2026-01-01T00:00:00.000Z');
const NOTHING = new Set<string>();
const account = (over: Partial<Account> = {}): Account => ({
  idpId: 'idp',
  email: 'ann@example.com',
  firstName: 'Ann',
  lastName: 'Other',
  displayName: 'Ann Other',
  customAttributes: { office: 'Oslo', teams: ['a', 'b'] },
  directoryRoles: ['auditor', 'member'],
  updatedAt: AT,
  state: 'ACTIVE',
  ...over,
});
const side = (over: Partial<Account> = {}, ...groups: string[]): AccountSide => ({ account: account(over), groups: new Set(groups) });
const none: AccountSide = { account: null, groups: NOTHING };
const kinds = (local: AccountSide, source: AccountSide, fenced = NOTHING): string[] =>
  classifyAccount('ann', local, source, fenced).map(({ kind, groupId }) => [kind, groupId].filter(Boolean).join(' '));

test.each([
  ['the same', side(), side(), []],
  ['nobody anywhere', none, none, []],
  ['only there', none, side({}, 'g'), ['MISSING_LOCALLY']],
  ['only here, whatever it was in', side({ state: 'SUSPENDED' }, 'g'), none, ['MISSING_AT_SOURCE']],
  ['another state', side(), side({ state: 'INACTIVE' }), ['STATE']],
  ['another name', side(), side({ lastName: null }), ['ATTRIBUTES']],
  ['other roles', side(), side({ directoryRoles: ['member'] }), ['ROLE']],
  ['roles in another order', side(), side({ directoryRoles: ['member', 'auditor'] }), []],
  ['attributes in another order of keys', side(), side({ customAttributes: { teams: ['a', 'b'], office: 'Oslo' } }), []],
  ['attributes in another order of values', side(), side({ customAttributes: { teams: ['b', 'a'], office: 'Oslo' } }), ['ATTRIBUTES']],
  ['a later time and nothing else', side(), side({ updatedAt: new Date() }), []],
  ['groups on either side', side({}, 'a', 'b'), side({}, 'b', 'c'), ['MEMBERSHIP a', 'MEMBERSHIP c']],
  [
    'all at once',
    side({}, 'a'),
    side({ state: 'SUSPENDED', email: null, directoryRoles: [] }),
    ['STATE', 'ATTRIBUTES', 'ROLE', 'MEMBERSHIP a'],
  ],
] as const)('an account, %s', (_name, local, source, expected) => {
  expect(kinds(local, source)).toEqual(expected);
});

test('of a fenced group nothing is said', () => {
  expect(kinds(side({}, 'a', 'b'), side(), new Set(['a']))).toEqual(['MEMBERSHIP b']);
});

test('findings name what differs, never what it holds, and no more names than a report needs', () => {
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`attribute${n}`, `secret${n}`]));
  const [finding] = classifyAccount('ann', side(), side({ email: 'secret@example.com', customAttributes: many }), NOTHING);
  expect(JSON.stringify(finding)).not.toContain('secret');
  expect(finding?.source?.differing).toHaveLength(20);
  expect(JSON.stringify(finding).length).toBeLessThan(2_000);
});

test('groups', () => {
  const group = { idpId: 'idp', name: 'engineers', updatedAt: AT };
  expect(classifyGroup('g', group, group)).toEqual([]);
  expect(classifyGroup('g', null, null)).toEqual([]);
  expect(classifyGroup('g', null, group)).toMatchObject([{ kind: 'MISSING_LOCALLY', groupId: 'g', userId: null }]);
  expect(classifyGroup('g', group, null)).toMatchObject([{ kind: 'MISSING_AT_SOURCE' }]);
  expect(classifyGroup('g', group, { ...group, name: 'builders' })).toMatchObject([{ kind: 'ATTRIBUTES', local: { differing: ['name'] } }]);
});

test('every finding has a key of its own', () => {
  const findings = [
    ...classifyAccount('g', side({}, 'a', 'b'), side({ state: 'SUSPENDED', email: null, directoryRoles: [] }), NOTHING),
    ...classifyGroup('g', null, { idpId: null, name: 'g', updatedAt: AT }),
    { kind: 'STATE' as const, userId: null, groupId: null },
  ];
  expect(new Set(findings.map(keyOf)).size).toBe(findings.length);
});
