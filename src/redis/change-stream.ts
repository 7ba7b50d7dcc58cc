// The fan-out of the change log: a Redis Stream whose entry ids are `<position>-0`. It is a cache and a wake-up, never the
// log: it may lose its tail, its head, its middle or everything, and readers prove by contiguous positions what they have.
//
// - The key carries the log's id, so two databases on one Redis never mix.
// - Explicit ids make a repeated append harmless: Redis refuses an id that is not the greatest.
// - The reader tells when it has connected, and how far the stream reaches, because FLUSHALL, a failover to an older replica
//   and trimming are silent to a blocked XREAD.
// - No error ends the reader: UNBLOCKED, READONLY, LOADING, a cut or a silent connection all cost one connection and a pause.
import type { Redis } from 'ioredis';
import { backoffMs } from '../lib/backoff.ts';
import { sleep } from '../lib/sleep.ts';
import { within } from '../lib/within.ts';
import type { RecordedChange } from '../model/change.ts';
import type { Position } from '../model/cursor.ts';
import { decodeChange, encodeChange } from './change-codec.ts';
import { REQUEST_TIMEOUT_MS, type RedisConnections } from './client.ts';

/** `connected` comes first on every new connection, `lost` when one ended. Changes are in order, but may begin anywhere. */
export type StreamNews =
  | { kind: 'connected'; lastId: Position }
  | { kind: 'entries'; changes: RecordedChange[]; lastId: Position }
  | { kind: 'lost'; error: unknown };

export interface ChangeStream {
  /** Oldest first. `known` counts those that the stream had already (or that lie below its newest entry). */
  append(changes: readonly RecordedChange[]): Promise<{ known: number }>;
  /** Newest position that the stream has ever held; 0 when there is no stream. */
  lastId(): Promise<Position>;
  /** Forgets everything, so that lower positions are accepted again. */
  reset(): Promise<void>;
  /** Endless until the signal aborts. `after` is asked before every read, so what the reader got elsewhere is not read again. */
  read(after: () => Position, signal: AbortSignal): AsyncIterable<StreamNews>;
  /** Milliseconds of a round trip. */
  ping(): Promise<number>;
  close(): void;
}

export interface ChangeStreamOptions {
  redis: RedisConnections;
  logId: string;
  /** Entries kept, approximately. */
  maxLength?: number;
  blockMs?: number;
}

const READ_COUNT = 500;
/** How much longer than its BLOCK a read may take before its connection counts as dead. */
const WATCHDOG_GRACE_MS = 2_000;

const positionOf = (id: unknown): Position => BigInt(/^[0-9]+/.exec(String(id))?.[0] ?? 0);

export function createChangeStream({ redis, logId, maxLength = 10_000, blockMs = 5_000 }: ChangeStreamOptions): ChangeStream {
  const key = `access-service:{${logId}}:changes`;

  async function lastIdBy(client: Redis): Promise<Position> {
    try {
      const info = (await client.call('XINFO', 'STREAM', key)) as unknown[];
      return positionOf(info[info.indexOf('last-generated-id') + 1]);
    } catch (error) {
      if (error instanceof Error && /no such key/i.test(error.message)) return 0n;
      throw error;
    }
  }

  async function readOnce(reader: Redis, after: Position): Promise<[id: string, fields: string[]][]> {
    const args = ['COUNT', READ_COUNT, 'BLOCK', blockMs, 'STREAMS', key, `${after}-0`];
    const reply = await within(blockMs + WATCHDOG_GRACE_MS, 'Redis stream', reader.call('XREAD', ...args));
    return (reply as [key: string, entries: [id: string, fields: string[]][]][] | null)?.[0]?.[1] ?? [];
  }

  async function* read(after: () => Position, signal: AbortSignal): AsyncGenerator<StreamNews> {
    for (let failures = 0; !signal.aborted; ) {
      const reader = redis.openReader();
      const stop = () => reader.disconnect();
      signal.addEventListener('abort', stop, { once: true });
      try {
        await within(2 * REQUEST_TIMEOUT_MS, 'Redis connection', reader.connect());
        const lastId = await within(REQUEST_TIMEOUT_MS, 'Redis stream', lastIdBy(reader));
        yield { kind: 'connected', lastId };
        // Entries that do not decode must not be read for ever, should the asker stay below them.
        for (let seen = 0n; !signal.aborted; ) {
          const asked = after();
          const entries = await readOnce(reader, asked > seen ? asked : seen);
          failures = 0;
          if (entries.length === 0) continue;
          seen = positionOf(entries.at(-1)?.[0]);
          yield { kind: 'entries', changes: entries.flatMap(([id, fields]) => decodeChange(id, fields[1]) ?? []), lastId: seen };
        }
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        yield { kind: 'lost', error };
      } finally {
        signal.removeEventListener('abort', stop);
        // Twice on one client, and ioredis keeps the process for two seconds.
        if (!signal.aborted) reader.disconnect();
      }
      await sleep(backoffMs(failures, { minMs: 50, maxMs: 2_000 }), signal);
    }
  }

  return {
    async append(changes) {
      const pipeline = redis.request.pipeline();
      for (const change of changes) {
        pipeline.xadd(key, 'MAXLEN', '~', maxLength, `${change.position}-0`, 'change', encodeChange(change));
      }
      let known = 0;
      for (const [error] of (await pipeline.exec()) ?? []) {
        if (!error) continue;
        if (!error.message.includes('equal or smaller')) throw error;
        known += 1;
      }
      return { known };
    },
    lastId: () => lastIdBy(redis.request),
    async reset() {
      await redis.request.del(key);
    },
    read,
    async ping() {
      const startedAt = performance.now();
      await redis.request.ping();
      return performance.now() - startedAt;
    },
    close: () => redis.close(),
  };
}
