// Pure: whether what was answered around a revocation keeps to I7.

/** Of I7, with Redis. */
export const BOUND_MS = 1_000;

export interface Probe {
  startedAtMs: number;
  isGranted: boolean;
}

/**
 * How long after the commit the last answer began that still granted; 0 when none did. Throws beyond the bound, and when the probes
 * prove nothing.
 */
export function ageOfLastGrant(name: string, probes: readonly Probe[], committedAtMs: number): number {
  const granted = probes.filter(({ isGranted }) => isGranted);
  const after = probes.filter(({ startedAtMs }) => startedAtMs > committedAtMs + BOUND_MS);
  if (after.length === 0 || !granted.some(({ startedAtMs }) => startedAtMs <= committedAtMs))
    throw new Error(`${name} was not asked for before and after`);
  if (after.some(({ isGranted }) => isGranted))
    throw new Error(`access of ${name} was still granted later than ${BOUND_MS} ms after its revocation`);
  return Math.max(0, ...granted.map(({ startedAtMs }) => startedAtMs - committedAtMs));
}
