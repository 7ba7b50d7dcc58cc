// A server of the feed as a process of its own; see test/fixtures/feed-server.ts.
import type { Limits } from '../../src/server/limits.ts';
import { type Child, startChild } from './child.ts';

export interface FeedServerQuestion {
  write?: { word: 'warm' | 'bulk'; rounds: number; bulkPerRound: number; bulkBytes: number; smallPerRound: number; everyMs: number };
  /** Collect garbage before `heldBytes` is read. */
  collect?: boolean;
}

export interface FeedServerAnswer {
  url: string;
  /** The cursor before the first change. */
  beginning: string;
  heldBytes: number;
  rssBytes: number;
  written: { warm: number; bulk: number; small: number };
  subscribers: number;
  stalledReaders: number;
  slowestLagSeconds: number | null;
}

export type FeedServer = Child<FeedServerQuestion, FeedServerAnswer>;

export const startFeedServer = (limits: Partial<Limits>): FeedServer => startChild('feed-server.ts', limits, ['--expose-gc']);
