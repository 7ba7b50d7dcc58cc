// Event lag and revocation latency over a window, from the histograms that apply and relay keep (src/db/record-latency.ts):
// every node answers alike, and what is read is minutes and buckets, never events.
import type { Tx } from '../db/client.ts';
import { type BucketCount, type Latency, latencyOf } from '../model/latency.ts';
import type { MeasuredScope } from './health-scope.ts';

// By (metric, minute): buckets of the window's minutes.
const BUCKETS = `
  SELECT metric, bucket::int AS bucket, sum(samples)::int AS samples, max(max_seconds) AS "maxSeconds" FROM latency_histogram
  WHERE metric IN ('EVENT_LAG', 'REVOCATION') AND minute >= date_trunc('minute', now() - $3 * interval '1 second')
    AND ($1::text IS NULL OR organization_id = $1) AND ($2::text IS NULL OR directory_id = $2) GROUP BY metric, bucket`;

export interface Latencies {
  eventLag: Latency;
  revocationLatency: Latency;
}

export async function readLatencies(tx: Tx, { organizationId, directoryId }: MeasuredScope, windowSeconds: number): Promise<Latencies> {
  const rows = await tx.$queryRawUnsafe<(BucketCount & { metric: string })[]>(BUCKETS, organizationId, directoryId, windowSeconds);
  const of = (metric: string): Latency => latencyOf(rows.filter((row) => row.metric === metric));
  return { eventLag: of('EVENT_LAG'), revocationLatency: of('REVOCATION') };
}
