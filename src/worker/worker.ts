// The jobs of `work`: inbox in, inbox applied, changes out, and what keeps them true. Any number of processes may run this;
// each job is led by one of them (leader.ts). Every loop is nudged by what feeds it and polls behind that.
import { pruneChanges } from '../changes/prune.ts';
import type { Db } from '../db/client.ts';
import type { Fenced, Leases } from '../db/lease.ts';
import { expireGrants } from '../entitlements/grants.ts';
import { dueWideChanges, finishWideChanges } from '../entitlements/wide-change.ts';
import { messageOf } from '../errors.ts';
import { createPoller } from '../ingest/poll-events.ts';
import { type LoopOptions, runLoop } from '../lib/loop.ts';
import type { Nudge } from '../lib/nudge.ts';
import { singleFlight } from '../lib/single-flight.ts';
import type { Logger } from '../log.ts';
import type { Job } from '../model/job.ts';
import type { Counts, Tracing } from '../model/telemetry.ts';
import { createDirectoryReader } from '../ops/directory-reader.ts';
import { createImporter, type ImportDeps } from '../ops/import-directory.ts';
import { pruneHealthHistory } from '../ops/prune-health-history.ts';
import { createReconciler } from '../ops/reconcile-loop.ts';
import { createReconcileSchedule, type ReconcileScheduleDeps } from '../ops/reconcile-schedule.ts';
import { refreshNext } from '../ops/refresh-accounts.ts';
import type { Replays } from '../ops/replay.ts';
import { createJustRecorded } from '../relay/just-recorded.ts';
import { createRelay, type RelayOptions } from '../relay/relay.ts';
import type { WorkosClient } from '../workos/client.ts';
import { createApplyStep, LOOK_INTERVAL_MS } from './apply-loop.ts';
import type { DuePartitions } from './due-partitions.ts';
import { runAsLeader, type Term } from './leader.ts';
import { createSyncStep } from './sync-loop.ts';

/** Each is nudged by whoever gives its loop something to do. */
export interface WorkerNudges {
  poll: Nudge;
  apply: DuePartitions;
  relay: Nudge;
}

export interface WorkerDeps {
  db: Db;
  leases: Leases;
  /** Names this process among those that want a lease. */
  holder: string;
  workos: WorkosClient;
  log: Logger;
  clock: () => Date;
  /** Of this process: its loops wait on them. */
  nudges: WorkerNudges;
  /** Wakes the loop wherever it runs. */
  wake: (loop: keyof WorkerNudges) => void;
  counts: Counts;
  tracing: Tracing;
  stream: RelayOptions['stream'];
  onPublished: RelayOptions['onPublished'];
  replays: Pick<Replays, 'run'>;
  initialImport: 'auto' | 'off';
  /** See RefreshDeps of src/ops/refresh-accounts.ts. */
  reactivation: 'read' | 'events';
  reconcile: Pick<ReconcileScheduleDeps, 'intervalHours' | 'repair'>;
  eventRetentionDays: number;
  changeRetentionDays: number;
  /** Organizations that are applied at a time. */
  applyConcurrency: number;
  userRequestsPerSecond: number;
  onWorkosOutcome: (error: unknown) => void;
  pollIntervalMs?: number;
  /** See leader.ts. */
  fenced?: Fenced | undefined;
  leaseTtlMs?: number | undefined;
}

const IMPORT_INTERVAL_MS = 2_000;
const RECONCILE_INTERVAL_MS = 1_000;
/** Between two looks at the counts of every directory. */
const PROBE_INTERVAL_MS = 900_000;
const REFRESH_INTERVAL_MS = 1_000;
const EXPIRY_INTERVAL_MS = 1_000;
const WIDE_CHANGE_INTERVAL_MS = 1_000;
const PRUNE_INTERVAL_MS = 60_000;
const PRUNE_BATCH = 5_000;
const DAY_SECONDS = 86_400;

type Step = Parameters<typeof runLoop>[0];

export function createWorker(deps: WorkerDeps): { run(signal: AbortSignal): Promise<void> } {
  const { workos, log, clock, nudges, wake, counts, tracing, initialImport, pollIntervalMs = 2_000 } = deps;
  const recorded = createJustRecorded();

  const loop = (name: string, term: Term, step: Step, options: Pick<LoopOptions, 'idleMs' | 'nudge'>): Promise<void> =>
    runLoop(step, {
      ...options,
      signal: term.signal,
      onError: (error, failures) => log.warn({ loop: name, failures, error: messageOf(error) }, 'a loop failed and goes on after a pause'),
    });

  const again = (did: boolean): 'again' | 'idle' => {
    if (did) wake('relay');
    return did ? 'again' : 'idle';
  };

  /** WorkOS → inbox: the poller and the full reads, also those that only compare; together they keep to its limits. */
  async function sync(term: Term): Promise<void> {
    const { db } = term;
    const reader = createDirectoryReader({ workos, clock, userRequestsPerSecond: deps.userRequestsPerSecond });
    const imports: ImportDeps = { db, workos, reader, log, clock };
    // Both loops below read pages; each page is read and counted once.
    const importer = { step: singleFlight(createImporter(imports).step) };
    const poll = createSyncStep({
      db,
      log,
      poller: createPoller({ db, workos, log, clock, tracing, eventsRetentionDays: deps.eventRetentionDays }),
      imports,
      importer,
      initialImport,
      onStored: () => wake('apply'),
      onOutcome: deps.onWorkosOutcome,
    });
    const reconciler = createReconciler({ db, workos, reader, log, clock, onChanges: () => wake('relay') });
    const schedule = createReconcileSchedule({ db, workos, log, ...deps.reconcile });
    await Promise.all([
      loop('sync', term, poll, { idleMs: pollIntervalMs, nudge: nudges.poll }),
      loop('import', term, async (s) => again(await importer.step(s)), { idleMs: IMPORT_INTERVAL_MS }),
      loop('reconcile', term, async (s) => ((await reconciler.step(s)) ? 'again' : 'idle'), { idleMs: RECONCILE_INTERVAL_MS }),
      loop('reconcile schedule', term, async (s) => schedule.step(s).then(() => 'idle'), { idleMs: PROBE_INTERVAL_MS }),
    ]);
  }

  const apply = (term: Term): Promise<void> => {
    const step = createApplyStep({
      db: term.db,
      log,
      concurrency: deps.applyConcurrency,
      requestImports: initialImport === 'auto',
      due: nudges.apply,
      onChanges: (changes) => {
        recorded.add(changes);
        wake('relay');
      },
      counts,
      tracing,
    });
    return loop('apply', term, step, { idleMs: LOOK_INTERVAL_MS, nudge: nudges.apply });
  };

  /** What whoever began it has left behind. */
  const goOn = async (db: Db, signal: AbortSignal): Promise<boolean> => {
    const changes = await dueWideChanges(db);
    if (changes.length > 0) log.info({ organizations: changes.length }, 'goes on with a change that touches many');
    await finishWideChanges(db, changes, { signal, onChanges: () => wake('relay') });
    return changes.length > 0;
  };

  /** What time alone brings about. */
  async function upkeep(term: Term): Promise<void> {
    const { db } = term;
    const keepSeconds = deps.changeRetentionDays * DAY_SECONDS;
    await Promise.all([
      loop('refresh', term, async (s) => again(await refreshNext({ db, workos, log, clock, reactivation: deps.reactivation }, s)), {
        idleMs: REFRESH_INTERVAL_MS,
      }),
      loop('wide changes', term, async (s) => again(await goOn(db, s)), { idleMs: WIDE_CHANGE_INTERVAL_MS }),
      loop('expiry', term, async () => again((await expireGrants(db, clock())) > 0), { idleMs: EXPIRY_INTERVAL_MS }),
      loop(
        'retention',
        term,
        async () => ((await pruneChanges(db, { keepSeconds, limit: PRUNE_BATCH })) === PRUNE_BATCH ? 'again' : 'idle'),
        { idleMs: PRUNE_INTERVAL_MS },
      ),
      loop('health history', term, async () => pruneHealthHistory(db).then(() => 'idle'), { idleMs: PRUNE_INTERVAL_MS }),
    ]);
  }

  const relay = ({ db, signal }: Term): Promise<void> =>
    createRelay({ db, stream: deps.stream, onPublished: deps.onPublished, nudge: nudges.relay, recorded, log, counts, tracing }).run(
      signal,
    );

  return {
    async run(signal) {
      const lead = (job: Job, until: AbortSignal, run: (term: Term) => Promise<void>): Promise<void> =>
        runAsLeader({ ...deps, ttlMs: deps.leaseTtlMs }, job, until, run);
      // The relay ends last, so that what the others have just committed is handed on.
      const relaying = new AbortController();
      const others = Promise.all([
        lead('sync', signal, sync),
        lead('apply', signal, apply),
        lead('upkeep', signal, upkeep),
        lead('replays', signal, (term) => deps.replays.run(term.signal, term.db)),
      ]).finally(() => relaying.abort());
      await Promise.all([others, lead('relay', relaying.signal, relay)]);
    },
  };
}
