// Log + hints → one async iterable per subscriber. A subscriber is a position and little more: what comes next is the log
// after that position, taken from the tail's ring where it reaches and else read from Postgres. Back-fill and live tail are
// the same question asked in two places, so there is no seam between them to lose or repeat a change at (I4).
// Pull-based: a subscriber that does not pull costs one batch of memory, and nobody else anything.
import type { Db } from '../db/client.ts';
import type { Parkable, Take } from '../lib/parkable.ts';
import { type Ending, frugalPullIterator } from '../lib/pull-iterator.ts';
import type { Logger } from '../log.ts';
import type { ChangeFilter, RecordedChange } from '../model/change.ts';
import type { Position } from '../model/cursor.ts';
import type { Transport } from '../model/telemetry.ts';
import { createCrowd } from './crowd.ts';
import { createReadPersistently } from './read-persistently.ts';
import { ReaderStalled } from './reader-stalled.ts';
import { createSubscription, type FeedItem, type Subscription } from './subscription.ts';
import type { Tail } from './tail.ts';

export type { FeedItem } from './subscription.ts';

export interface FeedRequest {
  filter: ChangeFilter;
  /** null: from now on. */
  after: Position | null;
  /** Organization that the caller is bound to; null for none. */
  tenant: string | null;
  /** Ends the subscription quietly. */
  signal: AbortSignal;
  /** How it goes on to the subscriber, if it leaves the process. */
  transport?: Transport;
}

export interface FeedCounts {
  subscribers: number;
  slowestLagSeconds: number | null;
  stalledReaders: number;
}

export interface Feed {
  /**
   * Begins with the first `next()`, which throws CURSOR_INVALID or CURSOR_EXPIRED for a cursor that is no place in this log. Any
   * `next()` throws UNAVAILABLE when the log cannot be read. `return()` and the signal end it at once.
   */
  subscribe(request: FeedRequest): Parkable<FeedItem>;
  /** The same, but begun: rejects where the first `next()` would throw, for transports that must know before they answer. */
  open(request: FeedRequest): Promise<Parkable<FeedItem>>;
  /** Newest position known to this process. */
  position(): Position;
  /** Lag: age of the oldest change that the slowest subscriber has not pulled; 0 when all have everything, null without any. `stalledReaders`: sent away so far. */
  stats(): FeedCounts & { byTransport: Record<Transport, number> };
  /** The same by the organization that callers are bound to; "": of all callers, bound or not. */
  statsByTenant(): Record<string, FeedCounts>;
}

export interface FeedOptions {
  db: Db;
  tail: Tail;
  log: Logger;
  /** Longest silence. The contract promises 15 s; the rest is for the way. */
  checkpointIntervalMs?: number;
  /** Reads of the log at a time; the rest of the pool is for others. */
  concurrentReads?: number;
  /** Changes that one subscriber holds at most. */
  batchSize?: number;
  /** And what they weigh, unless it is one alone. */
  batchBytes?: number;
  /** How long a subscriber is kept whose node cannot read the log: then it is sent away, to look for another node. */
  giveUpAfterMs?: number;
  clock?: () => Date;
  /** Told of each change that is handed to a transport. */
  onDelivered?: ((change: RecordedChange, transport: Transport) => void) | undefined;
}

/** How late a checkpoint may be. */
const MAX_TICK_MS = 250;
const SAME_MOMENT_MS = 50;

export function createFeed(options: FeedOptions): Feed {
  const {
    db,
    tail,
    log,
    checkpointIntervalMs = 14_000,
    concurrentReads = 4,
    batchSize = 100,
    batchBytes = 1024 * 1024,
    giveUpAfterMs = 60_000,
    clock = () => new Date(),
    onDelivered,
  } = options;
  const crowd = createCrowd({ tail, tickMs: Math.max(1, Math.min(MAX_TICK_MS, checkpointIntervalMs / 8)) });
  const readPersistently = createReadPersistently({ concurrency: concurrentReads, log });
  const subscriptions = new Map<Subscription, Pick<FeedRequest, 'transport' | 'tenant'>>();
  const stalled = new Map<string | null, number>();

  /** What one is told, others are told who have come as far at the same moment: answered once, it is answered for all. */
  let told: Extract<FeedItem, { kind: 'checkpoint' }> | undefined;
  function checkpoint(position: Position, caughtUp: boolean): FeedItem {
    const at = clock();
    const isSame = told?.position === position && told.caughtUp === caughtUp && Math.abs(at.getTime() - told.at.getTime()) < SAME_MOMENT_MS;
    if (!told || !isSame) told = { kind: 'checkpoint', position, caughtUp, at };
    return told;
  }

  function iterate(subscription: Subscription, { signal, transport, tenant }: FeedRequest): Parkable<FeedItem> {
    const counted = <T extends FeedItem | null | undefined>(item: T): T => {
      if (onDelivered && transport && item?.kind === 'change') onDelivered(item.change, transport);
      return item;
    };
    let isListed = false;
    const produce = async (ending: Ending) => {
      if (!isListed) subscriptions.set(subscription, { tenant, ...(transport && { transport }) });
      isListed = true;
      return counted(await subscription.next(ending));
    };
    const onEnd = () => {
      subscriptions.delete(subscription);
      subscription.end();
      const { reason } = signal;
      if (!(reason instanceof ReaderStalled)) return;
      stalled.set(tenant, (stalled.get(tenant) ?? 0) + 1);
      const facts = { transport: reason.transport, caller: reason.caller, cursor: subscription.cursor() };
      log.warn(facts, 'a reader took nothing and was sent away; this is the cursor up to which it was sent things');
    };
    const items = frugalPullIterator(produce, { signal, onEnd });
    if (!onDelivered) return Object.assign(items, { park: subscription.park });
    return Object.assign(items, { park: (take: Take<FeedItem>) => subscription.park((item) => take(counted(item))) });
  }

  const prepare = ({ filter, after, tenant }: FeedRequest) =>
    createSubscription({
      db,
      tail,
      crowd,
      readPersistently,
      checkpointIntervalMs,
      batchSize,
      batchBytes,
      giveUpAfterMs,
      checkpoint,
      filter,
      after,
      tenant,
    });

  function countsOf(isCounted: (tenant: string | null) => boolean): FeedCounts {
    const counted = [...subscriptions].filter(([, { tenant }]) => isCounted(tenant));
    const lags = counted.map(([subscription]) => {
      const delivered = subscription.delivered();
      return delivered === null ? 0 : (tail.lagSeconds(delivered) ?? 0);
    });
    return {
      subscribers: counted.length,
      slowestLagSeconds: lags.length > 0 ? lags.reduce((a, b) => Math.max(a, b)) : null,
      stalledReaders: [...stalled].reduce((sum, [tenant, readers]) => sum + (isCounted(tenant) ? readers : 0), 0),
    };
  }

  return {
    subscribe: (request) => iterate(prepare(request), request),
    async open(request) {
      const subscription = prepare(request);
      await subscription.start(request.signal);
      return iterate(subscription, request);
    },
    position: tail.position,
    stats() {
      const byTransport = { WebSocket: 0, SSE: 0 };
      for (const { transport } of subscriptions.values()) if (transport) byTransport[transport] += 1;
      return { ...countsOf(() => true), byTransport };
    },
    statsByTenant() {
      const tenants = new Set(
        [...subscriptions.values()].flatMap(({ tenant }) => tenant ?? []).concat([...stalled.keys()].flatMap((tenant) => tenant ?? [])),
      );
      return { '': countsOf(() => true), ...Object.fromEntries([...tenants].map((tenant) => [tenant, countsOf((one) => one === tenant)])) };
    },
  };
}
