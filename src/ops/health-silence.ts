// Directories that are usually active and now quiet: the failure that no error tells of. Measured against the directory's own
// habits, nights and weekends included: silent is one whose pause is half as long again as the longest one of two weeks before it.
// Hours are kept for two months, so a silence is told for about that long.
import type { Db, Tx } from '../db/client.ts';
import { MAX_LISTED, type MeasuredScope } from './health-scope.ts';

export interface ActiveHour {
  /** Its beginning. */
  hour: Date;
  events: number;
}

const HOUR_MS = 3_600_000;
const LOOKBACK_HOURS = 14 * 24;
/** Fewer are no habit. */
const MIN_EVENTS = 50;
const MIN_DAYS = 5;
const LONGER_THAN_USUAL = 1.5;

/** Since when a directory is silent, by the hours in which it was active, rising; null when it is not, or was never active enough to tell. */
export function silentSince(hours: readonly ActiveHour[], at: Date, minQuietHours: number): Date | null {
  const last = hours.at(-1);
  if (!last) return null;
  const usual = hours.filter(({ hour }) => hour.getTime() >= last.hour.getTime() - LOOKBACK_HOURS * HOUR_MS);
  const events = usual.reduce((sum, hour) => sum + hour.events, 0);
  const days = new Set(usual.map(({ hour }) => hour.toISOString().slice(0, 10))).size;
  if (events < MIN_EVENTS || days < MIN_DAYS) return null;
  const longestPauseMs = usual.reduce(
    (longest, { hour }, i) => Math.max(longest, hour.getTime() - (usual[i - 1] ?? { hour }).hour.getTime()),
    0,
  );
  const quietSince = new Date(last.hour.getTime() + HOUR_MS);
  const quietMs = at.getTime() - quietSince.getTime();
  return quietMs > Math.max(minQuietHours * HOUR_MS, LONGER_THAN_USUAL * longestPauseMs) ? quietSince : null;
}

// One probe per directory by (directory_id, hour); the hours of the quiet ones only.
const QUIET = `
  SELECT now() AS at, d.id AS "directoryId", json_agg(json_build_object('hour', a.hour, 'events', a.events) ORDER BY a.hour) AS hours
  FROM directory d JOIN directory_activity a ON a.directory_id = d.id
  WHERE d.state = 'ACTIVE' AND ($1::text IS NULL OR d.organization_id = $1) AND ($2::text IS NULL OR d.id = $2)
    AND NOT EXISTS (SELECT 1 FROM directory_activity r WHERE r.directory_id = d.id AND r.hour > now() - $3 * interval '1 hour')
  GROUP BY d.id HAVING sum(a.events) >= ${MIN_EVENTS} ORDER BY d.id`;

interface QuietRow {
  at: Date;
  directoryId: string;
  hours: { hour: string; events: number }[];
}

export async function readSilentDirectories(
  db: Db | Tx,
  { organizationId, directoryId }: MeasuredScope,
  minQuietHours: number,
): Promise<{ directoryId: string; since: Date }[]> {
  const rows = await db.$queryRawUnsafe<QuietRow[]>(QUIET, organizationId, directoryId, minQuietHours);
  return rows
    .flatMap(({ at, directoryId: id, hours }) => {
      const since = silentSince(
        hours.map(({ hour, events }) => ({ hour: new Date(hour), events })),
        at,
        minQuietHours,
      );
      return since ? [{ directoryId: id, since }] : [];
    })
    .slice(0, MAX_LISTED);
}
