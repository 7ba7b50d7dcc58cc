// "Nobody knows this user" is an answer too, and it is only as good as we are up to date: the joiner's event may be waiting.
import type { Db } from '../src/db/client.ts';
import type { Freshness } from '../src/entitlements/read.ts';
import type { Position } from '../src/model/cursor.ts';

// The pending events by their partial index.
const SQL = `
  SELECT position, coalesce((SELECT greatest(0, extract(epoch FROM now() - min(p.occurred_at)))::float8 FROM directory_event p
    WHERE p.status = 'PENDING' AND ($1::text IS NULL OR p.partition IN ($1, 'environment'))), 0) AS "lagSeconds"
  FROM change_log_head WHERE id = 1`;

/** Lag of everything that the caller may see; there is no directory, so none that is active. */
export async function readUnknownFreshness(db: Db, tenant: string | null): Promise<Freshness> {
  const [row] = await db.$queryRawUnsafe<{ position: Position; lagSeconds: number }[]>(SQL, tenant);
  return { position: row?.position ?? 0n, lagSeconds: row?.lagSeconds ?? 0, directoryState: 'INACTIVE', driftSuspected: false };
}
