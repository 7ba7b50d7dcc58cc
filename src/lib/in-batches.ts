import { setTimeout as delay } from 'node:timers/promises';

export interface BatchesOptions {
  /** At least so many at a time, and at most so many times. */
  minSize: number;
  maxBatches: number;
  /** Mean pause between two batches; each is drawn. */
  pauseMs: number;
  random?: () => number;
}

/** Does something to every item, not to all of them at once: whoever is sent away comes again somewhere. Resolves when all are done. */
export async function inBatches<T>(
  items: Iterable<T>,
  { minSize, maxBatches, pauseMs, random = Math.random }: BatchesOptions,
  act: (item: T) => unknown,
): Promise<void> {
  const all = [...items];
  const size = Math.max(minSize, Math.ceil(all.length / maxBatches));
  const acts: unknown[] = [];
  for (let start = 0; start < all.length; start += size) {
    if (start > 0) await delay(pauseMs / 2 + random() * pauseMs);
    for (const item of all.slice(start, start + size)) acts.push(act(item));
  }
  await Promise.all(acts);
}
