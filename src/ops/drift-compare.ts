// Accounts and groups as they stand in the tables against what a report has read of them, a bounded number at a time.
import { parseDirectories, parseGroups, parseUsers } from '../apply/parse-read.ts';
import type { Tx } from '../db/client.ts';
import { restateUsers } from '../entitlements/restate.ts';
import type { DirectoryState } from '../model/fact.ts';
import { type Account, type AccountSide, classifyAccount, classifyGroup, classifyStated, type Finding, keyOf } from './drift-classify.ts';
import { accountsComputedAgain, fencedAccounts, fencedGroups } from './drift-fences.ts';
import type { DriftReportRow } from './drift-row.ts';
import { causeOfRead } from './state-read.ts';

export interface ReadReport {
  id: string;
  directoryId: string;
  version: string;
  startedAt: Date;
}

/** A report whose read has begun. */
export function readOf({ id, directoryId, version, startedAt }: DriftReportRow): ReadReport {
  if (!startedAt || version === '') throw new Error(`drift report ${id} has not been read`);
  return { id, directoryId, version, startedAt };
}

export interface AccountsCompared {
  findings: Finding[];
  /** Accounts that there are on one side at least, and of which the read could say something. */
  checked: number;
  /** Of these, those that are as they should be. */
  right: string[];
  /** Those, and whoever is on neither side. */
  agreed: string[];
}

interface LocalAccount extends Account {
  id: string;
}

// Both branches by primary key order, and (directory_id, id).
const NEXT_ACCOUNTS = `
  (SELECT user_id AS id FROM drift_read_user WHERE report_id = $1 AND user_id > $3 ORDER BY user_id LIMIT $4)
  UNION (SELECT id FROM directory_user WHERE directory_id = $2 AND id > $3 ORDER BY id LIMIT $4)
  ORDER BY id LIMIT $4`;

const ACCOUNTS = `
  SELECT id, state, idp_id AS "idpId", email, first_name AS "firstName", last_name AS "lastName", display_name AS "displayName", custom_attributes AS "customAttributes",
    directory_roles AS "directoryRoles", updated_at AS "updatedAt"
  FROM directory_user WHERE id = ANY($1::text[]) AND directory_id = $2 AND state <> 'DELETED'`;

// What counts for who is active; for the others what would count, as far as the group goes.
const MEMBERSHIPS = `
  SELECT m.user_id AS "userId", m.group_id AS "groupId"
  FROM membership m JOIN directory_user u ON u.id = m.user_id LEFT JOIN directory_group g ON g.id = m.group_id
  WHERE m.user_id = ANY($1::text[]) AND m.directory_id = $2 AND m.present AND CASE WHEN u.state = 'ACTIVE' THEN m.active ELSE m.version > coalesce(g.deleted_version, '') END`;

const READ_ACCOUNTS = `SELECT user_id AS id, raw FROM drift_read_user WHERE report_id = $1 AND user_id = ANY($2::text[])`;
const READ_MEMBERSHIPS = `SELECT user_id AS "userId", group_id AS "groupId" FROM drift_read_member WHERE report_id = $1 AND user_id = ANY($2::text[])`;

/** Ids after `afterId`, of either side. */
export const nextAccounts = async (tx: Tx, { id, directoryId }: ReadReport, afterId: string, limit: number): Promise<string[]> =>
  (await tx.$queryRawUnsafe<{ id: string }[]>(NEXT_ACCOUNTS, id, directoryId, afterId, limit)).map((row) => row.id);

function parsed<T>(items: T[] | string): T[] {
  if (typeof items === 'string') throw new Error(`what was read cannot be understood any more: ${items}`);
  return items;
}

const jsonOf = (rows: readonly { raw: string }[]): unknown[] => rows.map(({ raw }) => JSON.parse(raw) as unknown);

function groupsByUser(rows: readonly { userId: string; groupId: string }[]): Map<string, Set<string>> {
  const groups = new Map<string, Set<string>>();
  for (const { userId, groupId } of rows) {
    const own = groups.get(userId);
    if (own) own.add(groupId);
    else groups.set(userId, new Set([groupId]));
  }
  return groups;
}

const NO_GROUPS: ReadonlySet<string> = new Set();

export async function compareAccounts(tx: Tx, report: ReadReport, userIds: readonly string[]): Promise<AccountsCompared> {
  const { id: reportId, directoryId } = report;
  type Pair = { userId: string; groupId: string };
  const local = new Map((await tx.$queryRawUnsafe<LocalAccount[]>(ACCOUNTS, userIds, directoryId)).map((row) => [row.id, row]));
  const localGroups = groupsByUser(await tx.$queryRawUnsafe<Pair[]>(MEMBERSHIPS, userIds, directoryId));
  const raw = await tx.$queryRawUnsafe<{ id: string; raw: string }[]>(READ_ACCOUNTS, reportId, userIds);
  const source = new Map(parsed(parseUsers(jsonOf(raw))).map((user) => [user.id, user]));
  const sourceGroups = groupsByUser(await tx.$queryRawUnsafe<Pair[]>(READ_MEMBERSHIPS, reportId, userIds));
  const fenced = await fencedAccounts(tx, report, userIds);
  const { whole } = await fencedGroups(tx, report);

  const findings: Finding[] = [];
  const right: string[] = [];
  const agreed: string[] = [];
  let checked = 0;
  for (const userId of userIds) {
    const here: AccountSide = { account: local.get(userId) ?? null, groups: localGroups.get(userId) ?? NO_GROUPS };
    const there: AccountSide = { account: source.get(userId) ?? null, groups: sourceGroups.get(userId) ?? NO_GROUPS };
    if (fenced.has(userId)) continue;
    const found = classifyAccount(userId, here, there, whole);
    findings.push(...found);
    if (found.length === 0) agreed.push(userId);
    if (!here.account && !there.account) continue;
    checked += 1;
    if (found.length === 0) right.push(userId);
  }
  return { findings, checked, right, agreed };
}

/** Of accounts whose rows are as they should be: where what is kept of their access does not follow from the rows. */
export async function compareStated(tx: Tx, userIds: readonly string[], readAt: Date): Promise<Finding[]> {
  const unsettled = await accountsComputedAgain(tx, userIds);
  const settled = userIds.filter((userId) => !unsettled.has(userId));
  const transitions = await restateUsers(tx, settled, causeOfRead('comparison', readAt));
  const findings = transitions.map(classifyStated);
  return [...new Map(findings.map((finding) => [keyOf(finding), finding])).values()];
}

interface LocalGroup {
  id: string;
  idpId: string | null;
  name: string;
  updatedAt: Date;
}

const GROUPS = `SELECT id, idp_id AS "idpId", name, updated_at AS "updatedAt" FROM directory_group WHERE directory_id = $1 AND NOT deleted`;
const READ_GROUPS = `SELECT raw FROM drift_read_group WHERE report_id = $1`;
const DIRECTORY = `SELECT state FROM directory WHERE id = $1`;

/** Groups are few: all at once, and the directory itself. */
export async function compareFrame(tx: Tx, report: ReadReport, directory: unknown): Promise<Finding[]> {
  const { id: reportId, directoryId } = report;
  const local = new Map((await tx.$queryRawUnsafe<LocalGroup[]>(GROUPS, directoryId)).map((row) => [row.id, row]));
  const raw = await tx.$queryRawUnsafe<{ raw: string }[]>(READ_GROUPS, reportId);
  const source = new Map(parsed(parseGroups(jsonOf(raw))).map((group) => [group.id, group]));
  const [here] = await tx.$queryRawUnsafe<{ state: DirectoryState }[]>(DIRECTORY, directoryId);
  const [there] = parsed(parseDirectories([directory]));
  const { named } = await fencedGroups(tx, report);

  const findings: Finding[] = [];
  if (here && there && here.state !== there.state)
    findings.push({ kind: 'STATE', userId: null, groupId: null, local: { state: here.state }, source: { state: there.state } });
  for (const id of [...new Set([...local.keys(), ...source.keys()])].sort())
    if (!named.has(id)) findings.push(...classifyGroup(id, local.get(id) ?? null, source.get(id) ?? null));
  return findings;
}
