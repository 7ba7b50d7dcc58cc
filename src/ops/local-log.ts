// The local log of given keys: all that the inbox and the kept reads of the state API (state_read) ever said of them, as
// observations in version order. Facts about anything else that the same events and pages mention are left out, so what is
// folded from it is complete for the keys and says nothing of others.
//
// Which events count: those that were applied, and STALE ones, which say something of the registers too. Not PENDING ones:
// their turn in apply is still to come, and the state that we compare with does not have them either. Not SKIPPED or
// QUARANTINED ones, but for those that the caller names. A STALE event that is older than a full read of its directory was
// dropped without looking at it when it came, so it is here too.
import { isCatalogType, parseEvent, type StoredEvent } from '../apply/parse-event.ts';
import { parseRead, type StateReadKind } from '../apply/parse-read.ts';
import type { Tx } from '../db/client.ts';
import type { Fact, Observation } from '../model/fact.ts';
import { causeOfRead } from './state-read.ts';

export interface LogKeys {
  users: ReadonlySet<string>;
  groups: ReadonlySet<string>;
  directories: ReadonlySet<string>;
  organizations: ReadonlySet<string>;
  /** QUARANTINED events that take part. */
  quarantined: readonly string[];
}

/** Some entry of the log cannot be read any more: what it says would be lost by going on. */
export class UnreadableLogError extends Error {
  override readonly name = 'UnreadableLogError';
}

interface EventRow extends StoredEvent {
  status: 'APPLIED' | 'STALE' | 'QUARANTINED';
  directoryId: string | null;
}

interface ReadRow {
  id: bigint;
  directoryId: string;
  groupId: string | null;
  version: string;
  kind: StateReadKind;
  raw: string;
  entityIds: string[];
  readAt: Date;
}

// One index per branch: (user_id, id), (group_id, id), (directory_id, id), (partition, id); the last two meet few rows.
const EVENTS = `
  SELECT e.id, e.type, e.raw, e.occurred_at AS "occurredAt", e.status, e.directory_id AS "directoryId" FROM directory_event e
  WHERE e.id IN (SELECT id FROM directory_event WHERE user_id = ANY($1::text[])
    UNION SELECT id FROM directory_event WHERE group_id = ANY($2::text[])
    UNION SELECT id FROM directory_event WHERE directory_id = ANY($3::text[]) AND user_id IS NULL AND group_id IS NULL
    UNION SELECT id FROM directory_event WHERE partition = ANY($4::text[]) AND directory_id IS NULL AND user_id IS NULL AND group_id IS NULL)
  AND (e.status IN ('APPLIED', 'STALE') OR e.status = 'QUARANTINED' AND e.id = ANY($5::text[]))
  ORDER BY e.id`;

// By the index on entity_ids, and by (directory_id, kind). Groups are also shown by the reads of single accounts, which carry
// the account's id only.
const READS = `
  SELECT id, directory_id AS "directoryId", group_id AS "groupId", version, kind, raw, entity_ids AS "entityIds", read_at AS "readAt" FROM state_read
  WHERE kind IN ('USERS', 'MEMBERS', 'USER_GROUPS', 'USER_GONE') AND entity_ids && $1::text[]
     OR kind IN ('GROUPS', 'GROUP_GONE') AND entity_ids && $2::text[]
     OR kind = 'USER_GROUPS' AND cardinality($2::text[]) > 0 AND directory_id = ANY($3::text[])
     OR kind IN ('DIRECTORY', 'COMPLETE') AND directory_id = ANY($3::text[])
  ORDER BY version, id`;

/** In version order: a read counts after the event up to which it was taken, and its pages in the order in which they came. */
export async function readLocalLog(tx: Tx, keys: LogKeys): Promise<Observation[]> {
  const [users, groups, directories, organizations] = [keys.users, keys.groups, keys.directories, keys.organizations].map((ids) => [
    ...ids,
  ]);
  const events = await tx.$queryRawUnsafe<EventRow[]>(EVENTS, users, groups, directories, organizations, keys.quarantined);
  const reads = await tx.$queryRawUnsafe<ReadRow[]>(READS, users, groups, directories);
  const readUntil = new Map<string, string>();
  for (const { kind, directoryId, version } of reads) if (kind === 'COMPLETE') readUntil.set(directoryId, version);

  const log: Observation[] = [];
  const concerns = concerning(keys);
  for (const event of events) {
    const dropped = event.status === 'STALE' && event.id < (readUntil.get(event.directoryId ?? '') ?? '');
    if (!dropped && !isCatalogType(event.type)) log.push(...ofEvent(event, concerns));
  }
  for (const read of reads) log.push(...ofRead(read, concerns));
  // Stable: pages of one read keep their order.
  return log.sort((a, b) => (a.version < b.version ? -1 : a.version > b.version ? 1 : 0));
}

function ofEvent(event: EventRow, concerns: (fact: Fact) => boolean): Observation[] {
  const parsed = parseEvent(event);
  if (parsed.kind === 'refused')
    throw new UnreadableLogError(`Event ${event.id} was applied once and cannot be understood any more: ${parsed.reason}.`);
  if (parsed.kind === 'ignored') return [];
  const facts = parsed.observation.facts.filter(concerns);
  return facts.length > 0 ? [{ ...parsed.observation, facts }] : [];
}

function ofRead(
  { id, directoryId, kind, groupId, version, raw, entityIds, readAt }: ReadRow,
  concerns: (fact: Fact) => boolean,
): Observation[] {
  const items: unknown = JSON.parse(raw);
  const userId = kind === 'USER_GROUPS' || kind === 'USER_GONE' ? (entityIds[0] ?? null) : null;
  const group = groupId === null ? null : { id: groupId, directoryId, organizationId: null };
  const parsed = Array.isArray(items)
    ? parseRead({ directoryId, kind, group, userId, items })
    : { kind: 'refused' as const, reason: 'it is not a list' };
  if (parsed.kind === 'refused')
    throw new UnreadableLogError(`Read ${id} of the state API cannot be understood any more: ${parsed.reason}.`);
  const facts = parsed.facts.filter(concerns);
  return facts.length > 0 ? [{ version, facts, cause: causeOfRead('kept read of the state API', readAt) }] : [];
}

const concerning =
  ({ users, groups, directories, organizations }: LogKeys) =>
  (fact: Fact): boolean => {
    switch (fact.kind) {
      case 'organizationSeen':
      case 'organizationDeleted':
        return organizations.has(fact.organization.id);
      case 'directorySeen':
      case 'directoryDeleted':
        return directories.has(fact.directory.id);
      case 'directoryRead':
        return directories.has(fact.directoryId);
      case 'userSeen':
      case 'userDeleted':
        return users.has(fact.user.id);
      case 'memberAdded':
      case 'memberRemoved':
      case 'userGroupsRead':
      case 'userGone':
        return users.has(fact.userId);
      case 'groupSeen':
      case 'groupDeleted':
        return groups.has(fact.group.id);
      case 'groupGone':
        return groups.has(fact.groupId);
      case 'roleSeen':
      case 'roleDeleted':
      case 'permissionSeen':
      case 'permissionDeleted':
        return false;
      default:
        return fact satisfies never;
    }
  };

// Directories and groups that given users are or ever were in, by the tables and by the log: membership, directory_user by
// primary key; directory_event by (user_id, id); state_read by entity_ids. Then the directories of given groups, and the
// organizations of all those directories.
const SURROUNDINGS = `
  WITH users AS (SELECT unnest($1::text[]) AS id), events AS (
    SELECT e.group_id, e.directory_id FROM users u JOIN directory_event e ON e.user_id = u.id
  ), reads AS (
    SELECT kind, group_id, directory_id, raw FROM state_read WHERE entity_ids && $1::text[] AND kind IN ('USERS', 'MEMBERS', 'USER_GROUPS', 'USER_GONE')
  ), groups AS (
    SELECT m.group_id AS id FROM users u JOIN membership m ON m.user_id = u.id
    UNION SELECT group_id FROM events WHERE group_id IS NOT NULL
    UNION SELECT group_id FROM reads WHERE group_id IS NOT NULL
    UNION SELECT item ->> 'id' FROM reads, json_array_elements(raw::json) AS item WHERE kind = 'USER_GROUPS'
    UNION SELECT unnest($2::text[])
  ), directories AS (
    SELECT d.directory_id AS id FROM users u JOIN directory_user d ON d.id = u.id
    UNION SELECT directory_id FROM events WHERE directory_id IS NOT NULL
    UNION SELECT directory_id FROM reads
    UNION SELECT g.directory_id FROM directory_group g WHERE g.id IN (SELECT id FROM groups)
    UNION SELECT e.directory_id FROM directory_event e WHERE e.group_id = ANY($2::text[]) AND e.directory_id IS NOT NULL
    UNION SELECT unnest($3::text[])
  )
  SELECT 'group' AS kind, id FROM groups
  UNION ALL SELECT 'directory', id FROM directories
  UNION ALL SELECT DISTINCT 'organization', d.organization_id FROM directory d WHERE d.id IN (SELECT id FROM directories)`;

export interface Surroundings {
  groups: Set<string>;
  directories: Set<string>;
  organizations: Set<string>;
}

/** All that the access of these users depends on, the given keys included. */
export async function readSurroundings(
  tx: Tx,
  { users, groups, directories }: { users: Iterable<string>; groups: Iterable<string>; directories: Iterable<string> },
): Promise<Surroundings> {
  const rows = await tx.$queryRawUnsafe<{ kind: 'group' | 'directory' | 'organization'; id: string }[]>(
    SURROUNDINGS,
    [...users],
    [...groups],
    [...directories],
  );
  const ids = (kind: string): Set<string> => new Set(rows.flatMap((row) => (row.kind === kind ? [row.id] : [])));
  return { groups: ids('group'), directories: ids('directory'), organizations: ids('organization') };
}
