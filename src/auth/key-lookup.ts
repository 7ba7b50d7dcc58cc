// Finds keys by id, for every request: remembered for two seconds, unknown ids too, and never more than so many. A key that
// another process revoked is therefore refused after two seconds at most; one that this process revoked, at once.
// Reads api_key by its primary key.
import type { Db } from '../db/client.ts';
import type { Scope } from './caller.ts';

export interface StoredKey {
  id: string;
  hash: string;
  name: string;
  scopes: Scope[];
  organizationId: string | null;
  expiresAt: Date | null;
  revokedAt: Date | null;
}

export interface KeyLookup {
  /** Rejects when the database does not answer; that is not remembered. */
  find(id: string): Promise<StoredKey | null>;
  /** What `find` would say, where it is remembered; undefined where it must look. */
  remembered(id: string): StoredKey | null | undefined;
  /** Looks up all of these in one statement, whatever is remembered. */
  refresh(ids: readonly string[]): Promise<void>;
  /** What a key is from now on: looks that began before do not count any more. */
  put(id: string, key: StoredKey): void;
}

const SELECT = { id: true, hash: true, name: true, scopes: true, organizationId: true, expiresAt: true, revokedAt: true };

interface Look {
  /** When it began, so that its age never understates. */
  atMs: number;
  key: Promise<StoredKey | null>;
  /** undefined: not known yet. */
  found: StoredKey | null | undefined;
}

export function createKeyLookup({ db, maxAgeMs = 2_000, maxKeys = 10_000 }: { db: Db; maxAgeMs?: number; maxKeys?: number }): KeyLookup {
  /** In the order of `atMs`, nearly: the first to go is the oldest. */
  const looks = new Map<string, Look>();

  function keep(id: string, look: Look): void {
    const before = looks.get(id);
    if (before && before.atMs > look.atMs) return;
    looks.delete(id);
    looks.set(id, look);
    const [oldest] = looks.keys();
    if (looks.size > maxKeys && oldest !== undefined) looks.delete(oldest);
  }

  function recently(id: string): Look | undefined {
    const look = looks.get(id);
    return look && performance.now() - look.atMs < maxAgeMs ? look : undefined;
  }
  const known = (atMs: number, key: StoredKey | null): Look => ({ atMs, key: Promise.resolve(key), found: key });

  return {
    remembered: (id) => recently(id)?.found,
    find(id) {
      const recent = recently(id);
      if (recent) return recent.key;
      // Prisma's own promise only begins when it is waited for.
      const key = db.apiKey.findUnique({ where: { id }, select: SELECT }).then((row) => {
        look.found = row;
        return row;
      });
      const look: Look = { atMs: performance.now(), key, found: undefined };
      keep(id, look);
      look.key.catch(() => looks.get(id) === look && looks.delete(id));
      return look.key;
    },
    async refresh(ids) {
      if (ids.length === 0) return;
      const atMs = performance.now();
      const rows = await db.apiKey.findMany({ where: { id: { in: [...ids] } }, select: SELECT });
      const found = new Map(rows.map((row) => [row.id, row]));
      for (const id of ids) keep(id, known(atMs, found.get(id) ?? null));
    },
    put: (id, key) => keep(id, known(performance.now(), key)),
  };
}
