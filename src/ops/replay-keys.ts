// What a replay has to re-derive: the keys that its events touch. An event about a user touches that user; one about a group
// everybody who is or ever was in it; one about a directory or an organization everybody there. "Ever" by the log as well as
// by the tables: what was lost from the tables is what a replay is for.
import type { Tx } from '../db/client.ts';
import { SELECTED } from './replay-selection.ts';

export type KeyKind = 'organization' | 'directory' | 'group' | 'user';

export interface ReplayKey {
  /** Where the entity belongs now. */
  partition: string;
  kind: KeyKind;
  id: string;
  /** Selected events that are about this very entity. */
  events: number;
}

export interface ReplayKeys {
  /** In the order of `orderOf`. */
  keys: ReplayKey[];
  /** Selected events. */
  total: number;
}

const RANK: Readonly<Record<KeyKind, number>> = { organization: 0, directory: 1, group: 2, user: 3 };

/** Compares as a plain string; what `progress_key` holds. A partition's frame comes before its users. */
export const orderOf = ({ partition, kind, id }: Pick<ReplayKey, 'partition' | 'kind' | 'id'>): string =>
  `${partition}\n${RANK[kind]}\n${id}`;

// `selected` by whichever index the conditions leave (primary key, user, group, directory, partition, occurred_at). Then per
// group: membership and directory_event by group; per directory or organization: directory_user by either, directory_event
// by directory, state_read by (directory, kind).
const KEYS = `
  WITH selected AS MATERIALIZED (
    SELECT e.partition, e.type, e.status, e.directory_id, e.user_id, e.group_id FROM directory_event e WHERE ${SELECTED}
  ), own AS (
    SELECT partition, CASE WHEN status = 'IGNORED' THEN 'none' WHEN user_id IS NOT NULL THEN 'user' WHEN group_id IS NOT NULL THEN 'group' WHEN directory_id IS NOT NULL THEN 'directory'
                           WHEN type LIKE 'organization.%' THEN 'organization' ELSE 'none' END AS kind,
           coalesce(user_id, group_id, directory_id, partition) AS id FROM selected
  ), groups AS (SELECT DISTINCT id, partition FROM own WHERE kind = 'group'),
  directories AS (SELECT DISTINCT id, partition FROM own WHERE kind = 'directory'
    UNION SELECT d.id, d.organization_id FROM directory d WHERE d.organization_id IN (SELECT id FROM own WHERE kind = 'organization')),
  named AS (
    SELECT partition, kind, id, count(*)::int AS events FROM own GROUP BY 1, 2, 3
    UNION ALL SELECT partition, 'directory', id, 0 FROM directories
    UNION ALL SELECT g.partition, 'user', m.user_id, 0 FROM groups g JOIN membership m ON m.group_id = g.id
    UNION ALL SELECT g.partition, 'user', e.user_id, 0 FROM groups g JOIN directory_event e ON e.group_id = g.id WHERE e.user_id IS NOT NULL
    UNION ALL SELECT g.partition, 'user', unnest(r.entity_ids), 0 FROM groups g JOIN state_read r ON r.group_id = g.id WHERE r.kind = 'MEMBERS'
    UNION ALL SELECT d.partition, 'user', u.id, 0 FROM directories d JOIN directory_user u ON u.directory_id = d.id
    UNION ALL SELECT d.partition, 'user', e.user_id, 0 FROM directories d JOIN directory_event e ON e.directory_id = d.id WHERE e.user_id IS NOT NULL
    UNION ALL SELECT d.partition, 'user', unnest(r.entity_ids), 0 FROM directories d JOIN state_read r ON r.directory_id = d.id WHERE r.kind = 'USERS'
    UNION ALL SELECT d.partition, 'group', g.id, 0 FROM directories d JOIN directory_group g ON g.directory_id = d.id
    UNION ALL SELECT d.partition, 'group', e.group_id, 0 FROM directories d JOIN directory_event e ON e.directory_id = d.id WHERE e.group_id IS NOT NULL
  )
  SELECT coalesce(u.organization_id, g.organization_id, d.organization_id, max(n.partition)) AS partition, n.kind, n.id, sum(n.events)::int AS events
  FROM named n
  LEFT JOIN directory_user u ON n.kind = 'user' AND u.id = n.id
  LEFT JOIN directory_group g ON n.kind = 'group' AND g.id = n.id
  LEFT JOIN directory d ON n.kind = 'directory' AND d.id = n.id
  GROUP BY n.kind, n.id, u.organization_id, g.organization_id, d.organization_id`;

interface KeyRow {
  partition: string;
  kind: KeyKind | 'none';
  id: string;
  events: number;
}

/** `parameters` of replay-selection.ts. A key that belongs to another organization by now is not the tenant's to touch. */
export async function readReplayKeys(tx: Tx, parameters: readonly unknown[], tenant: string | null): Promise<ReplayKeys> {
  const rows = await tx.$queryRawUnsafe<KeyRow[]>(KEYS, ...parameters);
  const keys = rows
    .flatMap(({ kind, ...row }) => (kind === 'none' || (tenant !== null && row.partition !== tenant) ? [] : [{ kind, ...row }]))
    .map((key) => ({ key, order: orderOf(key) }))
    .sort((a, b) => (a.order < b.order ? -1 : 1))
    .map(({ key }) => key);
  return { keys, total: rows.reduce((sum, row) => sum + row.events, 0) };
}
