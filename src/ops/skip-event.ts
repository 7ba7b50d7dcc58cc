// An event that an operator takes out of the way for good. Who did it and why stays with the event.
import type { Caller } from '../auth/caller.ts';
import type { Db } from '../db/client.ts';
import { inTransaction } from '../db/transaction.ts';
import { AccessError } from '../errors.ts';
import { type DirectoryEventRow, findEvents, lockEvents } from './retry-events.ts';

const MAX_REASON_LENGTH = 1_000;

export async function skipEvent(db: Db, id: string, reason: string, { name, organizationId }: Caller): Promise<DirectoryEventRow> {
  const why = reason.trim();
  if (why === '') throw new AccessError('BAD_USER_INPUT', 'reason: say why the event is skipped; it is kept with the event.');
  if (why.length > MAX_REASON_LENGTH || why.includes('\0') || !why.isWellFormed())
    throw new AccessError('BAD_USER_INPUT', `reason: must be well-formed text of at most ${MAX_REASON_LENGTH} characters, without NUL.`);
  const found = await findEvents(db, [id], organizationId);
  return inTransaction(db, async (tx) => {
    await lockEvents(tx, found);
    const [event] = await findEvents(tx, [id], organizationId);
    if (event?.status !== 'QUARANTINED' && event?.status !== 'PENDING')
      throw new AccessError('CONFLICT', `Only a QUARANTINED or PENDING event can be skipped; this one is ${event?.status ?? 'gone'}.`);
    return tx.directoryEvent.update({
      where: { id },
      data: { status: 'SKIPPED', error: `skipped by ${name}: ${why}`, nextAttemptAt: null },
    });
  });
}
