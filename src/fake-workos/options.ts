// What the fake can be told at its start, with its defaults.
import { z } from 'zod';
import { StartError } from '../errors.ts';
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
  speed: z.number().positive().optional(),
  eventsPerSecond: z.number().positive().max(1_000).optional(),
  webhookUrl: z.url({ protocol: /^https?$/ }).optional(),
  webhookRepeat: z.int().min(1).optional(),
});

/** Throws StartError with everything that is out of range. */
export function withDefaults(options: FakeWorkosOptions) {
  const { source, webhook, port } = options;
  const living = source.kind === 'company';
  const { holdBackMs = living ? 1_000 : 0, retentionDays = living ? 30 : null } = options;
  const { host = '127.0.0.1', apiKey = FAKE_API_KEY, unknownAfter = 'refuse', pageRepeats = false, rateLimits = false } = options;
  const checked = numbers.safeParse({
    port,
    holdBackMs,
    retentionDays,
    speed: source.kind === 'history' ? source.speed : undefined,
    eventsPerSecond: living ? source.eventsPerSecond : undefined,
    webhookUrl: webhook?.url,
    webhookRepeat: webhook?.repeat,
  });
  if (!checked.success) {
    const reasons = checked.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
    throw new StartError(`The fake WorkOS cannot start like this: ${reasons}`);
  }
  const clock = options.clock ?? Date.now;
  return { host, apiKey, clock, unknownAfter, pageRepeats, rateLimits, port: checked.data.port, holdBackMs, retentionDays };
}
