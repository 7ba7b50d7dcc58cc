/** Callers within so many milliseconds of a successful or pending look share it. */
export function shareFor<T>(ms: number, look: () => Promise<T>): () => Promise<T> {
  let atMs = Number.NEGATIVE_INFINITY;
  let shared: Promise<T> | undefined;
  return () => {
    if (shared && performance.now() - atMs < ms) return shared;
    const mine = look();
    atMs = performance.now();
    shared = mine;
    mine.catch(() => {
      if (shared === mine) shared = undefined;
    });
    return mine;
  };
}
