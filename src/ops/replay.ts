// Replays: asked for, watched and cancelled by operators, run by the worker. A replay takes a set of stored events, re-derives
// what they touch from its full local log, compares and applies only the difference. Running the handlers again would be no
// use: behind the guard against repeats nothing would happen, and without it old values would come back.
import type { Caller } from '../auth/caller.ts';
import type { Db } from '../db/client.ts';
import { databaseNow } from '../db/clock.ts';
import { AccessError } from '../errors.ts';
import type { Nudge } from '../lib/nudge.ts';
import type { Logger } from '../log.ts';
import type { WorkosClient } from '../workos/client.ts';
import { runReplays } from './replay-loop.ts';
import { followReplay } from './replay-progress.ts';
import { confirmReplay, type ReplayRow } from './replay-row.ts';
import { type ReplayRequest, type ReplaySelection, sameSelection, toSelection } from './replay-selection.ts';

export type { ReplayRow } from './replay-row.ts';
export type { ReplayRequest } from './replay-selection.ts';

export interface Replays {
  /**
   * The row, PENDING. The same idempotencyKey gives the same row; with another input it is a CONFLICT. With the confirmToken of
   * a replay that waits for it, that one goes on; with the token of a dry run a new one is allowed what the dry run has shown.
   */
  start(request: ReplayRequest, caller: Caller): Promise<ReplayRow>;
  /** Ends one that waits at once, a running one after its chunk; one that is over is returned as it is. */
  cancel(id: string, tenant: string | null): Promise<ReplayRow>;
  /** The row now and whenever it has changed, until it is over. The first `next()` throws NOT_FOUND for unknown and foreign ids. */
  progress(id: string, tenant: string | null, signal: AbortSignal): AsyncIterableIterator<ReplayRow>;
  /** The worker's loop, on the database as its leader may use it. */
  run(signal: AbortSignal, db?: Db): Promise<void>;
}

export interface ReplaysDeps {
  db: Db;
  log: Logger;
  /** Wakes the loop of this process. Only that loop may wait on it. */
  nudge: Nudge;
  /** After every commit of changes: wakes the relay. */
  onChanges: () => void;
  clock?: () => Date;
  chunkSize?: number;
  /** Another process may start, run or cancel a replay. */
  pollIntervalMs?: number;
  /** For the source WORKOS_EVENTS, where `run` is called; null: there is no way to WorkOS. */
  workos?: () => Pick<WorkosClient, 'listEvents'> | null;
  eventRetentionDays?: number;
  /** See ApplyOptions of src/apply/apply-batch.ts. */
  requestImports?: boolean;
}

const notFound = (): AccessError => new AccessError('NOT_FOUND', 'id: there is no such replay.');

export function createReplays(deps: ReplaysDeps): Replays {
  const { db, log, nudge, onChanges, clock = () => new Date(), chunkSize = 100, pollIntervalMs = 1_000 } = deps;
  const watchers = new Set<() => void>();
  const tell = (): void => {
    for (const wake of watchers) wake();
  };

  /** Keys of different organizations must not meet. */
  const scopedKey = (key: string | null, { organizationId }: Caller): string | null => key && `${organizationId ?? ''}/${key}`;

  const find = async (id: string, tenant: string | null): Promise<ReplayRow> => {
    const row = await db.replay.findFirst({ where: { id, ...(tenant !== null && { organizationId: tenant }) } });
    if (!row) throw notFound();
    return row;
  };

  /** The replay that waits for this token, or has had it; null: there is none, so the token is that of a dry run, or of nothing. */
  async function confirm(
    token: string,
    asked: { selection: ReplaySelection; source: ReplayRequest['source']; tenant: string | null },
  ): Promise<ReplayRow | null> {
    const row = await db.replay.findFirst({
      where: {
        dryRun: false,
        ...(asked.tenant !== null && { organizationId: asked.tenant }),
        OR: [{ status: 'AWAITING_CONFIRMATION', confirmToken: token }, { givenToken: token }],
      },
      orderBy: { id: 'desc' },
    });
    if (!row) return null;
    if (row.source !== asked.source || !sameSelection(row.selection as unknown as ReplaySelection, asked.selection))
      throw new AccessError('CONFLICT', 'confirmToken: it confirms a replay of another selection. Give the selection that was previewed.');
    if (await confirmReplay(db, row.id, token)) {
      nudge.nudge();
      tell();
    }
    return db.replay.findUniqueOrThrow({ where: { id: row.id } });
  }

  return {
    async start(request, caller) {
      const selection = toSelection(request);
      const { dryRun, source, reason, maxRevocations } = request;
      const tenant = caller.organizationId;
      const idempotencyKey = scopedKey(request.idempotencyKey, caller);
      const known = idempotencyKey && (await db.replay.findUnique({ where: { idempotencyKey } }));
      const confirmed =
        request.confirmToken !== null && !dryRun ? await confirm(request.confirmToken, { selection, source, tenant }) : null;
      if (confirmed) return confirmed;
      if (!known && source === 'LOG') await refuseUnknownEvents(db, selection, tenant);
      // Of two at once with one key the first to come counts.
      const data = {
        createdAt: await databaseNow(db),
        dryRun,
        source,
        selection: { ...selection },
        organizationId: tenant,
        idempotencyKey,
        requestedBy: caller.name,
        reason,
        maxRevocations,
        givenToken: request.confirmToken,
        phase: source === 'LOG' ? ('PREVIEW' as const) : ('FETCH' as const),
      };
      const [created] = await db.replay.createManyAndReturn({ data: [data], skipDuplicates: true });
      if (created) {
        nudge.nudge();
        return created;
      }
      const row = await db.replay.findUniqueOrThrow({ where: { idempotencyKey: idempotencyKey ?? '' } });
      const same =
        row.dryRun === dryRun &&
        row.source === source &&
        row.reason === reason &&
        row.maxRevocations === maxRevocations &&
        sameSelection(row.selection as unknown as ReplaySelection, selection);
      if (!same)
        throw new AccessError(
          'CONFLICT',
          'idempotencyKey: this key stands for a replay with another input already. Take a new key for a new replay.',
        );
      return row;
    },

    async cancel(id, tenant) {
      await find(id, tenant);
      await db.replay.updateMany({
        where: { id, status: { in: ['PENDING', 'AWAITING_CONFIRMATION'] } },
        data: { status: 'CANCELLED', finishedAt: clock() },
      });
      await db.replay.updateMany({ where: { id, status: 'RUNNING' }, data: { cancelRequested: true } });
      nudge.nudge();
      tell();
      return find(id, tenant);
    },

    progress: (id, tenant, signal) => followReplay({ read: () => find(id, tenant), watchers, pollIntervalMs }, signal),

    async run(signal, leased = db) {
      const onStep = (changes: boolean): void => {
        if (changes) onChanges();
        tell();
      };
      const { eventRetentionDays = 30, requestImports = false } = deps;
      const fetching = { workos: deps.workos?.() ?? null, eventRetentionDays, requestImports };
      await runReplays({ db: leased, log, clock, chunkSize, nudge, pollIntervalMs, onStep, ...fetching }, signal);
    },
  };
}

/** Naming an event that is not there is a mistake; selecting nothing is not. Foreign ones are as unknown as any. */
async function refuseUnknownEvents(db: Db, selection: ReplaySelection, tenant: string | null): Promise<void> {
  const { eventIds } = selection;
  if (!eventIds) return;
  const found = await db.directoryEvent.findMany({
    where: { id: { in: eventIds }, ...(tenant !== null && { partition: tenant }) },
    select: { id: true },
  });
  const known = new Set(found.map((event) => event.id));
  const unknown = eventIds.filter((id) => !known.has(id));
  if (unknown.length === 0) return;
  const listed = unknown.slice(0, 10).join(', ');
  const more = unknown.length > 10 ? ` and ${unknown.length - 10} more` : '';
  throw new AccessError('BAD_USER_INPUT', `eventIds: there is no such event: ${listed}${more}.`);
}
