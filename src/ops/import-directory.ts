// A full read of one directory through the state API: users, groups, then the users of each group (never `groups` on a user,
// which is empty for new customers). Every page is applied, kept and ticked off in one transaction, so a restart goes on
// where the last one stopped. Only a read that came to its end says that what it did not show is gone.
import { applyObservations } from '../apply/apply-facts.ts';
import { parseDirectories, type StateReadPage } from '../apply/parse-read.ts';
import type { Db, Tx } from '../db/client.ts';
import { failpoint } from '../lib/failpoint.ts';
import type { Logger } from '../log.ts';
import { versionAt } from '../model/version.ts';
import type { Page, WorkosClient } from '../workos/client.ts';
import { WorkosError } from '../workos/workos-error.ts';
import type { DirectoryReader } from './directory-reader.ts';
import { causeOfRead, keepStateRead, observationOf, versionOfReadNow } from './state-read.ts';

export interface ImportDeps {
  db: Db;
  workos: Pick<WorkosClient, 'listDirectories'>;
  reader: DirectoryReader;
  log: Logger;
  clock: () => Date;
}

type ImportPhase = 'USERS' | 'GROUPS' | 'MEMBERSHIPS' | 'FINISHED';

interface ImportRow {
  directoryId: string;
  organizationId: string;
  version: string;
  phase: ImportPhase;
  pageAfter: string | null;
  groupId: string | null;
  startedAt: Date;
}

/** Where a read goes on. */
type Place = Pick<ImportRow, 'phase' | 'pageAfter' | 'groupId'>;

const PAGE_SIZE = 100;

const REQUEST = `
  INSERT INTO directory_import (directory_id, organization_id, version)
  SELECT directory_id, organization_id, version FROM json_to_recordset($1::json) AS t(directory_id text, organization_id text, version text)
  ON CONFLICT (directory_id) DO NOTHING`;

const STARTED = `UPDATE directory_import SET version = $2 WHERE directory_id = $1 AND version = ''`;

const PROGRESS = `
  UPDATE directory_import SET phase = $2::import_phase, page_after = $3, group_id = $4, attempts = 0, error = NULL,
    users_read = users_read + $5, groups_read = groups_read + $6, memberships_read = memberships_read + $7,
    finished_at = CASE WHEN $2 = 'FINISHED' THEN clock_timestamp() END
  WHERE directory_id = $1`;

const FAILED = `UPDATE directory_import SET attempts = attempts + 1, error = $2 WHERE directory_id = $1`;

// By (directory_id, id).
const NEXT_GROUPS = `SELECT id FROM directory_group WHERE directory_id = $1 AND NOT deleted AND id > $2 ORDER BY id LIMIT $3`;

/**
 * First start: every directory as it is now, and a request to read each. Facts count as of the moment at which the listing
 * began, by the server's clock, so that older events are STALE against them and newer ones apply.
 */
export async function requestInitialImport({ db, workos, log }: ImportDeps, signal: AbortSignal): Promise<number> {
  let found = 0;
  let version: string | undefined;
  for (let after: string | null | undefined; after !== null; ) {
    const page: Page = await workos.listDirectories({ after, limit: PAGE_SIZE, signal });
    version ??= versionAt(page.at);
    const parsed = parseDirectories(page.items);
    if (typeof parsed === 'string')
      throw new WorkosError('bad_response', `The state API answered directories that cannot be understood: ${parsed}`);
    for (const [index, directory] of parsed.entries()) {
      const organizationId = directory.organizationId ?? directory.id;
      const read: StateReadPage = { directoryId: directory.id, kind: 'DIRECTORY', group: null, userId: null, items: [page.items[index]] };
      const observation = observationOf(read, version, causeOfRead('initial import', page.at));
      const row = JSON.stringify([{ directory_id: directory.id, organization_id: organizationId, version }]);
      await applyObservations(db, organizationId, [observation], async (tx) => {
        await keepStateRead(tx, read, observation.version);
        await tx.$executeRawUnsafe(REQUEST, row);
      });
    }
    found += parsed.length;
    after = page.after;
  }
  log.info({ directories: found }, 'initial import: directories found');
  return found;
}

// One that is unfinished goes on as it is: what it has still to read is newer than this request.
const REQUEST_AGAIN = `
  INSERT INTO directory_import (directory_id, organization_id, version) SELECT id, organization_id, '' FROM directory WHERE state <> 'DELETED'
  ON CONFLICT (directory_id) DO UPDATE SET organization_id = EXCLUDED.organization_id, version = '', phase = 'USERS', page_after = NULL, group_id = NULL, users_read = 0,
    groups_read = 0, memberships_read = 0, attempts = 0, error = NULL, started_at = now(), finished_at = NULL
  WHERE directory_import.phase = 'FINISHED'`;

/** The way back after events may have been missed: every directory is listed and read again. */
export async function requestFullReads(deps: ImportDeps, signal: AbortSignal): Promise<void> {
  await requestInitialImport(deps, signal);
  await deps.db.$executeRawUnsafe(REQUEST_AGAIN);
}

/** Reads one page of the first unfinished import. false: there is none. */
export function createImporter(deps: ImportDeps): { step(signal: AbortSignal): Promise<boolean> } {
  const { db, reader, log, clock } = deps;

  /** Applies and keeps pages and moves on, all or nothing. */
  async function take(row: ImportRow, pages: readonly StateReadPage[], next: Place): Promise<void> {
    await failpoint('import-fetched');
    const cause = causeOfRead('full read of the directory', row.startedAt);
    const observations = pages.map((page) => observationOf(page, row.version, cause));
    const count = (kind: StateReadPage['kind']): number =>
      pages.reduce((sum, page) => sum + (page.kind === kind ? page.items.length : 0), 0);
    await applyObservations(db, row.organizationId, observations, async (tx: Tx) => {
      for (const page of pages) await keepStateRead(tx, page, row.version);
      const { phase, pageAfter, groupId } = next;
      await tx.$executeRawUnsafe(PROGRESS, row.directoryId, phase, pageAfter, groupId, count('USERS'), count('GROUPS'), count('MEMBERS'));
    });
  }

  async function readMembers(row: ImportRow, signal: AbortSignal): Promise<void> {
    const { directoryId, organizationId } = row;
    const nextGroups = async (afterId: string, limit: number): Promise<string[]> =>
      (await db.$queryRawUnsafe<{ id: string }[]>(NEXT_GROUPS, directoryId, afterId, limit)).map(({ id }) => id);
    const { pages, place } = await reader.members(directoryId, row, nextGroups, signal);
    if (pages.length === 0) {
      const complete: StateReadPage = { directoryId, kind: 'COMPLETE', group: null, userId: null, items: [] };
      return take(row, [complete], { phase: 'FINISHED', pageAfter: null, groupId: null });
    }
    const reads = pages.map(
      ({ groupId, items }): StateReadPage => ({
        directoryId,
        kind: 'MEMBERS',
        group: { id: groupId, directoryId, organizationId },
        userId: null,
        items,
      }),
    );
    return take(row, reads, { phase: 'MEMBERSHIPS', ...place });
  }

  async function readPage(row: ImportRow, signal: AbortSignal): Promise<void> {
    const { directoryId, pageAfter } = row;
    const base = { directoryId, group: null, userId: null };
    switch (row.phase) {
      case 'USERS': {
        const page = await reader.users(directoryId, pageAfter, signal);
        return take(row, [{ ...base, kind: 'USERS', items: page.items }], {
          phase: page.after ? 'USERS' : 'GROUPS',
          pageAfter: page.after,
          groupId: null,
        });
      }
      case 'GROUPS': {
        const page = await reader.groups(directoryId, pageAfter, signal);
        return take(row, [{ ...base, kind: 'GROUPS', items: page.items }], {
          phase: page.after ? 'GROUPS' : 'MEMBERSHIPS',
          pageAfter: page.after,
          groupId: null,
        });
      }
      case 'MEMBERSHIPS':
        return readMembers(row, signal);
      case 'FINISHED':
        return;
      default:
        row.phase satisfies never;
    }
  }

  return {
    async step(signal) {
      const row = await db.directoryImport.findFirst({
        where: { phase: { not: 'FINISHED' } },
        orderBy: [{ attempts: 'asc' }, { directoryId: 'asc' }],
      });
      if (!row) return false;
      try {
        if (row.version === '') {
          row.version = await versionOfReadNow(db, row.directoryId, clock());
          await db.$executeRawUnsafe(STARTED, row.directoryId, row.version);
        }
        await readPage(row, signal);
      } catch (error) {
        if (!signal.aborted)
          await db.$executeRawUnsafe(FAILED, row.directoryId, error instanceof Error ? error.message.slice(0, 500) : String(error));
        throw error;
      }
      const after = await db.directoryImport.findUnique({ where: { directoryId: row.directoryId } });
      if (after && after.phase !== row.phase) {
        const { directoryId, phase, usersRead, groupsRead, membershipsRead } = after;
        log.info(
          { directoryId, phase, usersRead, groupsRead, membershipsRead },
          phase === 'FINISHED' ? 'full read of a directory: finished' : 'full read of a directory',
        );
      }
      return true;
    },
  };
}
