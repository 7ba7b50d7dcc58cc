// A reconciliation, first part: the directory as the state API shows it now, page by page into tables of its own, so that a
// directory of any size passes through little memory. Nothing is compared or altered here.
import { parseGroups, parseUsers } from '../apply/parse-read.ts';
import type { Db, Tx } from '../db/client.ts';
import { databaseNow } from '../db/clock.ts';
import { inTransaction } from '../db/transaction.ts';
import type { WorkosClient } from '../workos/client.ts';
import { WorkosError } from '../workos/workos-error.ts';
import type { DirectoryReader } from './directory-reader.ts';
import { type DriftReportRow, type StepData, stepReport } from './drift-row.ts';

export interface ReconcileReadDeps {
  db: Db;
  workos: Pick<WorkosClient, 'getDirectory' | 'listDirectories'>;
  reader: DirectoryReader;
}

// Pages may overlap where something came or went meanwhile: the first look counts, as for what is counted.
const PUT_USERS = `
  INSERT INTO drift_read_user (report_id, user_id, raw) SELECT $1, id, raw FROM json_to_recordset($2::json) AS t(id text, raw text)
  ON CONFLICT DO NOTHING RETURNING user_id AS id`;
const PUT_GROUPS = `
  INSERT INTO drift_read_group (report_id, group_id, raw) SELECT $1, id, raw FROM json_to_recordset($2::json) AS t(id text, raw text)
  ON CONFLICT DO NOTHING RETURNING group_id AS id`;
const PUT_MEMBERS = `
  INSERT INTO drift_read_member (report_id, user_id, group_id) SELECT $1, user_id, group_id FROM json_to_recordset($2::json) AS t(user_id text, group_id text)
  ON CONFLICT DO NOTHING RETURNING user_id AS id`;

// By primary key.
const NEXT_GROUPS = `SELECT group_id AS id FROM drift_read_group WHERE report_id = $1 AND group_id > $2 ORDER BY group_id LIMIT $3`;

// By primary key.
const KNOWN = `SELECT user_id AS id FROM drift_read_user WHERE report_id = $1 AND user_id = ANY($2::text[])`;

/** A page in which one object cannot be understood is refused whole: a partial read must not pass for a full one. */
function understood<T>(what: string, parsed: T[] | string): T[] {
  if (typeof parsed !== 'string') return parsed;
  throw new WorkosError('bad_response', `The state API answered ${what} that cannot be understood: ${parsed}`);
}

const withText = (parsed: readonly { id: string }[], items: readonly unknown[]) =>
  parsed.map(({ id }, index) => ({ id, raw: JSON.stringify(items[index]) }));

export async function readStep({ db, workos, reader }: ReconcileReadDeps, row: DriftReportRow, signal: AbortSignal): Promise<void> {
  const { id: reportId, directoryId } = row;
  const put = async (tx: Tx, sql: string, rows: readonly object[]): Promise<string[]> =>
    rows.length === 0 ? [] : (await tx.$queryRawUnsafe<{ id: string }[]>(sql, reportId, JSON.stringify(rows))).map(({ id }) => id);
  const putUsers = async (tx: Tx, items: readonly unknown[]): Promise<Pick<StepData, 'usersRead' | 'activeUsersRead'>> => {
    const users = understood('users', parseUsers(items));
    const active = new Set(users.flatMap(({ id, state }) => (state === 'ACTIVE' ? [id] : [])));
    const fresh = await put(tx, PUT_USERS, withText(users, items));
    return { usersRead: { increment: fresh.length }, activeUsersRead: { increment: fresh.filter((id) => active.has(id)).length } };
  };

  switch (row.phase) {
    case 'USERS': {
      const page = await reader.users(directoryId, row.pageAfter, signal);
      return inTransaction(db, async (tx) =>
        stepReport(tx, row, { ...(await putUsers(tx, page.items)), phase: page.after ? 'USERS' : 'GROUPS', pageAfter: page.after }),
      );
    }
    case 'GROUPS': {
      const page = await reader.groups(directoryId, row.pageAfter, signal);
      const groups = understood('groups', parseGroups(page.items));
      return inTransaction(db, async (tx) => {
        const fresh = await put(tx, PUT_GROUPS, withText(groups, page.items));
        await stepReport(tx, row, {
          groupsRead: { increment: fresh.length },
          phase: page.after ? 'GROUPS' : 'MEMBERSHIPS',
          pageAfter: page.after,
        });
      });
    }
    case 'MEMBERSHIPS': {
      const nextGroups = async (afterId: string, limit: number): Promise<string[]> =>
        (await db.$queryRawUnsafe<{ id: string }[]>(NEXT_GROUPS, reportId, afterId, limit)).map(({ id }) => id);
      const { pages, place } = await reader.members(directoryId, row, nextGroups, signal);
      if (pages.length === 0) {
        const directory = JSON.stringify(await workos.getDirectory(directoryId, { signal }));
        return inTransaction(db, async (tx) => stepReport(tx, row, { phase: 'SETTLING', directory, readAt: await databaseNow(tx) }));
      }
      const read = pages.map(({ groupId, items }) => ({ groupId, items, users: understood('members', parseUsers(items)) }));
      const members = read.flatMap(({ groupId, users }) => users.map(({ id }) => ({ user_id: id, group_id: groupId })));
      const shown = new Map(read.flatMap(({ users, items }) => users.map(({ id }, index) => [id, items[index]] as const)));
      return inTransaction(db, async (tx) => {
        // Whoever came after the list of users had been read.
        for (const { id } of await tx.$queryRawUnsafe<{ id: string }[]>(KNOWN, reportId, [...shown.keys()])) shown.delete(id);
        const others = await putUsers(tx, [...shown.values()]);
        const fresh = await put(tx, PUT_MEMBERS, members);
        await stepReport(tx, row, { ...others, ...place, membershipsRead: { increment: fresh.length } });
      });
    }
    default:
      throw new Error(`${row.phase} is no phase of the read`);
  }
}
