/** Delay before attempt `attempt` (1 = after the first failure): exponential between `minMs` and `maxMs`, full jitter on the upper half. */
export function backoffMs(
  attempt: number,
  { minMs, maxMs, random = Math.random }: { minMs: number; maxMs: number; random?: () => number },
): number {
  const ceiling = Math.min(maxMs, minMs * 2 ** Math.max(0, attempt - 1));
  return Math.round(ceiling / 2 + (random() * ceiling) / 2);
}
