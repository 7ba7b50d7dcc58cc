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
  /** Publishes one change, or has it published, and waits until it was delivered so many times. */
  round(count: number, publish: Publication | (() => Promise<void>)): Promise<Deliveries>;
  close(): Promise<void>;
  stop(): Promise<void>;
}

export interface Publication {
  how: 'mqemitter' | 'redis';
  redisUrl: string;
  change: object;
}

export interface Deliveries {
  /** Milliseconds from the publication to each arrival. */
  latencies: number[];
  /** Of the text of one message. */
  bytes: number;
}

const PROGRAM = fileURLToPath(new URL('peers/subscribers.js', import.meta.url));
const PATIENCE_MS = 60_000;
const now = (): number => Number(process.hrtime.bigint()) / 1e6;

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

  return {
    open: async (options) => void (await ask({ open: options })),
    async round(count, publish) {
      const byUs = typeof publish === 'function';
      if (!byUs) {
        const told = await ask<{ publishedAt: number; arrivals: number[]; bytes: number }>({ round: { count, publish } });
        return { latencies: told.arrivals.map((at) => at - told.publishedAt), bytes: told.bytes };
      }
      await ask({ round: { count } });
      const all = answer<{ arrivals: number[]; bytes: number }>();
      const publishedAt = now();
      await publish();
      const { arrivals, bytes } = await all;
      return { latencies: arrivals.map((at) => at - publishedAt), bytes };
    },
    close: async () => void (await ask({ close: true })),
    async stop() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}
