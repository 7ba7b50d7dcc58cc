// QUARANTINED events among the selected ones that can be understood by now. They take part in the replay and become APPLIED
// with its end. A trial says which: the whole way of the event in a transaction that is rolled back, because a database may
// refuse what the parser lets through. An event under a stand-in id never takes part: its id is its version, and that one
// would win against everything for ever.

import { fold } from '../apply/fold.ts';
import { loadWorkingSet } from '../apply/load-working-set.ts';
import { isCatalogType, parseEvent, type StoredEvent } from '../apply/parse-event.ts';
import { saveWorkingSet } from '../apply/save-working-set.ts';
import type { Db, Tx } from '../db/client.ts';
import { lockPartition } from '../db/lock.ts';
import { rolledBack } from '../db/rolled-back.ts';
import type { Observation } from '../model/fact.ts';
import { isPassing } from './replay-failure.ts';
import { SELECTED } from './replay-selection.ts';

// By (status, partition, id).
const QUARANTINED = `
  SELECT e.id, e.type, e.raw, e.occurred_at AS "occurredAt", e.partition FROM directory_event e
  WHERE e.status = 'QUARANTINED' AND e.id >= 'event_' AND e.id < 'event\`' AND ${SELECTED} ORDER BY e.id`;

// Whoever else has settled them meanwhile was first.
const APPLIED = `
  UPDATE directory_event SET status = 'APPLIED', error = NULL, applied_at = clock_timestamp(), next_attempt_at = NULL
  WHERE id = ANY($1::text[]) AND status = 'QUARANTINED'`;

/** `parameters` of replay-selection.ts. In id order. */
export async function readUnderstandable(db: Db, parameters: readonly unknown[], signal: AbortSignal): Promise<string[]> {
  const events = await db.$queryRawUnsafe<(StoredEvent & { partition: string })[]>(QUARANTINED, ...parameters);
  const understood: string[] = [];
  for (const event of events) {
    signal.throwIfAborted();
    if (isCatalogType(event.type)) continue;
    const parsed = parseEvent(event);
    if (parsed.kind === 'observation' && (await canBeApplied(db, event.partition, parsed.observation))) understood.push(event.id);
  }
  return understood;
}

async function canBeApplied(db: Db, partition: string, observation: Observation): Promise<boolean> {
  try {
    await rolledBack(db, async (tx) => {
      await lockPartition(tx, partition);
      const set = await loadWorkingSet(tx, [observation]);
      fold(set, observation);
      await saveWorkingSet(tx, set, { requestImports: false });
    });
    return true;
  } catch (error) {
    if (isPassing(error)) throw error;
    return false;
  }
}

export async function markApplied(tx: Tx, eventIds: readonly string[]): Promise<void> {
  if (eventIds.length > 0) await tx.$executeRawUnsafe(APPLIED, eventIds);
}
