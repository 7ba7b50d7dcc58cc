// An async iterator written by hand. `return()` on a native async generator waits for the pending `await` inside, so a
// consumer of a quiet source could never leave; here `return()` and the abort of the signal settle every pending `next()`
// at once, and whatever `produce` was doing is told by its signal and its late outcome dropped.

export interface PullOptions {
  /** Ends the iteration, quietly. */
  signal?: AbortSignal;
  /** Called once, however it ends. */
  onEnd?: () => void;
}

/** Whether what is produced is wanted any more. */
export interface Ending {
  readonly aborted: boolean;
  /** Made when it is asked for: ten thousand iterations that only wait need none. */
  readonly signal: AbortSignal;
}

interface Pull<T> {
  resolve: (result: IteratorResult<T>) => void;
  reject: (error: unknown) => void;
}

/** `produce` makes one item per pull, never two at a time; undefined ends the iteration, an error ends it and is thrown. */
export function pullIterator<T>(
  produce: (signal: AbortSignal) => Promise<T | undefined>,
  options: PullOptions = {},
): AsyncIterableIterator<T> {
  return frugalPullIterator(({ signal }) => produce(signal), options);
}

/** The same, for those of which there are many. */
export function frugalPullIterator<T>(
  produce: (ending: Ending) => Promise<T | undefined>,
  { signal, onEnd }: PullOptions = {},
): AsyncIterableIterator<T> {
  let ended = false;
  let controller: AbortController | undefined;
  /** The first one is being produced for. */
  const pulls: Pull<T>[] = [];

  const ending: Ending = {
    get aborted() {
      return ended;
    },
    get signal() {
      controller ??= new AbortController();
      if (ended) controller.abort();
      return controller.signal;
    },
  };

  const end = (): void => {
    if (ended) return;
    ended = true;
    signal?.removeEventListener('abort', end);
    controller?.abort();
    for (const { resolve } of pulls.splice(0)) resolve({ done: true, value: undefined });
    onEnd?.();
  };
  if (signal?.aborted) end();
  else signal?.addEventListener('abort', end);

  async function work(): Promise<void> {
    while (pulls.length > 0) {
      try {
        const value = await produce(ending);
        if (ended) return;
        if (value === undefined) end();
        else pulls.shift()?.resolve({ done: false, value });
      } catch (error) {
        pulls.shift()?.reject(error);
        end();
      }
    }
  }

  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next() {
      if (ended) return Promise.resolve({ done: true, value: undefined });
      return new Promise((resolve, reject) => {
        pulls.push({ resolve, reject });
        if (pulls.length === 1) void work();
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
