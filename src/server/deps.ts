// What the server needs from src/runtime.ts.
import type { Services } from '../../schema/services.ts';
import type { Authenticate } from '../auth/caller.ts';
import type { Revalidation } from '../auth/revalidate.ts';
import type { Policy } from '../config.ts';
import type { Db } from '../db/client.ts';
import type { EffectiveLookup } from '../entitlements/lookup.ts';
import type { Logger } from '../log.ts';
import type { Exposition } from '../observability/metrics.ts';
import type { Limits } from './limits.ts';
import type { Check } from './probes.ts';

export interface ServerDeps {
  db: Db;
  lookup: EffectiveLookup;
  services: Services;
  authenticate: Authenticate;
  /** Of what lives longer than a request. */
  revalidation: Revalidation;
  log: Logger;
  webhooks: {
    accept(delivery: {
      body: Buffer;
      signature: string | undefined;
      traceparent: string | undefined;
    }): Promise<{ status: number; body: unknown }>;
    /** A delivery that was refused before it came to `accept`. */
    refused(): void;
  };
  /** Served to callers with SYNC_READ that are bound to no organization; absent where it is served elsewhere, or not at all. */
  metrics?: Exposition | null;
  /** What an answer depends on. Names go to whoever asks; reasons belong in the log. */
  readiness(): Promise<readonly Check[]>;
  policy?: Partial<Policy>;
  limits?: Partial<Limits>;
  /** A Redis connection for rate limits, which count for all processes together then. */
  counters?: object | null;
  /** A document is compiled when it is asked for so many times after Yoga has taken it. */
  compileAfter?: number;
}
