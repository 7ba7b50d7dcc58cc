/** At most `max` per window and key; counts by whole windows of the clock, so its memory is one window's keys. */
export function createRateLimit(max: number, windowMs: number): (key: string, nowMs: number) => boolean {
  let window = 0;
  let counts = new Map<string, number>();
  return (key, nowMs) => {
    const current = Math.floor(nowMs / windowMs);
    if (current !== window) {
      window = current;
      counts = new Map();
    }
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    return count <= max;
  };
}
