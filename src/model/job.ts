// The jobs of `work`: each is led by one process at a time.
export const JOBS = ['sync', 'apply', 'relay', 'upkeep', 'replays'] as const;
export type Job = (typeof JOBS)[number];
