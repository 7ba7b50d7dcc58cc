// Words between processes: "look at this". A hint may be lost, doubled or late, because whoever waits for one also looks by
// itself now and then; so sending is never waited for and a failure is nobody's concern.
import { randomUUID } from 'node:crypto';
import { backoffMs } from '../lib/backoff.ts';
import { sleep } from '../lib/sleep.ts';
import { within } from '../lib/within.ts';
import { REQUEST_TIMEOUT_MS, type RedisConnections } from './client.ts';

export interface Hints {
  send(hint: string): void;
  /** Until the signal aborts. null: some may have been missed. One's own hints do not come back. */
  listen(onHint: (hint: string | null) => void, signal: AbortSignal): Promise<void>;
}

const CHECK_INTERVAL_MS = 5_000;

export function createHints({ redis, logId }: { redis: RedisConnections; logId: string }): Hints {
  const channel = `access-service:{${logId}}:hints`;
  const sender = randomUUID();
  const waiting = new Set<string>();
  let sending = false;

  /** One at a time; what is said twice meanwhile goes out once. */
  async function flush(): Promise<void> {
    sending = true;
    for (const hint of waiting) {
      waiting.delete(hint);
      await redis.request.publish(channel, `${sender} ${hint}`).catch(() => undefined);
    }
    sending = false;
  }

  async function listenOnce(onHint: (hint: string | null) => void, signal: AbortSignal): Promise<void> {
    const reader = redis.openReader();
    const stop = () => reader.disconnect();
    signal.addEventListener('abort', stop, { once: true });
    try {
      await within(2 * REQUEST_TIMEOUT_MS, 'Redis connection', reader.connect());
      reader.on('message', (_, message) => {
        const [from, hint] = String(message).split(' ');
        if (from !== sender && hint !== undefined) onHint(hint);
      });
      const ended = new AbortController();
      reader.once('end', () => ended.abort());
      const either = AbortSignal.any([signal, ended.signal]);
      // Subscribing again alters nothing; the answer shows that the connection is alive.
      for (let first = true; !either.aborted; first = false) {
        await within(REQUEST_TIMEOUT_MS, 'Redis hints', reader.subscribe(channel));
        if (first) onHint(null);
        await sleep(CHECK_INTERVAL_MS, either);
      }
    } finally {
      signal.removeEventListener('abort', stop);
      // Twice on one client, and ioredis keeps the process for two seconds.
      if (!signal.aborted) reader.disconnect();
    }
  }

  return {
    send(hint) {
      waiting.add(hint);
      if (!sending) void flush();
    },
    async listen(onHint, signal) {
      for (let failures = 0; !signal.aborted; failures += 1) {
        const startedAt = performance.now();
        await listenOnce(onHint, signal).catch(() => undefined);
        if (performance.now() - startedAt > CHECK_INTERVAL_MS) failures = 0;
        await sleep(backoffMs(failures + 1, { minMs: 100, maxMs: 2_000 }), signal);
      }
    },
  };
}
