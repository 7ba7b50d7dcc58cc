// The newest changes, contiguous, in memory. Holds (begin, end]: every position in between or none of them, so a reader
// that finds its place in the ring misses nothing.
import type { RecordedChange } from '../model/change.ts';
import type { Position } from '../model/cursor.ts';
import { weigh } from './weigh.ts';

export interface Ring {
  begin(): Position;
  end(): Position;
  /** false, and nothing changes: this is not the change that comes next. */
  push(change: RecordedChange): boolean;
  /** Forgets all and goes on behind `at`. */
  restart(at: Position): void;
  /** The change right after a position, if it is held. */
  next(after: Position): RecordedChange | undefined;
  /** Up to `limit` changes after a position, which may lie anywhere; 'too old' when they do not begin in the ring. */
  after(position: Position, limit: number): RecordedChange[] | 'too old';
}

export interface RingBounds {
  maxCount: number;
  maxBytes: number;
}

export function createRing(start: Position, { maxCount, maxBytes }: RingBounds): Ring {
  // Slot of a position: its remainder by the size, so nothing ever moves.
  const slots: (RecordedChange | undefined)[] = new Array(maxCount).fill(undefined);
  const slotOf = (position: Position) => Number(position % BigInt(maxCount));
  let begin = start;
  let end = start;
  let bytes = 0;

  function dropOldest(): void {
    begin += 1n;
    const oldest = slots[slotOf(begin)];
    if (oldest) bytes -= weigh(oldest);
    slots[slotOf(begin)] = undefined;
  }

  function next(after: Position): RecordedChange | undefined {
    return after >= begin && after < end ? slots[slotOf(after + 1n)] : undefined;
  }

  return {
    begin: () => begin,
    end: () => end,
    next,
    push(change) {
      if (change.position !== end + 1n) return false;
      if (end - begin === BigInt(maxCount)) dropOldest();
      slots[slotOf(change.position)] = change;
      end = change.position;
      bytes += weigh(change);
      while (bytes > maxBytes && end - begin > 1n) dropOldest();
      return true;
    },
    restart(at) {
      slots.fill(undefined);
      begin = at;
      end = at;
      bytes = 0;
    },
    after(position, limit) {
      if (position >= end) return [];
      if (position < begin) return 'too old';
      const changes: RecordedChange[] = [];
      for (let change = next(position); change && changes.length < limit; change = next(change.position)) changes.push(change);
      return changes;
    },
  };
}
