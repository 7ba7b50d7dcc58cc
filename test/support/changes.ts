// Changes to fill a log with, and how a test follows one.
import { appendChanges } from '../../src/changes/append.ts';
import type { Db } from '../../src/db/client.ts';
import { inTransaction } from '../../src/db/transaction.ts';
import type { FeedItem } from '../../src/feed/feed.ts';
import type { AccessChange, RecordedChange } from '../../src/model/change.ts';

const OCCURRED_AT = new Date('2026-01-01T00:00:00.000Z');

/** A change that is told from others by its user. */
export function aChange(user: string, over: Partial<AccessChange> = {}): AccessChange {
  return {
    organizationId: 'org_1',
    directoryId: 'directory_1',
    userId: user,
    grantedPermissions: ['read'],
    revokedPermissions: [],
    grantedRoles: [],
    revokedRoles: [],
    cause: {
      kind: 'DIRECTORY_EVENT',
      eventId: `event_${user}`,
      eventType: 'dsync.group.user_added',
      replayId: null,
      driftReportId: null,
      actor: null,
      reason: null,
      occurredAt: OCCURRED_AT,
    },
    ...over,
  };
}

/** Commits them together, as one batch of events would. */
export const commit = (db: Db, ...changes: AccessChange[]): Promise<bigint> =>
  inTransaction(db, async (tx) => (await appendChanges(tx, changes)).base);

/** The change as the log would hold it. */
export const recorded = (position: bigint, change: AccessChange): RecordedChange => ({ ...change, position, recordedAt: OCCURRED_AT });

export interface Follower {
  changes: RecordedChange[];
  checkpoints: Extract<FeedItem, { kind: 'checkpoint' }>[];
  /** What ended it; null when it ended quietly, undefined while it runs. */
  ending: unknown;
  done: Promise<void>;
}

/** Pulls until the feed ends; never throws. */
export function follow(feed: AsyncIterable<FeedItem>): Follower {
  const follower: Follower = { changes: [], checkpoints: [], ending: undefined, done: Promise.resolve() };
  const pull = async () => {
    for await (const item of feed) {
      if (item.kind === 'change') follower.changes.push(item.change);
      else follower.checkpoints.push(item);
    }
  };
  follower.done = pull().then(
    () => {
      follower.ending = null;
    },
    (error: unknown) => {
      follower.ending = error;
    },
  );
  return follower;
}

export const positions = (changes: readonly RecordedChange[]): number[] => changes.map((change) => Number(change.position));

/** from, from + 1, … to. */
export const range = (from: number, to: number): number[] => Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
