// Two real subscribers of entitlementChanges over real sockets: graphql-ws on WebSocket, and SSE by fetch. Both keep what they
// got, in order, so that a test can wait for it.
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';

export interface FollowedItem {
  __typename: 'EntitlementChange' | 'FeedCheckpoint';
  cursor: string;
  userId?: string;
  grantedPermissions?: string[];
  revokedPermissions?: string[];
  cause?: { kind: string; eventId: string | null };
}

export interface Follower {
  items: FollowedItem[];
  changes(): FollowedItem[];
  close(): Promise<void>;
}

const FOLLOW = `
  subscription Follow($after: Cursor) {
    entitlementChanges(after: $after) {
      __typename
      ... on EntitlementChange { cursor userId grantedPermissions revokedPermissions cause { kind eventId } }
      ... on FeedCheckpoint { cursor }
    }
  }`;

const follower = (items: FollowedItem[], close: () => Promise<void>): Follower => ({
  items,
  changes: () => items.filter((item) => item.__typename === 'EntitlementChange'),
  close,
});

export function followByWebSocket(url: string, key: string, after: string | null = null): Follower {
  const items: FollowedItem[] = [];
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${key}` },
    retryAttempts: 0,
  });
  const ended = new Promise<void>((resolve) => {
    client.subscribe<{ entitlementChanges: FollowedItem }>(
      { query: FOLLOW, variables: { after } },
      { next: ({ data }) => void (data && items.push(data.entitlementChanges)), error: () => resolve(), complete: () => resolve() },
    );
  });
  return follower(items, async () => {
    await client.dispose();
    await ended;
  });
}

export function followBySse(url: string, key: string, after: string | null = null): Follower {
  const items: FollowedItem[] = [];
  const stop = new AbortController();
  const read = async (): Promise<void> => {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization: `Bearer ${key}` },
      body: JSON.stringify({ query: FOLLOW, variables: { after } }),
      signal: stop.signal,
    });
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString('utf8');
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const data = /^data: ?(.*)$/m.exec(text.slice(0, end))?.[1];
        text = text.slice(end + 2);
        const payload = data ? (JSON.parse(data) as { data?: { entitlementChanges: FollowedItem } }) : undefined;
        if (payload?.data) items.push(payload.data.entitlementChanges);
      }
    }
  };
  // A cut stream is an end like any other here: what was received is what counts.
  const ended = read().catch(() => undefined);
  return follower(items, async () => {
    stop.abort();
    await ended;
  });
}
