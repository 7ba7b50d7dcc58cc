// The load of the point queries: a process of its own on the core of the load (peers/load.js), one command at a time.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Kind } from './point-asks.ts';

export interface Target {
  url: string;
  query: string;
  /** By number of organization; none: nobody is asked who they are. */
  authorizations: readonly string[];
  /** Who is asked about, at random. */
  users: number;
  kind: Kind;
}

export interface Round {
  answersPerSecond: number;
  p50Ms: number;
  p99Ms: number;
}

export interface Load {
  prepare(name: string, target: Target): Promise<void>;
  /** Rejects unless every answer was right. */
  run(name: string, seconds: number): Promise<Round>;
  /** Asks about every user once. Rejects as `run` does. */
  askAll(name: string): Promise<void>;
  stop(): Promise<void>;
}

export const CONNECTIONS = 32;

export function startLoad(): Load {
  const child = fork(fileURLToPath(new URL('peers/load.js', import.meta.url)), {
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');

  async function command<T>(message: object): Promise<T> {
    const answer = once(child, 'message');
    child.send(message);
    const [reply] = (await Promise.race([answer, exited])) as [{ done: T; failed?: string } | number | null];
    if (reply === null || typeof reply !== 'object') throw new Error('the load has ended');
    if (reply.failed !== undefined) throw new Error(reply.failed);
    return reply.done;
  }

  async function measure(how: { run: string; seconds: number } | { run: string; once: true }): Promise<Round> {
    const { answers, seconds, p50, p99 } = await command<{ answers: number; seconds: number; p50: number; p99: number }>({
      ...how,
      connections: CONNECTIONS,
    });
    return { answersPerSecond: answers / seconds, p50Ms: p50, p99Ms: p99 };
  }

  return {
    prepare: (name, target) => command({ prepare: name, ...target }),
    run: (name, seconds) => measure({ run: name, seconds }),
    askAll: async (name) => void (await measure({ run: name, once: true })),
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}
