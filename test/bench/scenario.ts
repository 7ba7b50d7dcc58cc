// What a scenario of the benchmark is, and how it measures: ours and the others in turn, round after round, so that a noisy
// machine is noisy for all of them. What counts is the ratio within the same run.

export interface BenchOptions {
  /** A sanity run: small data, short rounds. Its figures mean nothing. */
  quick: boolean;
  /** Alternating rounds; at least five unless quick. */
  rounds: number;
  /** Progress, for whoever waits. */
  say(text: string): void;
}

export interface Scenario {
  name: string;
  /** One line for --help. */
  about: string;
  /** Where that of run.ts is too short. */
  timeLimitSeconds?: number;
  /** Rows as they are known: those of a scenario that fails later are not lost. */
  run(options: BenchOptions): AsyncIterable<Comparison>;
}

/** One measure of ours against one of another. */
export interface Comparison {
  measure: string;
  unit: string;
  ours: readonly number[];
  /** Who else, for instance "mercurius, JIT"; "limit: …" for what nobody can beat. */
  other: string;
  theirs: readonly number[];
  /** What ours / theirs is wished to be. Absent: told for information only. */
  goal?: { atLeast: number } | { atMost: number };
}

/**
 * Runs each contender once in every round, in an order that rotates. `warmUp` rounds come before and do not count.
 * Contenders are asked one after the other: never two at a time.
 */
export async function alternate<Name extends string>(
  rounds: number,
  contenders: Record<Name, () => Promise<number>>,
  { warmUp = 1 }: { warmUp?: number } = {},
): Promise<Record<Name, number[]>> {
  const names = Object.keys(contenders) as Name[];
  const values = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = -warmUp; round < rounds; round += 1) {
    for (let turn = 0; turn < names.length; turn += 1) {
      const name = names[(turn + round + warmUp) % names.length] as Name;
      const value = await contenders[name]();
      if (round >= 0) values[name].push(value);
    }
  }
  return values;
}

/** Nearest rank; `q` of 0.5 is the median. NaN for an empty list. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * q) - 1))] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);
