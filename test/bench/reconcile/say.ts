// Progress of run.ts, with the seconds since its start.
const startedAt = performance.now();

export const say = (text: string): void =>
  void process.stdout.write(`${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(7)} s  ${text}\n`);
