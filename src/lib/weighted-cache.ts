// Keeps what was used last, up to a sum of weights. For keys that a stranger chooses: a number of entries bounds nothing.
import { LRUCache } from 'lru-cache';

export interface WeightedCache<V> {
  get(key: string): V | undefined;
  /** Weighs it, also when it was there before: it may have grown. */
  set(key: string, value: V): void;
}

export interface WeightedCacheOptions<V> {
  maxWeight: number;
  weigh(key: string, value: V): number;
}

export function createWeightedCache<V>({ maxWeight, weigh }: WeightedCacheOptions<V>): WeightedCache<V> {
  const entries = new LRUCache<string, V & {}>({ maxSize: maxWeight, sizeCalculation: (value, key) => weigh(key, value) });
  return {
    get: (key) => entries.get(key),
    set(key, value) {
      // The same value alone would not be weighed again.
      entries.delete(key);
      entries.set(key, value as V & {});
    },
  };
}
