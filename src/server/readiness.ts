// Whether this process can answer: the database does, with every migration of this version (a restored backup may lack some;
// more of them, from a newer version that is being rolled out, do no harm). Redis is wanted, not needed. One look at a
// time: whoever asks meanwhile, and the path needs no key, gets the same.
import { singleFlight } from '../lib/single-flight.ts';
import type { Check } from './probes.ts';

export interface ReadinessDeps {
  /** Rejects when the database does not answer in time. */
  migrated: () => Promise<boolean>;
  /** null: there is no Redis. Rejects when it does not answer in time. */
  redis: (() => Promise<unknown>) | null;
}

export function createReadiness({ migrated, redis }: ReadinessDeps): () => Promise<readonly Check[]> {
  async function look(): Promise<Check[]> {
    const [history, wakes] = await Promise.allSettled([migrated(), redis?.()]);
    return [
      { name: 'database', ok: history.status === 'fulfilled' },
      { name: 'migrations', ok: history.status === 'fulfilled' && history.value },
      ...(redis ? [{ name: 'redis', ok: wakes.status === 'fulfilled', required: false }] : []),
    ];
  }
  return singleFlight(look);
}
