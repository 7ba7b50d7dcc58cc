// A directory at the fake WorkOS, the real client, and a reconciler that a test moves step by step, with the way of events
// beside it: what is published comes in by the Events API when the test polls.
import { applyCatalog } from '../../src/entitlements/catalog.ts';
import { type FakeWorkos, startFakeWorkos } from '../../src/fake-workos/server.ts';
import { createPoller } from '../../src/ingest/poll-events.ts';
import { createLogger } from '../../src/log.ts';
import { createDirectoryReader } from '../../src/ops/directory-reader.ts';
import type { DriftReportRow } from '../../src/ops/drift-row.ts';
import { createReconciliations, type ReconcileRequest } from '../../src/ops/reconcile.ts';
import { createReconciler, type ReconcilerDeps } from '../../src/ops/reconcile-loop.ts';
import { createWorkosClient, type WorkosClient } from '../../src/workos/client.ts';
import { applyDue, type CoreDatabase, openCoreDatabase } from './core-database.ts';
import { COMPANY_CATALOG } from './small-company.ts';
import { aDirectory, aGroup, aMembership, aUser, type Json } from './workos-objects.ts';

export const DIRECTORY = 'directory_1';
export const GROUPS = ['engineers', 'admins', 'everybody', 'leavers'];

type Reconciler = ReturnType<typeof createReconciler>;

export interface Rig {
  core: CoreDatabase;
  fake: FakeWorkos;
  /** As the directory says it now; `lost`: it is true, and no event will ever tell. */
  tell(type: string, data: unknown, o?: { lost?: boolean }): void;
  /** What was told comes in and is applied. */
  poll(): Promise<void>;
  /** What was told comes in and waits. */
  pollOnly(): Promise<void>;
  start(request?: Partial<ReconcileRequest>): Promise<DriftReportRow>;
  workos: WorkosClient;
  /** As of another worker. */
  another(): Reconciler;
  report(id: string): Promise<DriftReportRow>;
  /** Steps until it is over or waits; polls meanwhile. `each` comes before every step. */
  finish(id: string, each?: (row: DriftReportRow) => Promise<void> | void): Promise<DriftReportRow>;
  /** Start and finish. */
  reconcile(request?: Partial<ReconcileRequest>, each?: (row: DriftReportRow) => Promise<void> | void): Promise<DriftReportRow>;
  /** Each difference in short. */
  items(id: string): Promise<string[]>;
  close(): Promise<void>;
}

const log = createLogger('fatal');
const person = (n: number): string => `u${String(n).padStart(3, '0')}`;

/** An account as of now, newer than it was. */
export const changed = (id: string, over: Json = {}): Json => aUser(id, { updated_at: new Date().toISOString(), ...over });
export const member = (userId: string, groupId: string): Json => aMembership(aUser(userId), aGroup(groupId));

export async function startRig({ users = 12, deps = {} }: { users?: number; deps?: Partial<ReconcilerDeps> } = {}): Promise<Rig> {
  const core = await openCoreDatabase();
  const { db } = core;
  const fake = await startFakeWorkos({ log, source: { kind: 'scripted' } });
  const clock = () => new Date();
  const workos = createWorkosClient({ apiKey: fake.apiKey, apiUrl: fake.url, log, maxRetries: 0 });
  const poller = createPoller({ db, workos, log, clock, eventsRetentionDays: 30 });
  const reader = createDirectoryReader({ workos, clock, userRequestsPerSecond: Number.POSITIVE_INFINITY });
  const another = (): Reconciler =>
    createReconciler({
      db,
      workos,
      reader,
      log,
      clock,
      onChanges: () => {},
      settleMs: 0,
      accountsPerStep: 5,
      repairsPerStep: 3,
      retryDelaysMs: [],
      ...deps,
    });
  const reconciler = another();
  const reconciliations = createReconciliations({ db });
  const signal = new AbortController().signal;
  const tell: Rig['tell'] = (event, data, { lost = false } = {}) => void fake.publish({ event, data }, { viaApi: !lost });

  async function pollOnly(): Promise<void> {
    while (!(await poller.step(signal)).caughtUp);
  }
  async function poll(): Promise<void> {
    await pollOnly();
    await applyDue(db);
  }
  const report = (id: string) => db.driftReport.findUniqueOrThrow({ where: { id } });
  const finish: Rig['finish'] = async (id, each = () => {}) => {
    for (;;) {
      const row = await report(id);
      if (row.status !== 'PENDING' && row.status !== 'RUNNING') return row;
      await each(row);
      if (row.phase === 'SETTLING') {
        await poll();
        await db.driftReport.update({ where: { id }, data: { nextStepAt: new Date(0) } });
      }
      await reconciler.step(signal);
    }
  };
  const start: Rig['start'] = (request = {}) =>
    reconciliations.start(
      { directoryId: DIRECTORY, repair: false, maxRevocations: null, confirmToken: null, ...request },
      { name: 'ops', organizationId: null },
    );

  await applyCatalog(db, {
    catalog: {
      ...COMPANY_CATALOG,
      groupMappings: [...COMPANY_CATALOG.groupMappings, { organizationId: 'org_1', groupName: 'everybody', roles: ['builder'] }],
    },
    dryRun: false,
    prune: false,
    actor: 'test',
    tenant: null,
  });
  tell('dsync.activated', aDirectory());
  for (const group of GROUPS) tell('dsync.group.created', aGroup(group));
  for (let n = 0; n < users; n += 1) {
    tell('dsync.user.created', aUser(person(n)));
    tell('dsync.group.user_added', member(person(n), GROUPS[n % 3] as string));
  }
  await poll();

  return {
    core,
    fake,
    tell,
    poll,
    pollOnly,
    start,
    workos,
    another,
    report,
    finish,
    reconcile: async (request, each) => finish((await start(request)).id, each),
    async items(id) {
      const items = await db.driftItem.findMany({ where: { reportId: id }, orderBy: { key: 'asc' } });
      return items.map(({ kind, userId, groupId }) => [kind, userId, groupId].filter(Boolean).join(' '));
    },
    async close() {
      await fake.close();
      await core.close();
    },
  };
}
