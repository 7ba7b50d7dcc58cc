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

  return {
    prepare: (name, target) => command({ prepare: name, ...target }),
    async run(name, seconds) {
      const {
        answers,
        seconds: took,
        p50,
        p99,
      } = await command<{ answers: number; seconds: number; p50: number; p99: number }>({
        run: name,
        connections: CONNECTIONS,
        seconds,
      });
      return { answersPerSecond: answers / took, p50Ms: p50, p99Ms: p99 };
    },
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}
