// When a key was used last: an operator must see which keys nobody needs any more, and no request may wait for that. Written
// at most once a minute and key, whatever the number of requests and processes, and many keys in one statement.
import type { Db } from '../db/client.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';

const EVERY_MS = 60_000;
const GATHER_MS = 1_000;

// By primary key. Sorted, so that two processes which write the same keys lock them in the same order.
const RECORD = `
  UPDATE api_key SET last_used_at = t.at FROM json_to_recordset($1::json) AS t(id text, at timestamptz)
  WHERE api_key.id = t.id AND (last_used_at IS NULL OR last_used_at < t.at - interval '55 seconds')`;

export interface LastUsed {
  /** Only for keys that exist: each is remembered. */
  touch(id: string): void;
  /** Writes what waits. */
  settled(): Promise<void>;
}

export function createLastUsed({ db, log, clock }: { db: Db; log: Logger; clock: () => Date }): LastUsed {
  const touchedAtMs = new Map<string, number>();
  let waiting: { id: string; at: Date }[] = [];
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  async function write(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    const batch = waiting.sort((a, b) => (a.id < b.id ? -1 : 1));
    waiting = [];
    if (batch.length === 0) return;
    await db
      .$executeRawUnsafe(RECORD, JSON.stringify(batch))
      .catch((error: unknown) => log.warn({ error: messageOf(error) }, 'when keys were last used could not be written'));
  }

  const flush = (): Promise<void> => {
    writing = writing.then(write);
    return writing;
  };

  return {
    touch(id) {
      const now = performance.now();
      if (now - (touchedAtMs.get(id) ?? Number.NEGATIVE_INFINITY) < EVERY_MS) return;
      touchedAtMs.set(id, now);
      waiting.push({ id, at: clock() });
      timer ??= setTimeout(() => void flush(), GATHER_MS).unref();
    },
    settled: flush,
  };
}
