// What operators do with single events of the inbox.
import type { Caller } from '../auth/caller.ts';
import type { Db } from '../db/client.ts';
import { type DirectoryEventRow, retryEvents } from './retry-events.ts';
import { skipEvent } from './skip-event.ts';

export interface EventOperations {
  retry(ids: readonly string[], caller: Caller): Promise<DirectoryEventRow[]>;
  skip(id: string, reason: string, caller: Caller): Promise<DirectoryEventRow>;
}

/** `onRetry` wakes apply. */
export const createEventOperations = ({ db, onRetry }: { db: Db; onRetry: () => void }): EventOperations => ({
  async retry(ids, caller) {
    const events = await retryEvents(db, ids, caller);
    onRetry();
    return events;
  },
  skip: (id, reason, caller) => skipEvent(db, id, reason, caller),
});
