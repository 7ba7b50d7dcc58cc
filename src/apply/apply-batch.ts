// Inbox → users, groups, memberships, effective access and the change log: one transaction per batch of one partition, in
// event-id order. Reads directory_event, writes everything that follows. A transaction that fails is tried again with half
// the events, so a poison event ends alone (and then in quarantine) while the rest goes on.
import type { Db, Tx } from '../db/client.ts';
import { lockEnvironment, lockPartition } from '../db/lock.ts';
import { rolledBack } from '../db/rolled-back.ts';
import { together } from '../db/together.ts';
import { inTransaction } from '../db/transaction.ts';
import { recomputeUsers } from '../entitlements/recompute.ts';
import { restateUsers } from '../entitlements/restate.ts';
import { storeTransitions } from '../entitlements/store.ts';
import type { Transition } from '../entitlements/transition.ts';
import { messageOf } from '../errors.ts';
import { failpoint } from '../lib/failpoint.ts';
import type { Cause, RecordedChange } from '../model/change.ts';
import type { Observation } from '../model/fact.ts';
import { classifyFailure, RETRY_DELAYS_MS } from './failure.ts';
import { fold } from './fold.ts';
import { foldCatalogFact } from './fold-catalog.ts';
import { loadWorkingSet } from './load-working-set.ts';
import { staysWithin } from './named-in-facts.ts';
import { isCatalogType, parseEvent, type StoredEvent } from './parse-event.ts';
import { saveWorkingSet } from './save-working-set.ts';
import { settleEvents, type Verdict } from './settle-events.ts';

export const ENVIRONMENT = 'environment';
/** With a deep backlog: so many that what each transaction and statement costs by itself no longer counts. */
const BATCH_SIZE = 1_000;
/** Of JSON text, so that memory is bounded however large events are; a single one may be larger. */
const BATCH_BYTES = 2 * 1024 * 1024;
const TRANSACTION_TIMEOUT_MS = 120_000;

export interface ApplyOptions {
  /** Ask for a full read of directories that are new or known from others' facts only. */
  requestImports: boolean;
  batchSize?: number;
  batchBytes?: number;
  /** Told of what was settled, once it is committed. */
  onSettled?: (events: readonly SettledEvent[]) => void;
}

export interface SettledEvent {
  id: string;
  type: string;
  traceId: string;
  status: Verdict['status'];
}

export interface BatchResult {
  /** Events that left PENDING. */
  settled: number;
  quarantined: number;
  /** Recorded, in the order of the log. */
  changes: readonly RecordedChange[];
  /** There may be more to do for this partition at once. */
  more: boolean;
}

interface PendingEvent extends StoredEvent {
  attempts: number;
  traceId: string;
  /** So many were waiting, or as many as were asked for. */
  found: number;
}

// By (status, partition, id): so many of the first as begin within the bound of bytes, and how many there were to choose from.
const PENDING = `
  SELECT id, type, raw, "occurredAt", attempts, "traceId", found FROM (
    SELECT *, sum(octet_length(raw)) OVER (ORDER BY id) - octet_length(raw) AS before, count(*) OVER ()::int AS found FROM (
      SELECT id, type, raw, occurred_at AS "occurredAt", attempts, trace_id AS "traceId" FROM directory_event
      WHERE status = 'PENDING' AND partition = $1 AND (next_attempt_at IS NULL OR next_attempt_at <= now()) ORDER BY id LIMIT $2) AS first) AS measured
  WHERE before < $3 ORDER BY id`;

const PARTITIONS = `
  SELECT DISTINCT partition FROM directory_event WHERE status = 'PENDING' AND (next_attempt_at IS NULL OR next_attempt_at <= now()) ORDER BY partition`;

const FAILED_ATTEMPT = `
  UPDATE directory_event SET attempts = attempts + 1, error = $2, next_attempt_at = now() + $3 * interval '1 millisecond' WHERE id = $1 AND status = 'PENDING'`;

const LAST_ATTEMPT = `UPDATE directory_event SET attempts = attempts + 1 WHERE id = $1 AND status = 'PENDING'`;

/** Partitions with something to do now. */
export async function pendingPartitions(db: Db): Promise<string[]> {
  return (await db.$queryRawUnsafe<{ partition: string }[]>(PARTITIONS)).map((row) => row.partition);
}

const lock = (tx: Tx, partition: string): Promise<void> => (partition === ENVIRONMENT ? lockEnvironment(tx) : lockPartition(tx, partition));

/**
 * Works under the lock of one partition. Where that turns out to reach into another one (a directory is new, or moves),
 * `work` answers undefined before it has written anything, and works again under the lock of all.
 */
async function underLock<T>(
  db: Db,
  partition: string,
  work: (tx: Tx, within: string | null) => Promise<T | undefined>,
  transact: typeof inTransaction = inTransaction,
): Promise<T> {
  for (const held of [partition, ENVIRONMENT]) {
    const run = async (tx: Tx): Promise<T | undefined> => {
      // What the work reads first is asked along with the lock, and read when that is there.
      const [, done] = await together(lock(tx, held), work(tx, held === ENVIRONMENT ? null : held));
      await failpoint('before-commit');
      return done;
    };
    const result = await transact(db, run, { timeoutMs: TRANSACTION_TIMEOUT_MS });
    await failpoint('after-commit');
    if (result !== undefined) return result;
  }
  throw new Error('work under the lock of the environment has no bounds to reach beyond');
}

/** The first events that are all of the catalog, or all of the directory: they take different ways. */
function sameKind(events: readonly PendingEvent[]): PendingEvent[] {
  const catalog = isCatalogType(events[0]?.type ?? '');
  const end = events.findIndex((event) => isCatalogType(event.type) !== catalog);
  return end < 0 ? [...events] : events.slice(0, end);
}

function parseAll(events: readonly PendingEvent[]): { observations: Observation[]; verdicts: Map<string, Verdict> } {
  const observations: Observation[] = [];
  const verdicts = new Map<string, Verdict>();
  for (const event of events) {
    const parsed = parseEvent(event);
    switch (parsed.kind) {
      case 'observation':
        observations.push(parsed.observation);
        break;
      case 'ignored':
        verdicts.set(event.id, { id: event.id, status: 'IGNORED', error: null });
        break;
      case 'refused':
        verdicts.set(event.id, { id: event.id, status: 'QUARANTINED', error: parsed.reason });
        break;
      default:
        parsed satisfies never;
    }
  }
  return { observations, verdicts };
}

interface Folded {
  outcomes: Verdict[];
  transitions: Transition[];
  save(): Promise<void>;
}

/** undefined: the facts reach beyond the organization `within`. */
async function foldDirectory(
  tx: Tx,
  observations: readonly Observation[],
  within: string | null,
  options: ApplyOptions,
): Promise<Folded | undefined> {
  const outcomes: Verdict[] = [];
  const transitions: Transition[] = [];
  if (observations.length === 0) return { outcomes, transitions, save: async () => undefined };
  const set = await loadWorkingSet(tx, observations);
  if (within !== null && !staysWithin(set, observations, within)) return undefined;
  for (const observation of observations) {
    const result = fold(set, observation);
    outcomes.push({ id: observation.version, status: result.outcome === 'applied' ? 'APPLIED' : 'STALE', error: null });
    transitions.push(...result.transitions);
  }
  return { outcomes, transitions, save: () => saveWorkingSet(tx, set, options) };
}

async function foldCatalog(tx: Tx, observations: readonly Observation[]): Promise<Folded> {
  const outcomes: Verdict[] = [];
  for (const observation of observations) {
    let applied = false;
    const touched = new Set<string>();
    for (const fact of observation.facts) {
      const result = await foldCatalogFact(tx, fact, observation.version);
      applied ||= result.applied;
      for (const userId of result.touched) touched.add(userId);
    }
    outcomes.push({ id: observation.version, status: applied ? 'APPLIED' : 'STALE', error: null });
    // Stored at once: the next event's effect is measured against what this one left behind.
    await storeTransitions(tx, await recomputeUsers(tx, [...touched], observation.cause));
  }
  return { outcomes, transitions: [], save: async () => undefined };
}

/** One batch of one partition. Throws on an outage only. */
export async function applyBatch(db: Db, partition: string, options: ApplyOptions): Promise<BatchResult> {
  const bytes = options.batchBytes ?? BATCH_BYTES;
  let limit = options.batchSize ?? BATCH_SIZE;
  for (;;) {
    let taken: PendingEvent[] = [];
    let settled: SettledEvent[] = [];
    try {
      const result = await underLock(db, partition, async (tx, within) => {
        const pending = await tx.$queryRawUnsafe<PendingEvent[]>(PENDING, partition, limit, bytes);
        taken = sameKind(pending);
        if (taken.length === 0) return { settled: 0, quarantined: 0, changes: [], more: false };
        const { observations, verdicts } = parseAll(taken);
        const folded = isCatalogType(taken[0]?.type ?? '')
          ? await foldCatalog(tx, observations)
          : await foldDirectory(tx, observations, within, options);
        if (!folded) return undefined;
        await failpoint('folded');
        for (const outcome of folded.outcomes) verdicts.set(outcome.id, outcome);
        // The rows of the changes are made while the database is at the statements before.
        const settling = [...verdicts.values()];
        const [, , changes] = await together(folded.save(), settleEvents(tx, settling), storeTransitions(tx, folded.transitions));
        const quarantined = [...verdicts.values()].filter((verdict) => verdict.status === 'QUARANTINED').length;
        settled = taken.map(({ id, type, traceId }) => ({ id, type, traceId, status: verdicts.get(id)?.status ?? 'IGNORED' }));
        return {
          settled: taken.length,
          quarantined,
          changes,
          more: (pending[0]?.found ?? 0) === limit || taken.length < (pending[0]?.found ?? 0),
        };
      });
      options.onSettled?.(settled);
      return result;
    } catch (error) {
      const failure = classifyFailure(error);
      const [only, ...others] = taken;
      if (failure === 'outage' || !only) throw error;
      if (others.length === 0) return recordFailure(db, partition, only, error, failure === 'refused_by_database');
      limit = Math.ceil(taken.length / 2);
    }
  }
}

/** Under the lock like any batch, so that the mark on an account is not overwritten, and another worker's success not by our failure. */
async function recordFailure(db: Db, partition: string, event: PendingEvent, error: unknown, final: boolean): Promise<BatchResult> {
  // The driver's text begins with the statement; what is wrong stands in its last line.
  const reason = (messageOf(error).trim().split('\n').at(-1) ?? 'unknown').slice(0, 500);
  const delayMs = final ? undefined : RETRY_DELAYS_MS[event.attempts];
  return inTransaction(db, async (tx) => {
    await lock(tx, partition);
    if (delayMs !== undefined) {
      await tx.$executeRawUnsafe(FAILED_ATTEMPT, event.id, reason, delayMs);
      return { settled: 0, quarantined: 0, changes: [], more: true };
    }
    const settled = await tx.$executeRawUnsafe(LAST_ATTEMPT, event.id);
    if (settled > 0) await settleEvents(tx, [{ id: event.id, status: 'QUARANTINED', error: reason }]);
    return { settled, quarantined: settled, changes: [], more: true };
  });
}

/** Facts that did not come as events: a full read, a repair. */
export interface StatedFacts {
  observations: readonly Observation[];
  /** Of a repair: users whose access is stated anew from their rows (entitlements/restate.ts), whatever was stored. */
  restated?: { userIds: readonly string[]; cause: Cause };
}

async function foldStated(tx: Tx, within: string | null, { observations, restated }: StatedFacts): Promise<Transition[] | undefined> {
  const folded = await foldDirectory(tx, observations, within, { requestImports: false });
  await folded?.save();
  if (!folded || !restated) return folded?.transitions;
  const own = new Set(restated.userIds);
  return [...folded.transitions.filter(({ userId }) => !own.has(userId)), ...(await restateUsers(tx, restated.userIds, restated.cause))];
}

/**
 * The same way as events, without the inbox. `alongside` runs in the same transaction, before the change log is touched. Returns
 * the changes recorded.
 */
export async function applyFacts(
  db: Db,
  partition: string,
  facts: StatedFacts,
  alongside: (tx: Tx) => Promise<void> = async () => undefined,
): Promise<number> {
  return underLock(db, partition, async (tx, within) => {
    const transitions = await foldStated(tx, within, facts);
    if (!transitions) return undefined;
    await alongside(tx);
    return (await storeTransitions(tx, transitions)).length;
  });
}

/** What the same facts would do to access if they were applied now. Nothing stays written. */
export const previewFacts = (db: Db, partition: string, facts: StatedFacts): Promise<Transition[]> =>
  underLock(db, partition, (tx, within) => foldStated(tx, within, facts), rolledBack);

export const applyObservations = (
  db: Db,
  partition: string,
  observations: readonly Observation[],
  alongside?: (tx: Tx) => Promise<void>,
): Promise<number> => applyFacts(db, partition, { observations }, alongside);
