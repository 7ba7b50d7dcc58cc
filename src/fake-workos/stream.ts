// The event log of the fake, in id order: WorkOS answers oldest first and holds events back so that no later id hides an
// older one. An event that comes late with an older id is put in its place.
import { type HistoryEvent, timeOr } from './history.ts';

export interface StreamedEvent {
  readonly event: HistoryEvent;
  /** The arrival when created_at is no date. */
  readonly createdAtMs: number;
  /** When the fake learned of it; the hold-back counts from here. */
  readonly arrivedAtMs: number;
  /** Whether the Events API shows it; a lost one is in the truth all the same. */
  shown: boolean;
}

export interface EventStream {
  readonly size: number;
  readonly lastId: string;
  at(index: number): StreamedEvent | undefined;
  /** Index of the first event whose id is greater than `id`. */
  indexAfter(id: string): number;
  has(id: string): boolean;
  /** 'known': the id is there already, nothing changes. 'inserted': it came late. */
  add(event: HistoryEvent, arrivedAtMs: number, shown: boolean): 'appended' | 'inserted' | 'known';
  /** The Events API never shows it again. */
  hide(id: string): void;
  /** Forgets the oldest. */
  keepNewest(count: number): void;
  events(): HistoryEvent[];
}

export function createStream(): EventStream {
  let list: StreamedEvent[] = [];
  const lastId = (): string => list.at(-1)?.event.id ?? '';
  const indexAfter = (id: string): number => {
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((list[middle] as StreamedEvent).event.id > id) high = middle;
      else low = middle + 1;
    }
    return low;
  };
  const has = (id: string): boolean => list[indexAfter(id) - 1]?.event.id === id;
  return {
    get size() {
      return list.length;
    },
    get lastId() {
      return lastId();
    },
    at: (index) => list[index],
    indexAfter,
    has,
    add(event, arrivedAtMs, shown) {
      const added = { event, createdAtMs: timeOr(event.created_at, arrivedAtMs), arrivedAtMs, shown };
      if (event.id > lastId()) {
        list.push(added);
        return 'appended';
      }
      if (has(event.id)) return 'known';
      list.splice(indexAfter(event.id), 0, added);
      return 'inserted';
    },
    hide(id) {
      const item = list[indexAfter(id) - 1];
      if (item?.event.id === id) item.shown = false;
    },
    keepNewest(count) {
      if (list.length > count) list = list.slice(-count);
    },
    events: () => list.map((item) => item.event),
  };
}
