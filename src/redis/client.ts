// Connections to Redis. Requests and the blocking reader never share one: a reader holds its connection for seconds.
//
// The request client fails fast and reconnects by itself: whoever asks gets an error within two seconds and has a better
// plan than to wait. A reader's connection is disposable: any fault ends it, its owner throws it away and opens the next, so
// there is one way to recover and no state after a reconnect to reason about. (Blocking reads have been seen to wedge after
// ioredis' own reconnect.)
import { Redis } from 'ioredis';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';

export interface RedisConnections {
  request: Redis;
  /** Not connected yet. The caller ends it with `disconnect()`. */
  openReader(): Redis;
  /** For counters that nobody may wait for: an answer within a tenth of a second, or an error. The caller ends it with `disconnect()`. */
  openCounters(): Redis;
  close(): void;
}

export const REQUEST_TIMEOUT_MS = 2_000;
const COUNTER_TIMEOUT_MS = 100;

export function openRedis({ url, log }: { url: string; log: Logger }): RedisConnections {
  const request = new Redis(url, {
    protocol: 2,
    connectionName: 'access-service',
    connectTimeout: REQUEST_TIMEOUT_MS,
    commandTimeout: REQUEST_TIMEOUT_MS,
    // Replies owed for this long mean a dead path, not a slow server: reconnect.
    socketTimeout: 2 * REQUEST_TIMEOUT_MS,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 6), 2_000),
  });

  // Without a listener ioredis prints every failed attempt; one line per outage says as much.
  let away = false;
  request.on('error', (error: Error) => {
    if (!away) log.warn({ err: messageOf(error) }, 'Redis is not reachable; changes go on through Postgres');
    away = true;
  });
  request.on('ready', () => {
    if (away) log.info('Redis is reachable again');
    away = false;
  });

  return {
    request,
    openReader() {
      const reader = new Redis(url, {
        protocol: 2,
        connectionName: 'access-service-reader',
        lazyConnect: true,
        connectTimeout: REQUEST_TIMEOUT_MS,
        maxRetriesPerRequest: null,
        retryStrategy: () => null,
      });
      // Its owner learns of every fault by a rejected command.
      reader.on('error', () => {});
      return reader;
    },
    openCounters() {
      const counters = new Redis(url, {
        protocol: 2,
        connectionName: 'access-service-counters',
        connectTimeout: REQUEST_TIMEOUT_MS,
        commandTimeout: COUNTER_TIMEOUT_MS,
        socketTimeout: 5 * COUNTER_TIMEOUT_MS,
        enableOfflineQueue: false,
        maxRetriesPerRequest: 0,
        retryStrategy: () => 1_000,
      });
      counters.on('error', () => {}); // the request connection tells of an outage
      return counters;
    },
    close: () => request.disconnect(),
  };
}
