// Keeps what was used last, up to a sum of weights. For keys that a stranger chooses: a number of entries bounds nothing.
import { LRUCache } from 'lru-cache';

export interface WeightedCache<V, K extends string | number = string> {
  get(key: K): V | undefined;
  /** Weighs it, also when it was there before: it may have grown. */
  set(key: K, value: V): void;
}

export interface WeightedCacheOptions<V, K extends string | number = string> {
  maxWeight: number;
  weigh(key: K, value: V): number;
  /** Weight of what entries hold together. */
  shared?: (() => number) | undefined;
  /** Of one that had to make room, for good. */
  onGone?: ((value: V, key: K) => void) | undefined;
}

export function createWeightedCache<V, K extends string | number = string>({
  maxWeight,
  weigh,
  shared = () => 0,
  onGone = () => {},
}: WeightedCacheOptions<V, K>): WeightedCache<V, K> {
  const entries = new LRUCache<K, V & {}>({
    maxSize: maxWeight,
    sizeCalculation: (value, key) => weigh(key, value),
    dispose: (value, key, reason) => reason === 'evict' && onGone(value, key),
  });
  return {
    get: (key) => entries.get(key),
    set(key, value) {
      // The same value alone would not be weighed again.
      entries.delete(key);
      entries.set(key, value as V & {});
      // One that alone is too heavy.
      if (!entries.has(key)) onGone(value, key);
      while (entries.size > 0 && entries.calculatedSize + shared() > maxWeight) entries.pop();
    },
  };
}
