// Collects the keys that sibling fields ask for and loads them together, so that a list of n users costs one statement and
// not n. It batches and never caches: the context of a subscription lives for days, and a remembered answer would be a stale
// one (I7).

interface Waiting<V> {
  promise: Promise<V | undefined>;
  resolve(value: V | undefined): void;
  reject(error: unknown): void;
}

/** `load` gets distinct keys; a key that is missing from its answer gives undefined. */
export function createBatch<K, V>(load: (keys: K[]) => Promise<ReadonlyMap<K, V>>): (key: K) => Promise<V | undefined> {
  let waiting = new Map<K, Waiting<V>>();

  async function flush(): Promise<void> {
    const batch = waiting;
    waiting = new Map();
    try {
      const found = await load([...batch.keys()]);
      for (const [key, { resolve }] of batch) resolve(found.get(key));
    } catch (error) {
      for (const { reject } of batch.values()) reject(error);
    }
  }

  return (key) => {
    const joined = waiting.get(key);
    if (joined) return joined.promise;
    // After the promise jobs that are queued now, so that siblings which sit a few promises deeper still get in.
    if (waiting.size === 0) void Promise.resolve().then(() => process.nextTick(() => void flush()));
    const { promise, resolve, reject } = Promise.withResolvers<V | undefined>();
    waiting.set(key, { promise, resolve, reject });
    return promise;
  };
}
