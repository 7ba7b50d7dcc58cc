// Histograms: what a quantile may be off by, and that merging is adding.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type BucketCount,
  bucketOf,
  LAST_BUCKET,
  latencyOf,
  NO_LATENCY,
  QUANTILE_ERROR,
  upperBoundSeconds,
} from '../../src/model/latency.ts';

const seconds = fc.double({ min: 0.001, max: 3_000_000, noNaN: true });
const samples = fc.array(seconds, { minLength: 1, maxLength: 200 });
const counts = (all: readonly number[]): BucketCount[] => all.map((one) => ({ bucket: bucketOf(one), samples: 1, maxSeconds: one }));
const exact = (all: readonly number[], q: number): number => [...all].sort((a, b) => a - b)[Math.ceil(q * all.length) - 1] ?? Number.NaN;

test('a sample lies within the bounds of its bucket', () => {
  fc.assert(
    fc.property(seconds, (one) => {
      const bucket = bucketOf(one);
      expect(one).toBeLessThanOrEqual(upperBoundSeconds(bucket) * (1 + 1e-12));
      if (bucket > 0) expect(one).toBeGreaterThan(upperBoundSeconds(bucket - 1) * (1 - 1e-12));
    }),
  );
});

test('a quantile is never too low, and too high by less than the bound; the greatest is exact', () => {
  fc.assert(
    fc.property(samples, (all) => {
      const { p50Seconds, p95Seconds, p99Seconds, maxSeconds, samples: n } = latencyOf(counts(all));
      for (const [told, q] of [
        [p50Seconds, 0.5],
        [p95Seconds, 0.95],
        [p99Seconds, 0.99],
      ] as const) {
        expect(told).toBeGreaterThanOrEqual(exact(all, q) * (1 - 1e-12));
        expect(told).toBeLessThan(exact(all, q) * QUANTILE_ERROR * (1 + 1e-12));
      }
      expect(maxSeconds).toBe(Math.max(...all));
      expect(n).toBe(all.length);
    }),
  );
});

test('whoever counted, and however it is grouped, the answer is the same', () => {
  fc.assert(
    fc.property(samples, samples, (a, b) => {
      expect(latencyOf([...counts(a), ...counts(b)])).toEqual(latencyOf(counts([...b, ...a])));
    }),
  );
});

test('the ends: nothing, less than the smallest bound, more than the largest', () => {
  expect(latencyOf([])).toEqual(NO_LATENCY);
  expect(bucketOf(0)).toBe(0);
  expect(bucketOf(1e12)).toBe(LAST_BUCKET);
  expect(latencyOf([{ bucket: LAST_BUCKET, samples: 1, maxSeconds: 1e12 }]).p50Seconds).toBe(1e12);
});
