// What a subscriber of the feed has received, by whichever way it follows: the consumer client in this process or in a process
// of its own, or server-sent events. Each comes again from its last cursor after every cut, for ever.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createAccessFeed } from '../../src/client/client.ts';
import { sleep } from '../../src/lib/sleep.ts';

/** A change or a checkpoint, in short. */
export interface Received {
  cursor: string;
  /** null: a checkpoint. */
  change: string | null;
  caughtUp: boolean | null;
}

export interface Subscriber {
  name: string;
  organizationId: string | null;
  received: readonly Received[];
  /** What ended it though nobody wished so; null when nothing did. */
  failure(): string | null;
  freeze?(): void;
  thaw?(): void;
  close(): Promise<void>;
}

export interface SubscriberOptions {
  name: string;
  url: string;
  key: string;
  organizationId?: string | null;
}

interface ChangeFields {
  userId: string;
  grantedPermissions: readonly string[];
  revokedPermissions: readonly string[];
  grantedRoles: readonly string[];
  revokedRoles: readonly string[];
}

/** One change as text, the same from the feed and from the table. */
export const inShort = ({ userId, grantedPermissions, revokedPermissions, grantedRoles, revokedRoles }: ChangeFields): string =>
  `${userId} +${grantedPermissions} -${revokedPermissions} +${grantedRoles} -${revokedRoles}`;

export function followByClient({ name, url, key, organizationId = null }: SubscriberOptions): Subscriber {
  const received: Received[] = [];
  const stop = new AbortController();
  let failure: string | null = null;
  const feed = createAccessFeed({
    url,
    token: key,
    ...(organizationId && { filter: { organizationId } }),
    signal: stop.signal,
    backoff: { minMs: 100, maxMs: 2_000 },
  });
  const reading = (async () => {
    for await (const item of feed) {
      received.push({
        cursor: item.cursor,
        change: item.kind === 'change' ? inShort(item) : null,
        caughtUp: item.kind === 'checkpoint' ? item.caughtUp : null,
      });
    }
  })().catch((error: unknown) => {
    failure = String(error);
  });
  return {
    name,
    organizationId,
    received,
    failure: () => failure,
    async close() {
      stop.abort();
      await reading;
      await feed.ended;
    },
  };
}

const SCRIPT = fileURLToPath(new URL('subscriber-process.ts', import.meta.url));

export function followByProcess({ name, url, key, organizationId = null }: SubscriberOptions): Subscriber {
  const received: Received[] = [];
  const child: ChildProcess = spawn(process.execPath, [SCRIPT, url, key, organizationId ?? ''], { stdio: ['pipe', 'pipe', 'pipe'] });
  let failure: string | null = null;
  let closing = false;
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2_000);
  });
  if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => void received.push(JSON.parse(line) as Received));
  const ended = once(child, 'close').then(([code, signal]) => {
    if (!closing) failure = `ended with ${code ?? signal}: ${said}`;
  });
  return {
    name,
    organizationId,
    received,
    failure: () => failure,
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    async close() {
      closing = true;
      child.kill('SIGCONT');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

const FOLLOW = `
  subscription Follow($after: Cursor, $filter: EntitlementChangeFilter) {
    entitlementChanges(after: $after, filter: $filter) {
      ... on EntitlementChange { cursor userId grantedPermissions revokedPermissions grantedRoles revokedRoles }
      ... on FeedCheckpoint { cursor caughtUp }
    }
  }`;

export function followBySse({ name, url, key, organizationId = null }: SubscriberOptions): Subscriber {
  const received: Received[] = [];
  const stop = new AbortController();
  const take = (event: string): void => {
    const data = /^data: ?(.*)$/m.exec(event)?.[1];
    const item = data
      ? (JSON.parse(data) as { data?: { entitlementChanges?: ChangeFields & { cursor: string; caughtUp?: boolean } } }).data
          ?.entitlementChanges
      : undefined;
    if (item) received.push({ cursor: item.cursor, change: item.userId ? inShort(item) : null, caughtUp: item.caughtUp ?? null });
  };
  const followOnce = async (): Promise<void> => {
    // A silent stream is a dead one: checkpoints come every 15 s.
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), 20_000);
    try {
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization: `Bearer ${key}` },
        body: JSON.stringify({
          query: FOLLOW,
          variables: { after: received.at(-1)?.cursor ?? null, filter: organizationId ? { organizationId } : null },
        }),
        signal: AbortSignal.any([stop.signal, silence.signal]),
      });
      let text = '';
      for await (const chunk of response.body ?? []) {
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), 20_000);
        text += Buffer.from(chunk).toString('utf8');
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          take(text.slice(0, end));
          text = text.slice(end + 2);
        }
      }
    } finally {
      clearTimeout(timer);
    }
  };
  const following = (async () => {
    while (!stop.signal.aborted) {
      await followOnce().catch(() => undefined);
      await sleep(200, stop.signal);
    }
  })();
  return {
    name,
    organizationId,
    received,
    failure: () => null,
    async close() {
      stop.abort();
      await following;
    },
  };
}
