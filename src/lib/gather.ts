// Look-ups of many askers in one trip: whoever asks while all lanes are under way waits for the next one. What a trip takes
// along is decided when it leaves (`take`), so nobody is ever answered by one that had left before it asked (I7).
import { AccessError } from '../errors.ts';

export interface GatherOptions<K, V> {
  /** Trips at a time. */
  lanes: number;
  /** Of one trip. */
  maxKeys: number;
  /** Those who waited longer than this for a trip are refused, UNAVAILABLE. */
  maxWaitMs: number;
  /** Calls `take` once, when it can leave at once; the answers are in the order of what it took. */
  send(take: () => K[]): Promise<readonly V[]>;
}

interface Waiting<K, V> {
  key: K;
  sinceMs: number;
  resolve(value: V): void;
  reject(error: unknown): void;
}

export function createGather<K, V>({ lanes, maxKeys, maxWaitMs, send }: GatherOptions<K, V>): (key: K) => Promise<V> {
  let waiting: Waiting<K, V>[] = [];
  let free = lanes;
  let planned = false;

  function plan(): void {
    if (planned || free === 0 || waiting.length === 0) return;
    planned = true;
    // After all that arrived in this turn of the event loop.
    setImmediate(() => void trip());
  }

  async function trip(): Promise<void> {
    planned = false;
    free -= 1;
    let taken: Waiting<K, V>[] | undefined;
    try {
      const values = await send(() => {
        taken = leave();
        return taken.map(({ key }) => key);
      });
      taken?.forEach(({ resolve }, index) => void resolve(values[index] as V));
    } catch (error) {
      // One that could not leave has answered nobody, and there is no better one for those who wait.
      for (const { reject } of taken ?? waiting.splice(0)) reject(error);
    }
    free += 1;
    plan();
  }

  function leave(): Waiting<K, V>[] {
    const earliest = performance.now() - maxWaitMs;
    const late = waiting.findIndex(({ sinceMs }) => sinceMs >= earliest);
    const refused = waiting.splice(0, late === -1 ? waiting.length : late);
    for (const { reject } of refused) reject(new AccessError('UNAVAILABLE', 'The database does not keep up at the moment. Ask again.'));
    if (waiting.length > maxKeys) return waiting.splice(0, maxKeys);
    const all = waiting;
    waiting = [];
    return all;
  }

  return (key) =>
    new Promise((resolve, reject) => {
      waiting.push({ key, sinceMs: performance.now(), resolve, reject });
      plan();
    });
}
