// An async iterator written by hand. `return()` on a native async generator waits for the pending `await` inside, so a
// consumer of a quiet source could never leave; here `return()` and the abort of the signal settle every pending `next()`
// at once, and whatever `produce` was doing is told by its signal and its late outcome dropped.

export interface PullOptions {
  /** Ends the iteration, quietly. */
  signal?: AbortSignal;
  /** Called once, however it ends. */
  onEnd?: () => void;
}

/** `produce` makes one item per pull, never two at a time; undefined ends the iteration, an error ends it and is thrown. */
export function pullIterator<T>(
  produce: (signal: AbortSignal) => Promise<T | undefined>,
  { signal, onEnd }: PullOptions = {},
): AsyncIterableIterator<T> {
  const ending = new AbortController();
  const pending = new Set<() => void>();
  let turn: Promise<void> = Promise.resolve();

  const end = (): void => {
    if (ending.signal.aborted) return;
    signal?.removeEventListener('abort', end);
    ending.abort();
    for (const settle of pending) settle();
    pending.clear();
    onEnd?.();
  };
  if (signal?.aborted) end();
  else signal?.addEventListener('abort', end);

  const pull = async (
    settle: () => void,
    resolve: (result: IteratorResult<T>) => void,
    reject: (error: unknown) => void,
  ): Promise<void> => {
    if (ending.signal.aborted) return;
    try {
      const value = await produce(ending.signal);
      if (value === undefined) end();
      else if (pending.delete(settle)) resolve({ done: false, value });
    } catch (error) {
      if (!pending.delete(settle)) return;
      reject(error);
      end();
    }
  };

  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next() {
      if (ending.signal.aborted) return Promise.resolve({ done: true, value: undefined });
      return new Promise((resolve, reject) => {
        const settle = () => resolve({ done: true, value: undefined });
        pending.add(settle);
        turn = turn.then(() => pull(settle, resolve, reject));
      });
    },
    return() {
      end();
      return Promise.resolve({ done: true, value: undefined });
    },
    throw(error: unknown) {
      end();
      return Promise.reject(error);
    },
  };
}
