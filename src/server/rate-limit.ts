// How often in a minute. Counted in this process, or in Redis for all processes together; while Redis is away each process
// counts for itself again, so nobody is refused, and nobody waits, for its sake.
//
// A large limit is taken in bundles: one trip to Redis for a thousandth of the minute's share, so that the way of an ordinary
// operation has none. What one process may let through too much is such a bundle. Whoever has used up its share is refused
// from memory until the minute is over.
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { AccessError } from '../errors.ts';

export interface RateLimit {
  /** Takes one. Rejects with RATE_LIMITED when none is left. */
  take(key: string): Promise<void>;
  /** Throws RATE_LIMITED when it is known that none is left; takes nothing. */
  check(key: string): void;
}

export interface RateLimitOptions {
  name: string;
  perMinute: number;
  /** A Redis connection, not of the kind that waits; null: counted in this process. */
  counters: object | null;
  now?: () => number;
}

/** Far more than there are callers; of addresses there may be many. */
const MAX_KEYS = 20_000;

export function createRateLimit({ name, perMinute, counters, now = Date.now }: RateLimitOptions): RateLimit {
  const bundle = Math.max(1, Math.floor(perMinute / 1_000));
  const share = { points: perMinute, duration: 60, keyPrefix: `access-service:rate:${name}` };
  const own = new RateLimiterMemory(share);
  const limiter = counters
    ? new RateLimiterRedis({ ...share, storeClient: counters, insuranceLimiter: own, rejectIfRedisNotReady: true })
    : own;
  const bundles = new Map<string, { left: number; untilMs: number }>();
  const refusedUntilMs = new Map<string, number>();
  const fetching = new Map<string, Promise<void>>();

  function check(key: string): void {
    const waitMs = (refusedUntilMs.get(key) ?? 0) - now();
    if (waitMs > 0) throw limited(waitMs);
  }

  async function fetchBundle(key: string): Promise<void> {
    for (const map of [bundles, refusedUntilMs]) if (map.size >= MAX_KEYS) map.clear();
    try {
      const { msBeforeNext } = await limiter.consume(key, bundle);
      bundles.set(key, { left: bundle, untilMs: now() + msBeforeNext });
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error;
      refusedUntilMs.set(key, now() + error.msBeforeNext);
    } finally {
      fetching.delete(key);
    }
  }

  return {
    check,
    async take(key) {
      for (;;) {
        check(key);
        const held = bundles.get(key);
        if (held && held.left > 0 && held.untilMs > now()) {
          held.left -= 1;
          return;
        }
        // One trip at a time: many requests at once would fetch a bundle each.
        const trip = fetching.get(key) ?? fetchBundle(key);
        fetching.set(key, trip);
        await trip;
      }
    },
  };
}

function limited(ms: number): AccessError {
  const retryAfterSeconds = Math.max(1, Math.ceil(ms / 1_000));
  return new AccessError('RATE_LIMITED', `Too many requests. Try again in ${retryAfterSeconds} s.`, { details: { retryAfterSeconds } });
}
