// What opens something registers at once how to close it; closing runs in reverse and goes on after a failure.
export interface Closer {
  add(name: string, close: () => Promise<unknown> | unknown): void;
  /** Idempotent. Calls `onError` for each step that failed. */
  close(onError: (name: string, error: unknown) => void): Promise<void>;
}

export function createCloser(): Closer {
  const steps: { name: string; close: () => Promise<unknown> | unknown }[] = [];
  let closing: Promise<void> | undefined;
  return {
    add: (name, close) => void steps.push({ name, close }),
    close(onError) {
      closing ??= (async () => {
        for (let step = steps.pop(); step; step = steps.pop()) {
          try {
            await step.close();
          } catch (error) {
            onError(step.name, error);
          }
        }
      })();
      return closing;
    },
  };
}
