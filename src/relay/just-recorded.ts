// Changes that this process has just committed, for the relay to hand on without reading them from the log. Only a shortcut: they
// are in the log as well, whatever becomes of them here.
import type { RecordedChange } from '../model/change.ts';
import type { Position } from '../model/cursor.ts';

export interface JustRecorded {
  /** Committed; in whichever order the answers to commits came in. */
  add(changes: readonly RecordedChange[]): void;
  /** Those that follow a position without a hole, at most so many. They are given once. */
  takeAfter(position: Position, limit: number): RecordedChange[];
}

/** Of which nobody takes any: another process is the relay, or somebody else records changes in between. */
const MAX_KEPT = 2_000;

export function createJustRecorded(): JustRecorded {
  const kept = new Map<Position, RecordedChange>();
  return {
    add(changes) {
      if (kept.size + changes.length > MAX_KEPT) kept.clear();
      if (changes.length > MAX_KEPT) return;
      for (const change of changes) kept.set(change.position, change);
    },
    takeAfter(position, limit) {
      const taken: RecordedChange[] = [];
      for (let next = kept.get(position + 1n); next && taken.length < limit; next = kept.get(next.position + 1n)) taken.push(next);
      const last = taken.at(-1)?.position ?? position;
      for (const known of kept.keys()) if (known <= last) kept.delete(known);
      return taken;
    },
  };
}
