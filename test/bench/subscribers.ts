// The subscribers of one server (peers/subscribers.js) as a process of their own, on the core of the load.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface Subscribers {
  /** `greets`: a subscription begins with a message. */
  open(o: {
    url: string;
    authorization: string;
    count: number;
    query: string;
    variables: readonly object[];
    greets: boolean;
  }): Promise<void>;
  /** Publishes changes, or has them published, until one has come to everybody: not every server says when a subscription has begun. */
  rollCall(publish: Publish): Promise<void>;
  /** Publishes one change, and waits until it was delivered so many times. */
  round(count: number, publish: Publish): Promise<Deliveries>;
  close(): Promise<void>;
  stop(): Promise<void>;
}

export interface Publication {
  how: 'mqemitter' | 'redis';
  redisUrl: string;
  change: object;
}

/** Answers when it was handed to Redis, by the clock of `now`. */
export type Publish = Publication | (() => Promise<number>);

export interface Deliveries {
  /** Milliseconds from the publication to each arrival. */
  latencies: number[];
  /** Of the text of one message. */
  bytes: number;
}

const PROGRAM = fileURLToPath(new URL('peers/subscribers.js', import.meta.url));
const PATIENCE_MS = 60_000;
const ROLL_CALLS = 5;
/** Milliseconds of the machine's monotonic clock, the same in every process. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6;

export function startSubscribers(): Subscribers {
  const child: ChildProcess = fork(PROGRAM, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });

  const exited = once(child, 'exit');

  async function answer<T>(): Promise<T> {
    const gone = new AbortController();
    const [reply] = (await Promise.race([
      once(child, 'message', { signal: AbortSignal.any([gone.signal, AbortSignal.timeout(PATIENCE_MS)]) }),
      exited,
    ])) as [T & { error?: string }];
    gone.abort();
    if (typeof reply !== 'object') throw new Error('the subscribers have ended');
    if (reply.error) throw new Error(reply.error);
    return reply;
  }
  const ask = <T>(question: object): Promise<T> => {
    const reply = answer<T>();
    child.send(question);
    return reply;
  };

  async function tell<T extends object>(what: 'roll' | 'round', question: object, publish: Publish): Promise<T> {
    if (typeof publish !== 'function') return ask<T>({ [what]: { ...question, publish } });
    await ask({ [what]: question });
    const told = answer<T>();
    const publishedAt = await publish();
    return { ...(await told), publishedAt };
  }

  return {
    open: async (options) => void (await ask({ open: options })),
    async rollCall(publish) {
      for (let time = 0; time < ROLL_CALLS; time += 1) if ((await tell<{ missing: number }>('roll', {}, publish)).missing === 0) return;
      throw new Error('subscriptions have not begun');
    },
    async round(count, publish) {
      const { publishedAt, arrivals, bytes } = await tell<{ publishedAt: number; arrivals: number[]; bytes: number }>(
        'round',
        { count },
        publish,
      );
      return { latencies: arrivals.map((at) => at - publishedAt), bytes };
    },
    close: async () => void (await ask({ close: true })),
    async stop() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}
