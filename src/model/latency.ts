// Latencies as histograms that can be added up: buckets at fixed bounds, eight to each doubling from 1 ms to about 49 days.
// A quantile is told as the upper bound of its bucket, but never above the greatest sample: so it is never too low, and too
// high by less than 2^(1/8), 9.1 %. What took less than 1 ms counts as 1 ms.

export interface BucketCount {
  bucket: number;
  samples: number;
  maxSeconds: number;
}

export interface Latency {
  p50Seconds: number | null;
  p95Seconds: number | null;
  p99Seconds: number | null;
  maxSeconds: number | null;
  samples: number;
}

export const SMALLEST_SECONDS = 0.001;
export const BUCKETS_PER_DOUBLING = 8;
export const LAST_BUCKET = 255;
/** A told quantile is less than this many times the true one. */
export const QUANTILE_ERROR = 2 ** (1 / BUCKETS_PER_DOUBLING);

export const NO_LATENCY: Latency = { p50Seconds: null, p95Seconds: null, p99Seconds: null, maxSeconds: null, samples: 0 };

/** Inclusive. */
export const upperBoundSeconds = (bucket: number): number => SMALLEST_SECONDS * 2 ** (bucket / BUCKETS_PER_DOUBLING);

/** As src/db/record-latency.ts has it in SQL. */
export function bucketOf(seconds: number): number {
  const bucket = Math.ceil(BUCKETS_PER_DOUBLING * Math.log2(Math.max(seconds, SMALLEST_SECONDS) / SMALLEST_SECONDS));
  return Math.min(bucket, LAST_BUCKET);
}

/** Counts of any number of histograms; a bucket may come several times. */
export function latencyOf(counts: readonly BucketCount[]): Latency {
  const merged = new Map<number, number>();
  let samples = 0;
  let maxSeconds = 0;
  for (const count of counts) {
    merged.set(count.bucket, (merged.get(count.bucket) ?? 0) + count.samples);
    samples += count.samples;
    maxSeconds = Math.max(maxSeconds, count.maxSeconds);
  }
  if (samples === 0) return NO_LATENCY;
  const rising = [...merged].sort(([a], [b]) => a - b);
  const quantile = (q: number): number => {
    let left = Math.ceil(q * samples);
    for (const [bucket, inBucket] of rising) {
      left -= inBucket;
      // The last bucket has no end.
      if (left <= 0) return bucket === LAST_BUCKET ? maxSeconds : Math.min(upperBoundSeconds(bucket), maxSeconds);
    }
    return maxSeconds;
  };
  return { p50Seconds: quantile(0.5), p95Seconds: quantile(0.95), p99Seconds: quantile(0.99), maxSeconds, samples };
}
