// The SQL by which a statement counts the latencies of what it does, in its own transaction (see src/model/latency.ts).
import { BUCKETS_PER_DOUBLING, LAST_BUCKET, SMALLEST_SECONDS } from '../model/latency.ts';

/**
 * A data-modifying CTE's body, from the rows of another CTE with organization_id, directory_id and seconds. Clocks differ: a
 * moment before its cause counts as at once. One row per minute, directory and bucket; in order of the key, so that two writers
 * wait for each other in one direction only.
 */
export const countLatencies = (metric: 'EVENT_LAG' | 'REVOCATION', from: string): string => `
    INSERT INTO latency_histogram AS h (metric, minute, organization_id, directory_id, bucket, samples, max_seconds)
    SELECT '${metric}', date_trunc('minute', clock_timestamp()), organization_id, directory_id, bucket, count(*)::int, max(seconds)
    FROM (
      SELECT coalesce(organization_id, '') AS organization_id, coalesce(directory_id, '') AS directory_id, greatest(seconds, 0) AS seconds,
        least(ceil(${BUCKETS_PER_DOUBLING} * ln(greatest(seconds, ${SMALLEST_SECONDS}) / ${SMALLEST_SECONDS}) / ln(2.0::float8))::int, ${LAST_BUCKET}) AS bucket
      FROM ${from}
    ) AS measured
    GROUP BY organization_id, directory_id, bucket ORDER BY organization_id, directory_id, bucket
    ON CONFLICT (metric, minute, organization_id, directory_id, bucket)
    DO UPDATE SET samples = h.samples + excluded.samples, max_seconds = greatest(h.max_seconds, excluded.max_seconds)
    RETURNING 1`;
