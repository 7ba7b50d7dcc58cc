// Property tests draw a new seed on every run, and say which: `SEED=… npm test -- FILE` draws the same again. fast-check
// prints seed and path with every counterexample.
import type { Parameters } from 'fast-check';

// The one setting that only tests have.
const given = process.env.SEED;

export const SEED = given ? Number(given) : Math.floor(Math.random() * 2 ** 31);

export function seeded(numRuns: number): Parameters<unknown> & { seed: number } {
  process.stdout.write(`seed ${SEED}\n`);
  return { seed: SEED, numRuns, endOnFailure: false };
}
