// One connection, from its opening to its end; it never comes again by itself (feed.ts does that, with a new cursor and a new
// token). A connection that is silent for longer than a quiet feed can be is given up: a dead peer says no goodbye.
import { createClient } from 'graphql-ws/client';
import { FOLLOW_CHANGES } from './documents.ts';
import type { Ending, WireError } from './ending.ts';
import { type FeedFilter, type FeedItem, itemOf } from './items.ts';

export interface ConnectionOptions {
  url: string;
  authorization: string;
  filter: FeedFilter;
  /** null: from now on. */
  after: string | null;
  webSocket: typeof WebSocket;
  /** Until the first item, and between items. */
  silenceMs: number;
  /** Between pings. */
  pingMs: number;
  onItem(item: FeedItem): void;
  /** A ping that was sent at `sentAt` (of performance.now) came back. */
  onPong(sentAt: number): void;
}

export interface Connection {
  /** Never rejects; undefined after `leave`. */
  ended: Promise<Ending | undefined>;
  leave(): void;
}

export function connect(options: ConnectionOptions): Connection {
  const { url, authorization, filter, after, webSocket, silenceMs, pingMs, onItem, onPong } = options;
  const { promise: ended, resolve } = Promise.withResolvers<Ending | undefined>();
  let over = false;
  let pingedAt = 0;
  const client = createClient({
    url,
    webSocketImpl: webSocket,
    connectionParams: { authorization },
    retryAttempts: 0,
    keepAlive: pingMs,
    connectionAckWaitTimeout: silenceMs,
    on: {
      // Heard first here: after a 1000 graphql-ws would come again by itself, with the old cursor.
      closed: (event) => end(endingOf(event)),
      ping: (received) => {
        if (!received) pingedAt = performance.now();
      },
      pong: (received) => {
        if (received && !over) onPong(pingedAt);
      },
    },
  });

  let silence = setTimeout(onSilence, silenceMs);
  function onSilence(): void {
    end({ kind: 'broken', reason: `nothing was heard for ${silenceMs} ms` });
  }

  function end(ending: Ending | undefined): void {
    if (over) return;
    over = true;
    clearTimeout(silence);
    unsubscribe();
    // Also where the connection was never made.
    client.terminate();
    resolve(ending);
  }

  const unsubscribe = client.subscribe<{ entitlementChanges: unknown }>(
    { query: FOLLOW_CHANGES, operationName: 'FollowChanges', variables: { filter, after } },
    {
      next({ data, errors }) {
        if (over) return;
        if (errors) return end({ kind: 'errors', errors: errors as readonly WireError[] });
        const item = itemOf(data);
        if (!item) return end({ kind: 'broken', reason: 'the service sent something that is no item of the feed' });
        clearTimeout(silence);
        silence = setTimeout(onSilence, silenceMs);
        onItem(item);
      },
      error: (error) => end(endingOf(error)),
      complete: () => end({ kind: 'completed' }),
    },
  );
  return { ended, leave: () => end(undefined) };
}

/** GraphQL errors come as a list, a close as an event with a code, anything else is the socket's own error. */
function endingOf(error: unknown): Ending {
  if (Array.isArray(error)) return { kind: 'errors', errors: error };
  const { code, reason, message } = error as { code?: unknown; reason?: unknown; message?: unknown };
  if (typeof code === 'number') return { kind: 'closed', code, reason: String(reason ?? '') };
  return { kind: 'broken', reason: `the connection failed${message ? `: ${message}` : ''}` };
}
