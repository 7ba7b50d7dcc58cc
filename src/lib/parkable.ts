// An async iterator that costs its consumer nothing while there is nothing: instead of a `next()` that stays pending, through
// every layer on the way, the consumer leaves a function behind. Ten thousand of them wait most of the time.

export interface Parkable<T> extends AsyncIterableIterator<T> {
  /**
   * Where the next item is not there yet: true, and `take` is called once, with the item when it comes, or with null when
   * `next()` must be asked (to wait for something, or because it has ended). Else false: `next()` is to be asked now.
   * Not while a `next()` is pending.
   */
  park?(take: (item: T | null) => void): boolean;
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
  let take: ((item: R | null) => void) | undefined;
  const pass = (item: T | null): void => {
    const altered = item === null ? undefined : alter(item);
    if (item !== null && altered === undefined) kept = { done: false, value: item };
    take?.(altered ?? null);
  };
  return {
    async nextItem() {
      const first = kept;
      kept = undefined;
      return first ?? source.next();
    },
    park(next) {
      if (kept || !source.park) return false;
      take = next;
      return source.park(pass);
    },
  };
}
