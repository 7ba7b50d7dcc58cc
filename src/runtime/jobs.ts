// The jobs of `work` and `start`, with the WorkOS that they read: the real one, or the stand-in.
import { type Config, DEFAULT_WORKOS_API_URL } from '../config.ts';
import { openLeases } from '../db/lease.ts';
import { messageOf } from '../errors.ts';
import type { FakeWorkos } from '../fake-workos/server.ts';
import type { Closer } from '../lib/closer.ts';
import { within } from '../lib/within.ts';
import type { Logger } from '../log.ts';
import { giveCompanyItsCatalog, openFake } from '../stand-ins.ts';
import { createWorker, type WorkerDeps } from '../worker/worker.ts';
import { createWorkosClient, type WorkosClient } from '../workos/client.ts';
import type { Storage } from './storage.ts';

/** For transactions under way. Then the rest of the stop goes on, and what they hold is taken back by the database. */
const JOBS_STOP_TIMEOUT_MS = 10_000;
const WORKOS_USER_REQUESTS_PER_SECOND = 4;

/** For tests: a defence switched off, a shorter wait. */
export type Overrides = Pick<WorkerDeps, 'fenced' | 'leaseTtlMs'>;

export interface JobsDeps extends Pick<WorkerDeps, 'holder' | 'nudges' | 'wake' | 'onPublished' | 'counts' | 'tracing' | 'replays'> {
  config: Config;
  storage: Storage;
  log: Logger;
  closer: Closer;
  /** Where the stand-in delivers webhooks; null: nowhere. */
  url: string | null;
  /** Before the first job begins. */
  onWorkos: (workos: WorkosClient) => void;
  /** null: the last request went well. */
  onWorkosError: (message: string | null) => void;
  overrides: Overrides;
}

/** The stand-in, where it is one. */
export async function startJobs(deps: JobsDeps): Promise<FakeWorkos | null> {
  const { config, storage, log, closer, url, onWorkos, onWorkosError, overrides, ...rest } = deps;
  const fake = config.workos ? null : await openFake(config, url, log, closer);
  const target = config.workos ?? { apiKey: fake?.apiKey ?? '', apiUrl: fake?.url ?? '' };
  if (fake) await giveCompanyItsCatalog(storage.work.db, log);
  const workos = createWorkosClient({ ...target, log });
  onWorkos(workos);
  const leases = openLeases({ url: storage.databaseUrl, log });
  closer.add('leases', leases.close);
  const worker = createWorker({
    ...rest,
    db: storage.work.db,
    workos,
    log,
    clock: storage.databaseClock.now,
    leases,
    stream: storage.stream,
    eventRetentionDays: config.eventRetentionDays,
    changeRetentionDays: config.changeRetentionDays,
    // One connection is for organizations that are applied together, the last one for whoever else has something to do.
    applyConcurrency: Math.max(1, Math.min(config.applyConcurrency, config.workerPoolSize - 2)),
    initialImport: config.initialImport,
    reactivation: config.reactivation,
    reconcile: config.reconcile,
    userRequestsPerSecond: target.apiUrl === DEFAULT_WORKOS_API_URL ? WORKOS_USER_REQUESTS_PER_SECOND : Number.POSITIVE_INFINITY,
    onWorkosOutcome: (error) => onWorkosError(error === undefined ? null : messageOf(error)),
    ...overrides,
  });
  const jobs = new AbortController();
  const working = worker.run(jobs.signal);
  closer.add('jobs', () => {
    jobs.abort();
    return within(JOBS_STOP_TIMEOUT_MS, 'the jobs', working);
  });
  return fake;
}
