// What the fake can be told at its start, with its defaults.
import { z } from 'zod';
import type { Logger } from '../log.ts';
import type { HistoryEvent } from './history.ts';
import type { WebhookTarget } from './webhooks.ts';

export const FAKE_API_KEY = 'sk_fake_workos';

export type FakeSource =
  /** Without `speed` everything has happened already; with N it happens at N times real time from the first event on. */
  | { kind: 'history'; events: readonly HistoryEvent[]; speed?: number }
  /** `statePath`: a folder in which the company is kept over restarts. */
  | { kind: 'company'; seed?: number; eventsPerSecond?: number; statePath?: string }
  /** Empty; the caller publishes. */
  | { kind: 'scripted' };

export interface FakeWorkosOptions {
  log: Logger;
  source: FakeSource;
  /** Default 127.0.0.1. */
  host?: string;
  /** Default 0: any free one. */
  port?: number;
  /** Requests must carry `Bearer <apiKey>`. Default FAKE_API_KEY. */
  apiKey?: string;
  webhook?: WebhookTarget;
  /** How long the Events API hides a new event. Default 1,000 for the company, otherwise 0. */
  holdBackMs?: number;
  /** The Events API shows nothing older. Default 30 for the company, otherwise unlimited. */
  retentionDays?: number;
  /** What becomes of an `after` that is not in the stream, or no longer. Default 'refuse' (400). */
  unknownAfter?: 'refuse' | 'ignore';
  /** Every event is returned twice by the Events API. */
  pageRepeats?: boolean;
  /** Answer 429 beyond WorkOS' limits: 6,000 requests a minute, 4 user lists a second per directory. Default false. */
  rateLimits?: boolean;
  /** Milliseconds since 1970; for tests of hold-back and retention. */
  clock?: () => number;
}

const numbers = z.object({
  port: z.int().min(0).max(65_535).default(0),
  holdBackMs: z.number().min(0),
  retentionDays: z.number().positive().nullable(),
});

/** Throws a ZodError when a number is out of range. */
export function withDefaults(options: FakeWorkosOptions) {
  const living = options.source.kind === 'company';
  const { port, holdBackMs = living ? 1_000 : 0, retentionDays = living ? 30 : null } = options;
  const { host = '127.0.0.1', apiKey = FAKE_API_KEY, unknownAfter = 'refuse', pageRepeats = false, rateLimits = false } = options;
  return {
    host,
    apiKey,
    clock: options.clock ?? Date.now,
    rateLimits,
    unknownAfter,
    pageRepeats,
    ...numbers.parse({ port, holdBackMs, retentionDays }),
  };
}
