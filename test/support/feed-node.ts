// A process in small: a database client, a tail, a feed and, if asked, a relay and the stream, all running until `stop`.
import { readHead } from '../../src/changes/head.ts';
import { type Db, openDb } from '../../src/db/client.ts';
import { createFeed, type Feed } from '../../src/feed/feed.ts';
import { createTail, type Tail, type TailOptions } from '../../src/feed/tail.ts';
import { createNudge, type Nudge } from '../../src/lib/nudge.ts';
import { createLogger } from '../../src/log.ts';
import { type ChangeStream, createChangeStream } from '../../src/redis/change-stream.ts';
import { openRedis } from '../../src/redis/client.ts';
import { createRelay, type Relay } from '../../src/relay/relay.ts';

export const silent = createLogger('silent');

export interface FeedNode {
  db: Db;
  tail: Tail;
  feed: Feed;
  relay: Relay;
  nudge: Nudge;
  stream: ChangeStream | null;
  stop(): Promise<void>;
}

export interface FeedNodeOptions {
  url: string;
  redisUrl?: string;
  /** Whether it relays; a node that only serves does not. */
  relays?: boolean;
  tail?: Partial<TailOptions>;
  checkpointIntervalMs?: number;
  stream?: { maxLength?: number; blockMs?: number };
}

export async function startFeedNode({
  url,
  redisUrl,
  relays = true,
  tail: tailOptions,
  checkpointIntervalMs,
  stream: streamOptions,
}: FeedNodeOptions): Promise<FeedNode> {
  const { db, close } = openDb({ url, poolSize: 5, statementTimeoutMs: 10_000, applicationName: 'test' });
  const { logId } = await readHead(db);
  const stream = redisUrl ? createChangeStream({ redis: openRedis({ url: redisUrl, log: silent }), logId, ...streamOptions }) : null;
  const tail = await createTail({ db, stream, log: silent, ...tailOptions });
  const feed = createFeed({ db, tail, log: silent, ...(checkpointIntervalMs !== undefined && { checkpointIntervalMs }) });
  const nudge = createNudge();
  const relay = createRelay({ db, stream, onPublished: tail.offer, nudge, log: silent });
  const ending = new AbortController();
  const running = [tail.run(ending.signal), ...(relays ? [relay.run(ending.signal)] : [])];
  return {
    db,
    tail,
    feed,
    relay,
    nudge,
    stream,
    async stop() {
      ending.abort();
      await Promise.all(running);
      stream?.close();
      await close();
    },
  };
}
