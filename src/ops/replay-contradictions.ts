// Stored columns that contradict their own row: what is derived from registers but kept for queries.
import type { WorkingSet } from '../apply/working-set.ts';
import type { Tx } from '../db/client.ts';
import type { Contradictions } from './replay-repair.ts';

// By primary keys; usually no row comes back.
const CONTRADICTIONS = `
  SELECT 'organizations' AS of, id FROM organization WHERE id = ANY($1::text[]) AND deleted <> (deleted_version > alive_version)
  UNION ALL SELECT 'directories', id FROM directory
    WHERE id = ANY($2::text[]) AND state <> CASE WHEN deleted_version > alive_version THEN 'DELETED' ELSE source_state END
  UNION ALL SELECT 'groups', id FROM directory_group WHERE id = ANY($3::text[]) AND deleted <> (deleted_version > alive_version)
  UNION ALL SELECT 'users', id FROM directory_user
    WHERE id = ANY($4::text[]) AND state <> CASE WHEN deleted_version > alive_version THEN 'DELETED' ELSE source_state END`;

export async function readContradictions(tx: Tx, { organizations, directories, groups, users }: WorkingSet): Promise<Contradictions> {
  const rows = await tx.$queryRawUnsafe<{ of: keyof Contradictions; id: string }[]>(
    CONTRADICTIONS,
    [...organizations.keys()],
    [...directories.keys()],
    [...groups.keys()],
    [...users.keys()],
  );
  const ids = (of: keyof Contradictions): Set<string> => new Set(rows.flatMap((row) => (row.of === of ? [row.id] : [])));
  return {
    organizations: ids('organizations'),
    directories: ids('directories'),
    groups: ids('groups'),
    users: ids('users'),
  };
}
