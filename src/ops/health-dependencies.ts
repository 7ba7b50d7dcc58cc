// Asks each dependency at once, and waits for none of them for long. Reasons stay short: they are shown to callers, so an
// error's own text, which may hold addresses, is not passed on.
import { within } from '../lib/within.ts';
import type { DependencyHealth } from './health-assess.ts';

export interface Dependency {
  name: string;
  /** Milliseconds of one round trip; rejects when there is no answer. */
  check: () => Promise<number>;
}

const TIMEOUT_MS = 3_000;

export const lookAt = (dependencies: readonly Dependency[]): Promise<DependencyHealth[]> =>
  Promise.all(
    dependencies.map(async ({ name, check }): Promise<DependencyHealth> => {
      try {
        return { name, ok: true, latencyMs: await within(TIMEOUT_MS, name, check()), error: null };
      } catch {
        return { name, ok: false, latencyMs: null, error: 'it does not answer' };
      }
    }),
  );
