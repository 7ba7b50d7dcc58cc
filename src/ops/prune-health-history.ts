// Takes away what sync-health never looks back at.
import type { Db } from '../db/client.ts';

export interface HealthHistory {
  /** Longer than any window. */
  latencySeconds: number;
  activitySeconds: number;
}

const DAY_SECONDS = 86_400;
const KEPT: HealthHistory = { latencySeconds: 2 * DAY_SECONDS, activitySeconds: 60 * DAY_SECONDS };

// By (metric, minute), and by hour.
const LATENCIES = `
  DELETE FROM latency_histogram WHERE metric IN ('EVENT_LAG', 'REVOCATION') AND minute < now() - $1 * interval '1 second'`;
const ACTIVITY = `DELETE FROM directory_activity WHERE hour < now() - $1 * interval '1 second'`;

export async function pruneHealthHistory(db: Db, { latencySeconds, activitySeconds }: HealthHistory = KEPT): Promise<void> {
  await db.$executeRawUnsafe(LATENCIES, latencySeconds);
  await db.$executeRawUnsafe(ACTIVITY, activitySeconds);
}
