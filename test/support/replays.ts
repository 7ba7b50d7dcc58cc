// Replays as a worker runs them, and what a replay must not do: write where nothing is wrong.
import { SCOPES } from '../../src/auth/caller.ts';
import type { Db } from '../../src/db/client.ts';
import { createNudge } from '../../src/lib/nudge.ts';
import { createLogger } from '../../src/log.ts';
import { createReplays, type ReplayRequest, type ReplayRow, type Replays, type ReplaysDeps } from '../../src/ops/replay.ts';

export const operator = { name: 'operator', scopes: SCOPES, organizationId: null };

export const operatorOf = (organizationId: string) => ({ name: `operator of ${organizationId}`, scopes: SCOPES, organizationId });

export const replaysOf = (db: Db, over: Partial<ReplaysDeps> = {}): Replays =>
  createReplays({
    db,
    nudge: createNudge(),
    log: createLogger('silent'),
    onChanges: () => undefined,
    pollIntervalMs: 20,
    ...over,
  });

/** Everything that may be left out is. */
export const aRequest = (over: Partial<ReplayRequest> = {}): ReplayRequest => ({
  organizationId: null,
  directoryId: null,
  userId: null,
  groupId: null,
  eventIds: null,
  from: null,
  to: null,
  afterEventId: null,
  untilEventId: null,
  eventTypes: null,
  source: 'LOG',
  dryRun: false,
  maxRevocations: null,
  confirmToken: null,
  idempotencyKey: null,
  reason: null,
  ...over,
});

/** Until the replay is over, whoever runs it. */
export async function untilOver(replays: Replays, id: string, tenant: string | null = null): Promise<ReplayRow> {
  const ended = new AbortController();
  let last: ReplayRow | undefined;
  for await (const row of replays.progress(id, tenant, ended.signal)) last = row;
  if (!last) throw new Error(`no such replay: ${id}`);
  return last;
}

/** Starts it, works until it is over, and stops working. */
export async function replay(
  db: Db,
  over: Partial<ReplayRequest> = {},
  options: Partial<ReplaysDeps> & { caller?: typeof operator | ReturnType<typeof operatorOf> } = {},
): Promise<ReplayRow> {
  const { caller = operator, ...deps } = options;
  const replays = replaysOf(db, deps);
  const stop = new AbortController();
  const running = replays.run(stop.signal);
  try {
    const { id } = await replays.start(aRequest(over), caller);
    return await untilOver(replays, id);
  } finally {
    stop.abort();
    await running;
  }
}

const TABLES = [
  'organization',
  'directory',
  'directory_user',
  'directory_group',
  'membership',
  'membership_interval',
  'effective_entitlement',
  'entitlement_change',
  'change_log_head',
  'directory_event',
  'refresh_task',
  'directory_import',
  'state_read',
];

/** Where every row stands and which transaction wrote it: the same as long as nothing is written, not even the same again. */
export async function writingsOf(db: Db): Promise<Record<string, string[]>> {
  const writings: Record<string, string[]> = {};
  for (const table of TABLES) {
    const rows = await db.$queryRawUnsafe<{ writing: string }[]>(
      `SELECT ctid::text || ' ' || xmin::text AS writing FROM ${table} ORDER BY ctid`,
    );
    writings[table] = rows.map((row) => row.writing);
  }
  return writings;
}
