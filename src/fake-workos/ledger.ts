// Pure: the stream and the truth that it adds up to. The truth is the fold in id order, also when an event comes late.
import type { HistoryEvent } from './history.ts';
import type { SavedTruth } from './saved-truth.ts';
import { createStream, type EventStream } from './stream.ts';
import { createTruth, type FoldedTruth, type Truth } from './truth.ts';

export interface Ledger {
  readonly stream: EventStream;
  /** Replaced when an event comes late: ask again rather than keep it. */
  truth(): Truth;
  /** False when the id is known: nothing changes. */
  add(event: HistoryEvent, arrivedAtMs: number, shown: boolean): boolean;
  /** Forgets all but the newest `count` events; what they said stays in the truth. Answers what a restart needs. */
  keepNewest(count: number): { base: SavedTruth; events: HistoryEvent[] };
}

/** `base`: the truth before the first event. */
export function createLedger(base?: SavedTruth): Ledger {
  const stream = createStream();
  let foundation = base;
  let truth: FoldedTruth = createTruth(foundation);
  const fold = (events: readonly HistoryEvent[]): FoldedTruth => {
    const folded = createTruth(foundation);
    for (const event of events) folded.apply(event);
    return folded;
  };
  return {
    stream,
    truth: () => truth,
    add(event, arrivedAtMs, shown) {
      const outcome = stream.add(event, arrivedAtMs, shown);
      if (outcome === 'appended') truth.apply(event);
      if (outcome === 'inserted') truth = fold(stream.events());
      return outcome !== 'known';
    },
    keepNewest(count) {
      const events = stream.events();
      foundation = fold(events.slice(0, Math.max(0, events.length - count))).save();
      stream.keepNewest(count);
      return { base: foundation, events: stream.events() };
    },
  };
}
