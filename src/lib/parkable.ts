// An async iterator that costs its consumer nothing while there is nothing: instead of a `next()` that stays pending, through
// every layer on the way, the consumer leaves a function behind. Ten thousand of them wait most of the time.

/** Answers whether the next one is wanted in the same way; what it answers to null does not count. */
export type Take<T> = (item: T | null) => boolean;

export interface Parkable<T> extends AsyncIterableIterator<T> {
  /**
   * Where the next item is not there yet: true, and `take` is called with each item when it comes, as long as it answers true.
   * With null, once and then no more, when `next()` must be asked: to wait for something, or because it has ended.
   * Else false: `next()` is to be asked now. Not while a `next()` is pending.
   */
  park?(take: Take<T>): boolean;
}

/**
 * For an iterator whose items are those of another, altered: `alter` does it at once, or answers undefined. Then the item is kept,
 * and `nextItem` gives it before any other, to be altered with all the time that takes.
 */
export function parkThrough<T, R>(
  source: Parkable<T>,
  alter: (item: T) => R | undefined,
): Required<Pick<Parkable<R>, 'park'>> & { nextItem(): Promise<IteratorResult<T>> } {
  let kept: IteratorYieldResult<T> | undefined;
  let take: Take<R> = () => false;
  const pass: Take<T> = (item) => {
    const altered = item === null ? undefined : alter(item);
    if (altered !== undefined) return take(altered);
    if (item !== null) kept = { done: false, value: item };
    take(null);
    return false;
  };
  return {
    async nextItem() {
      const first = kept;
      kept = undefined;
      return first ?? source.next();
    },
    park(taking) {
      if (kept || !source.park) return false;
      take = taking;
      return source.park(pass);
    },
  };
}
