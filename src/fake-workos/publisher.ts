// The one way in for events: into the stream and the truth, to the company's file, and out by webhook.
import type { Random } from '../lib/random.ts';
import type { CompanyStore } from './company-store.ts';
import { nextEventId } from './event-ids.ts';
import { type HistoryEvent, type NewEvent, timeOr } from './history.ts';
import type { Ledger } from './ledger.ts';
import type { Webhooks } from './webhooks.ts';

export interface PublishOptions {
  /** False: the Events API never shows it, although it is true. */
  viaApi?: boolean;
  /** False: no webhook is sent. */
  viaWebhook?: boolean;
}

export interface PublisherDependencies {
  ledger: Ledger;
  webhooks: Webhooks | null;
  /** Only of a company that outlives the process. */
  store: CompanyStore | null;
  random: Random;
  clock: () => number;
  /** Twice this many events are held at most; null: all. */
  keepEvents: number | null;
}

/** Answers the event's id. One that is known already is only delivered by webhook again. */
export type Publish = (event: NewEvent, options?: PublishOptions) => string;

export function createPublisher({ ledger, webhooks, store, random, clock, keepEvents }: PublisherDependencies): Publish {
  const remember = (event: HistoryEvent, viaApi: boolean): void => {
    ledger.add(event, clock(), viaApi);
    store?.append(event);
    if (keepEvents === null || ledger.stream.size <= 2 * keepEvents) return;
    const kept = ledger.keepNewest(keepEvents);
    store?.replace(kept);
  };
  return (given, { viaApi = true, viaWebhook = true } = {}) => {
    const nowMs = clock();
    const created_at = given.created_at ?? new Date(nowMs).toISOString();
    const id = given.id ?? nextEventId(ledger.stream.lastId, timeOr(created_at, nowMs), random);
    const isNew = !ledger.stream.has(id);
    // A copy of a new one: the caller may go on using its objects.
    const event: HistoryEvent = { object: 'event', ...(isNew ? structuredClone(given) : given), id, created_at };
    if (isNew) remember(event, viaApi);
    if (viaWebhook) webhooks?.enqueue(event);
    return id;
  };
}
