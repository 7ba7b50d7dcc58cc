// What the database says was done to it, against the migrations that this version brings. Pure; the sentences are for
// the operator.
import { createHash } from 'node:crypto';

export interface LocalMigration {
  name: string;
  sql: string;
}

/** A row of Prisma's `_prisma_migrations` that was not rolled back. */
export interface AppliedMigration {
  name: string;
  checksum: string;
  finished: boolean;
  /** What the database said when it failed; null after an interruption. */
  logs: string | null;
}

export type HistoryVerdict =
  | { kind: 'current' }
  /** `interrupted` ones were begun by a process that died; a script is one transaction, so nothing of it is there. */
  | { kind: 'behind'; interrupted: string[] }
  | { kind: 'newer'; problem: string }
  | { kind: 'damaged'; problem: string };

/** As Prisma counts it. */
export const checksumOf = (sql: string): string => createHash('sha256').update(sql).digest('hex');

/** `local` in order of name. `hasTables`: the schema holds tables other than the history. */
export function judgeHistory(local: readonly LocalMigration[], applied: readonly AppliedMigration[], hasTables: boolean): HistoryVerdict {
  const known = new Map(local.map((migration) => [migration.name, migration]));
  const unknown = applied.filter(({ name }) => !known.has(name)).map(({ name }) => name);
  if (unknown.length > 0) {
    return {
      kind: 'newer',
      problem: `it was migrated by a newer version of this service (${unknown.sort().join(', ')} is unknown here); start that version or a later one`,
    };
  }
  const failed = applied.find(({ finished, logs }) => !finished && logs);
  if (failed) {
    return {
      kind: 'damaged',
      problem: `its migration ${failed.name} has failed before (${reasonIn(failed.logs ?? '')}); restore a backup, or mend it and run "prisma migrate resolve"`,
    };
  }
  const finished = new Set(applied.filter((row) => row.finished).map(({ name }) => name));
  for (const { name, checksum } of applied) {
    if (!finished.has(name) || checksum === checksumOf(known.get(name)?.sql ?? '')) continue;
    return {
      kind: 'damaged',
      problem: `its migration history is damaged (${name} was applied with another content than this version brings); restore a backup or use the version that made it`,
    };
  }
  const firstMissing = local.findIndex(({ name }) => !finished.has(name));
  if (firstMissing === -1) return { kind: 'current' };
  const later = local.slice(firstMissing).find(({ name }) => finished.has(name));
  if (later) {
    return {
      kind: 'damaged',
      problem: `its migration history is damaged (${later.name} was applied, ${local[firstMissing]?.name} before it was not); restore a backup`,
    };
  }
  if (finished.size === 0 && hasTables) {
    return {
      kind: 'damaged',
      problem: 'it holds tables but no migration history of this service; use an empty database',
    };
  }
  return { kind: 'behind', interrupted: applied.filter((row) => !row.finished).map(({ name }) => name) };
}

/** The engine's account of a failure: a line or two, then a trace of its own inside. */
export function reasonIn(account: string): string {
  const lines = account.split('\n').filter((line) => /^\S/.test(line));
  return (lines.at(-1) ?? 'no reason given').replace(/^Error querying the database: /, '');
}
