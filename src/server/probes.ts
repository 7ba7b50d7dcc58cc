// What an orchestrator asks, without a key.
//   /livez   the event loop of this process turns, nothing else: a stalled one cannot answer, and the prober's time-out is the
//            finding. It says how late the loop was of late, at worst. No dependency counts: restarting us does not mend Postgres.
//   /readyz  whether to send requests here: database and migrations. What is only wanted (Redis) is named under `degraded`
//            when it is away. Off as soon as a stop begins.
import type { ServerResponse } from 'node:http';
import { watchLoopLateness } from '../lib/loop-lateness.ts';
import { respondJson } from './respond.ts';

export interface Check {
  name: string;
  ok: boolean;
  /** false: without it everything is answered all the same, if later. */
  required?: boolean;
}

export interface Probes {
  /** false: the path is none of ours. */
  answer(path: string | undefined, res: ServerResponse): Promise<boolean>;
  /** Not ready from now on. */
  retire(): void;
  close(): void;
}

export function createProbes(readiness: () => Promise<readonly Check[]>): Probes {
  const lateness = watchLoopLateness();
  let retired = false;

  const live = (res: ServerResponse): void => respondJson(res, 200, { live: true, eventLoopDelayMs: lateness.worstMs() });

  async function ready(res: ServerResponse): Promise<void> {
    const checks = await readiness();
    const degraded = checks.filter(({ ok, required = true }) => !ok && !required).map(({ name }) => name);
    const isReady = !retired && checks.every(({ ok, required = true }) => ok || !required);
    respondJson(res, isReady ? 200 : 503, {
      ready: isReady,
      ...(retired && { stopping: true }),
      ...(degraded.length > 0 && { degraded }),
      checks: Object.fromEntries(checks.map(({ name, ok }) => [name, ok])),
    });
  }

  return {
    async answer(path, res) {
      if (path === '/livez') live(res);
      else if (path === '/readyz') await ready(res);
      else return false;
      return true;
    },
    retire() {
      retired = true;
    },
    close: lateness.close,
  };
}
