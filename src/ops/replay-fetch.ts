// The first phase of a replay with source WORKOS_EVENTS: what is selected is read again from the Events API, and what the
// inbox lacks is stored there (channel REPLAY) and applied like any event that comes late. The poller's cursor is not
// touched: that an event is held by a replay says nothing of those before it (I5). A dry run stores
// nothing: what is missing is handed on, to be assumed (replay-missing.ts).
import { applyBatch } from '../apply/apply-batch.ts';
import { pendingPartitions } from '../apply/pending.ts';
import type { Db } from '../db/client.ts';
import { inTransaction } from '../db/transaction.ts';
import type { IncomingEvent } from '../ingest/envelope.ts';
import { readRange } from '../ingest/read-range.ts';
import { timeOfEventId } from '../ingest/source-time.ts';
import { storeEvents } from '../ingest/store-events.ts';
import type { Logger } from '../log.ts';
import type { WorkosClient } from '../workos/client.ts';
import { EVENT_TYPES } from '../workos/event-types.ts';
import { WorkosError } from '../workos/workos-error.ts';
import { MAX_ASSUMED } from './replay-missing.ts';
import { type Place, type ReplayRow, stepFetch } from './replay-row.ts';
import { isSelected, type ReplaySelection } from './replay-selection.ts';

export interface FetchDeps {
  db: Db;
  log: Logger;
  clock: () => Date;
  /** null: this process has no way to WorkOS. */
  workos: Pick<WorkosClient, 'listEvents'> | null;
  eventRetentionDays: number;
  /** See ApplyOptions of src/apply/apply-batch.ts. */
  requestImports: boolean;
  onStep: (changes: boolean) => void;
}

export interface Fetched {
  place: Place;
  cancelled: boolean;
  /** Of a dry run: what the inbox lacks, as far as it could be applied. */
  lacking: readonly IncomingEvent[];
}

const DAY_MS = 86_400_000;
/** An event's id and its created_at are told by different clocks. */
const CLOCK_MARGIN_MS = 3_600_000;

/** Pure: the stretch of time in which the selected events lie, as far as WorkOS still has them. */
export function rangeOf(selection: ReplaySelection, now: Date, retentionDays: number): { from: Date; to: Date } {
  const { from, to, afterEventId, untilEventId, eventIds } = selection;
  const ids = (eventIds ?? []).map((id) => timeOfEventId(id).getTime());
  const starts = [
    now.getTime() - retentionDays * DAY_MS,
    ...(from ? [Date.parse(from)] : []),
    ...(afterEventId ? [timeOfEventId(afterEventId).getTime() - CLOCK_MARGIN_MS] : []),
    ...(ids.length > 0 ? [Math.min(...ids) - CLOCK_MARGIN_MS] : []),
  ];
  const ends = [
    now.getTime(),
    ...(to ? [Date.parse(to)] : []),
    ...(untilEventId ? [timeOfEventId(untilEventId).getTime() + CLOCK_MARGIN_MS] : []),
    ...(ids.length > 0 ? [Math.max(...ids) + CLOCK_MARGIN_MS] : []),
  ];
  return { from: new Date(Math.max(...starts)), to: new Date(Math.min(...ends)) };
}

export async function fetchSelected(deps: FetchDeps, row: ReplayRow, signal: AbortSignal): Promise<'stopped' | Fetched> {
  const { db, workos, log, clock, onStep } = deps;
  if (workos === null) throw new WorkosError('unavailable', 'This process has no way to WorkOS.');
  const selection = row.selection as unknown as ReplaySelection;
  const organizationId = row.organizationId ?? selection.organizationId;
  const { eventTypes, eventIds } = selection;
  // The range ends at the same moment however often the read is interrupted.
  const range = {
    ...rangeOf(selection, row.createdAt, deps.eventRetentionDays),
    organizationId,
    types: eventIds?.length === 0 ? [] : EVENT_TYPES.filter((type) => eventTypes === null || eventTypes.includes(type)),
  };
  let place: Place = row;
  const lacking: IncomingEvent[] = [];
  for await (const page of readRange({ workos, log, clock }, range, row.progressKey, signal)) {
    if (signal.aborted) return 'stopped';
    const selected = page.events.filter((event) => isSelected(event, selection, row.organizationId));
    const to = page.next ?? 'end';
    const { cancelRequested } = await inTransaction(db, async (tx) => {
      const unknown = row.dryRun ? await findMissing(tx, selected) : [];
      lacking.push(...unknown.filter(({ refusal }) => refusal === null).slice(0, MAX_ASSUMED - lacking.length));
      const missing = row.dryRun ? unknown.length : (await storeEvents(tx, selected, 'REPLAY')).stored;
      return stepFetch(tx, place, { to, fetched: selected.length, missing });
    });
    place = { ...place, progressKey: to };
    onStep(false);
    if (cancelRequested) return { place, cancelled: true, lacking };
  }
  if (!row.dryRun) await applyPending(deps, signal);
  return signal.aborted ? 'stopped' : { place, cancelled: false, lacking };
}

/** Each once. */
async function findMissing(tx: Pick<Db, 'directoryEvent'>, events: readonly IncomingEvent[]): Promise<IncomingEvent[]> {
  const byId = new Map(events.map((event) => [event.id, event]));
  for (const { id } of await tx.directoryEvent.findMany({ where: { id: { in: [...byId.keys()] } }, select: { id: true } })) byId.delete(id);
  return [...byId.values()];
}

/** So that the state has them when it is compared; whatever else waits is applied with them. */
async function applyPending({ db, requestImports, onStep }: FetchDeps, signal: AbortSignal): Promise<void> {
  for (const partition of await pendingPartitions(db)) {
    for (let more = true; more && !signal.aborted; ) {
      const result = await applyBatch(db, partition, { requestImports });
      if (result.changes.length > 0) onStep(true);
      more = result.more;
    }
  }
}
