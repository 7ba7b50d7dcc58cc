// Facts → rows, effective access and the change log, in the caller's transaction, for one partition or for several that do not
// touch each other: one load, one fold, one save, one append for all of them.
import type { Tx } from '../db/client.ts';
import { commitAlong } from '../db/raw-transaction.ts';
import { together } from '../db/together.ts';
import { recomputeUsers } from '../entitlements/recompute.ts';
import { storeTransitions } from '../entitlements/store.ts';
import type { Transition } from '../entitlements/transition.ts';
import { failpoint } from '../lib/failpoint.ts';
import type { RecordedChange } from '../model/change.ts';
import type { Observation } from '../model/fact.ts';
import { fold } from './fold.ts';
import { foldCatalogFact } from './fold-catalog.ts';
import { loadWorkingSet } from './load-working-set.ts';
import { staysWithin } from './named-in-facts.ts';
import { isCatalogType, parseEvent, type StoredEvent } from './parse-event.ts';
import type { PendingEvent } from './pending.ts';
import { type SaveOptions, saveWorkingSet } from './save-working-set.ts';
import { settleEvents, type Verdict } from './settle-events.ts';

export interface SettledEvent {
  id: string;
  type: string;
  traceId: string;
  status: Verdict['status'];
}

export interface Settled {
  events: SettledEvent[];
  quarantined: number;
  /** Recorded, in the order of the log. */
  changes: readonly RecordedChange[];
  /** Partitions whose events reach beyond them: for these nothing was done. */
  beyond: ReadonlySet<string>;
}

/** Facts of one partition; `within`: its name, or null where nobody else works on anything. */
export interface Part {
  within: string | null;
  observations: readonly Observation[];
}

export interface Folded {
  outcomes: Verdict[];
  transitions: Transition[];
  /** What is stored already. */
  recorded: readonly RecordedChange[];
  beyond: Set<string>;
  save(): Promise<void>;
}

/** Each part by itself: what reaches beyond its partition is not folded. */
export async function foldDirectory(tx: Tx, parts: readonly Part[], options: SaveOptions): Promise<Folded> {
  const outcomes: Verdict[] = [];
  const transitions: Transition[] = [];
  const beyond = new Set<string>();
  const all = parts.flatMap(({ observations }) => observations);
  if (all.length === 0) return { outcomes, transitions, recorded: [], beyond, save: async () => undefined };
  const set = await loadWorkingSet(tx, all);
  for (const { within, observations } of parts) if (within !== null && !staysWithin(set, observations, within)) beyond.add(within);
  for (const { within, observations } of parts) {
    if (within !== null && beyond.has(within)) continue;
    for (const observation of observations) {
      const result = fold(set, observation);
      outcomes.push({ id: observation.version, status: result.outcome === 'applied' ? 'APPLIED' : 'STALE', error: null });
      // One by one: a spread would hand everybody in a directory over as arguments, of which there cannot be so many.
      for (const transition of result.transitions) transitions.push(transition);
    }
  }
  return { outcomes, transitions, recorded: [], beyond, save: () => saveWorkingSet(tx, set, options) };
}

async function foldCatalog(tx: Tx, observations: readonly Observation[]): Promise<Folded> {
  const outcomes: Verdict[] = [];
  const recorded: RecordedChange[][] = [];
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
    recorded.push(await storeTransitions(tx, await recomputeUsers(tx, [...touched], observation.cause)));
  }
  return { outcomes, transitions: [], recorded: recorded.flat(), beyond: new Set(), save: async () => undefined };
}

function parseAll(events: readonly StoredEvent[]): { observations: Observation[]; verdicts: Map<string, Verdict> } {
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

/** Events that are all of the catalog (of one partition), or all of the directory; `bounded`: partitions are kept to themselves. */
export async function settleBatch(
  tx: Tx,
  taken: readonly PendingEvent[],
  { bounded, ...options }: SaveOptions & { bounded: boolean },
): Promise<Settled> {
  if (taken.length === 0) return { events: [], quarantined: 0, changes: [], beyond: new Set() };
  const verdicts = new Map<string, Verdict>();
  const parts: Part[] = [];
  for (const [partition, events] of Map.groupBy(taken, (event) => event.partition)) {
    const parsed = parseAll(events);
    parts.push({ within: bounded ? partition : null, observations: parsed.observations });
    for (const verdict of parsed.verdicts.values()) verdicts.set(verdict.id, verdict);
  }
  const folded = isCatalogType(taken[0]?.type ?? '')
    ? await foldCatalog(tx, parts[0]?.observations ?? [])
    : await foldDirectory(tx, parts, options);
  const { beyond } = folded;
  await failpoint('folded');
  for (const outcome of folded.outcomes) verdicts.set(outcome.id, outcome);
  const events = taken.filter(({ partition }) => !beyond.has(partition));
  const settling = events.flatMap(({ id }) => verdicts.get(id) ?? []);
  // The rows of the changes are made while the database is at the statements before.
  const written = together(folded.save(), settleEvents(tx, settling), storeTransitions(tx, folded.transitions));
  const ended = failpoint('before-commit').then(() => commitAlong(tx));
  const [[, , changes]] = await together(written, ended);
  return {
    events: events.map(({ id, type, traceId }) => ({ id, type, traceId, status: verdicts.get(id)?.status ?? 'IGNORED' })),
    quarantined: settling.filter(({ status }) => status === 'QUARANTINED').length,
    changes: [...folded.recorded, ...changes],
    beyond,
  };
}
