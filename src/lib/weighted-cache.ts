// Keeps what was used last, up to a sum of weights. For keys that a stranger chooses: a number of entries bounds nothing.
export interface WeightedCache<V> {
  get(key: string): V | undefined;
  set(key: string, value: V): void;
}

export interface WeightedCacheOptions<V> {
  maxWeight: number;
  weigh(key: string, value: V): number;
}

export function createWeightedCache<V>({ maxWeight, weigh }: WeightedCacheOptions<V>): WeightedCache<V> {
  // In order of use: a Map remembers when a key was put in.
  const entries = new Map<string, { value: V; weight: number }>();
  let total = 0;
  const remove = (key: string): void => {
    total -= entries.get(key)?.weight ?? 0;
    entries.delete(key);
  };
  return {
    get(key) {
      const entry = entries.get(key);
      if (!entry) return undefined;
      entries.delete(key);
      entries.set(key, entry);
      return entry.value;
    },
    set(key, value) {
      remove(key);
      const weight = weigh(key, value);
      if (weight > maxWeight) return;
      entries.set(key, { value, weight });
      total += weight;
      for (const oldest of entries.keys()) {
        if (total <= maxWeight) return;
        remove(oldest);
      }
    },
  };
}
