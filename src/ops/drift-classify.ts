// Pure: what differs between an account or a group as it stands here and as the state API shows it. Findings name states,
// roles, memberships and which attributes differ, never what they hold: a report is read by operators who may not read people.
import type { Transition } from '../entitlements/transition.ts';
import type { Effective } from '../model/entitlement.ts';
import type { SourceGroup, SourceUser } from '../model/fact.ts';

export type DriftKind = 'MISSING_LOCALLY' | 'MISSING_AT_SOURCE' | 'STATE' | 'ATTRIBUTES' | 'MEMBERSHIP' | 'ROLE';

export interface Finding {
  kind: DriftKind;
  userId: string | null;
  groupId: string | null;
  local: Record<string, unknown> | null;
  source: Record<string, unknown> | null;
}

export type Account = Pick<
  SourceUser,
  'idpId' | 'email' | 'firstName' | 'lastName' | 'displayName' | 'customAttributes' | 'directoryRoles' | 'updatedAt'
> & { state: 'ACTIVE' | 'SUSPENDED' | 'INACTIVE' };

export interface AccountSide {
  /** null: there is none, or no more. */
  account: Account | null;
  /** Groups whose member it is. */
  groups: ReadonlySet<string>;
}

export type GroupAttributes = Pick<SourceGroup, 'idpId' | 'name' | 'updatedAt'>;

/** Of names of differing attributes; a person may have more of them than a report needs. */
const MAX_NAMES = 20;
const MAX_ROLES = 50;

const ACCOUNT_ATTRIBUTES = ['idpId', 'email', 'firstName', 'lastName', 'displayName'] as const;

/** Same text for the same JSON, whatever the order of keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function differingAttributes(local: Account, source: Account): string[] {
  const custom = new Set([...Object.keys(local.customAttributes), ...Object.keys(source.customAttributes)]);
  return [
    ...ACCOUNT_ATTRIBUTES.filter((name) => local[name] !== source[name]),
    ...[...custom]
      .filter((name) => canonical(local.customAttributes[name]) !== canonical(source.customAttributes[name]))
      .sort()
      .map((name) => `customAttributes.${name.slice(0, 100)}`),
  ];
}

const attributesFinding = (names: readonly string[], local: { updatedAt: Date }, source: { updatedAt: Date }) => ({
  kind: 'ATTRIBUTES' as const,
  local: { differing: names.slice(0, MAX_NAMES), updatedAt: local.updatedAt.toISOString() },
  source: { differing: names.slice(0, MAX_NAMES), updatedAt: source.updatedAt.toISOString() },
});

/** A membership of an account that one side lacks follows from that, and is no finding of its own. `fenced`: groups of which nothing can be said now. */
export function classifyAccount(userId: string, local: AccountSide, source: AccountSide, fenced: ReadonlySet<string>): Finding[] {
  const own = { userId, groupId: null };
  const [here, there] = [local.account, source.account];
  if (!here && !there) return [];
  if (!here && there) return [{ ...own, kind: 'MISSING_LOCALLY', local: null, source: { state: there.state, groups: source.groups.size } }];
  if (here && !there) return [{ ...own, kind: 'MISSING_AT_SOURCE', local: { state: here.state, groups: local.groups.size }, source: null }];
  if (!here || !there) return [];
  const findings: Finding[] = [];
  if (here.state !== there.state) findings.push({ ...own, kind: 'STATE', local: { state: here.state }, source: { state: there.state } });
  const names = differingAttributes(here, there);
  if (names.length > 0) findings.push({ ...own, ...attributesFinding(names, here, there) });
  if (canonical([...here.directoryRoles].sort()) !== canonical([...there.directoryRoles].sort()))
    findings.push({
      ...own,
      kind: 'ROLE',
      local: { roles: here.directoryRoles.slice(0, MAX_ROLES) },
      source: { roles: there.directoryRoles.slice(0, MAX_ROLES) },
    });
  for (const groupId of [...new Set([...local.groups, ...source.groups])].sort()) {
    const [isHere, isThere] = [local.groups.has(groupId), source.groups.has(groupId)];
    if (isHere !== isThere && !fenced.has(groupId))
      findings.push({ userId, groupId, kind: 'MEMBERSHIP', local: { member: isHere }, source: { member: isThere } });
  }
  return findings;
}

/** What a repair would state anew; `source` is what follows from the rows. */
export function classifyStated(transition: Transition): Finding {
  const { userId } = transition;
  if (transition.kind === 'membership') {
    const { groupId, active } = transition;
    return { kind: 'MEMBERSHIP', userId, groupId, local: { member: !active }, source: { member: active } };
  }
  const side = ({ roles, permissions }: Effective) => ({ roles: roles.slice(0, MAX_ROLES), permissions: permissions.slice(0, MAX_ROLES) });
  return { kind: 'ROLE', userId, groupId: null, local: side(transition.before), source: side(transition.after) };
}

export function classifyGroup(groupId: string, local: GroupAttributes | null, source: GroupAttributes | null): Finding[] {
  const own = { userId: null, groupId };
  if (!local) return source ? [{ ...own, kind: 'MISSING_LOCALLY', local: null, source: {} }] : [];
  if (!source) return [{ ...own, kind: 'MISSING_AT_SOURCE', local: {}, source: null }];
  const names = (['idpId', 'name'] as const).filter((name) => local[name] !== source[name]);
  return names.length > 0 ? [{ ...own, ...attributesFinding(names, local, source) }] : [];
}

/** The same finding has the same key; keys of one account stand together, and accounts come before groups. */
export const keyOf = ({ kind, userId, groupId }: Pick<Finding, 'kind' | 'userId' | 'groupId'>): string =>
  [userId === null ? (groupId === null ? '0' : '2') : '1', userId ?? groupId ?? '', kind, userId === null ? '' : (groupId ?? '')]
    .join(' ')
    .trimEnd();
