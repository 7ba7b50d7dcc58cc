// Events that an operator sends through apply once more, after whatever kept them out is mended.
import type { Caller } from '../auth/caller.ts';
import type { Db, Prisma, Tx } from '../db/client.ts';
import { lockPartition } from '../db/lock.ts';
import { inTransaction } from '../db/transaction.ts';
import { AccessError } from '../errors.ts';

export type DirectoryEventRow = Prisma.DirectoryEventGetPayload<Record<string, never>>;

const EVENT_ID = /^event_[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

// By primary key.
const RETRIED = `
  UPDATE directory_event SET status = 'PENDING', attempts = 0, error = NULL, next_attempt_at = NULL, applied_at = NULL WHERE id = ANY($1::text[])`;

const shown = (ids: readonly string[]): string => `${ids.slice(0, 10).join(', ')}${ids.length > 10 ? ` and ${ids.length - 10} more` : ''}`;

/** The caller's events of these ids, in the order of the ids. Throws NOT_FOUND for unknown and foreign ones alike. */
export async function findEvents(db: Db | Tx, ids: readonly string[], tenant: string | null): Promise<DirectoryEventRow[]> {
  const asked = [...new Set(ids)];
  const usable = asked.filter((id) => !id.includes('\0') && id.isWellFormed());
  const rows = await db.directoryEvent.findMany({ where: { id: { in: usable }, ...(tenant !== null && { partition: tenant }) } });
  const byId = new Map(rows.map((row) => [row.id, row]));
  const missing = asked.filter((id) => !byId.has(id));
  if (missing.length > 0) throw new AccessError('NOT_FOUND', `There is no such event: ${shown(missing)}.`);
  return asked.flatMap((id) => byId.get(id) ?? []);
}

/** Waits until apply is not at work on any of them, so that what is decided about them still holds when it is written. */
export async function lockEvents(tx: Tx, events: readonly DirectoryEventRow[]): Promise<void> {
  for (const partition of [...new Set(events.map((event) => event.partition))].sort()) await lockPartition(tx, partition);
}

const isRetryable = ({ status, nextAttemptAt }: DirectoryEventRow): boolean =>
  status === 'QUARANTINED' || (status === 'PENDING' && nextAttemptAt !== null);

/** All or none. */
export async function retryEvents(db: Db, ids: readonly string[], { organizationId }: Caller): Promise<DirectoryEventRow[]> {
  const found = await findEvents(db, ids, organizationId);
  return inTransaction(db, async (tx) => {
    await lockEvents(tx, found);
    const events = await findEvents(tx, ids, organizationId);
    const others = events.filter((event) => !isRetryable(event));
    if (others.length > 0) {
      const named = shown(others.map(({ id, status }) => `${id} (${status})`));
      throw new AccessError(
        'CONFLICT',
        `Only QUARANTINED events, and PENDING ones that wait for their next attempt, can be tried again; not ${named}.`,
      );
    }
    // A stand-in id would be the version of all that the event says, and win over everything for ever.
    const unusable = events.filter(({ id }) => !EVENT_ID.test(id));
    if (unusable.length > 0) {
      const named = shown(unusable.map(({ id }) => id));
      throw new AccessError('CONFLICT', `Without a usable id of its own an event can never be applied; skip it: ${named}.`);
    }
    await tx.$executeRawUnsafe(
      RETRIED,
      events.map(({ id }) => id),
    );
    return findEvents(tx, ids, organizationId);
  });
}
