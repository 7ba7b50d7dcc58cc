// Facts that did not come as events (a full read, a repair): the same way as events, without the inbox.
import type { Db, Tx } from '../db/client.ts';
import { rolledBack } from '../db/rolled-back.ts';
import { restateUsers } from '../entitlements/restate.ts';
import { storeTransitions } from '../entitlements/store.ts';
import type { Transition } from '../entitlements/transition.ts';
import { failpoint } from '../lib/failpoint.ts';
import type { Cause } from '../model/change.ts';
import type { Observation } from '../model/fact.ts';
import { foldDirectory } from './settle-batch.ts';
import { underLock } from './under-lock.ts';

export interface StatedFacts {
  observations: readonly Observation[];
  /** Of a repair: users whose access is stated anew from their rows (entitlements/restate.ts), whatever was stored. */
  restated?: { userIds: readonly string[]; cause: Cause };
}

/** undefined: they reach beyond the organization `within`. */
async function foldStated(tx: Tx, within: string | null, { observations, restated }: StatedFacts): Promise<Transition[] | undefined> {
  const folded = await foldDirectory(tx, [{ within, observations }], { requestImports: false });
  if (folded.beyond.size > 0) return undefined;
  await folded.save();
  if (!restated) return folded.transitions;
  const own = new Set(restated.userIds);
  return [...folded.transitions.filter(({ userId }) => !own.has(userId)), ...(await restateUsers(tx, restated.userIds, restated.cause))];
}

/** `alongside` runs in the same transaction, before the change log is touched. Returns the changes recorded. */
export async function applyFacts(
  db: Db,
  partition: string,
  facts: StatedFacts,
  alongside: (tx: Tx) => Promise<void> = async () => undefined,
): Promise<number> {
  return underLock(db, partition, async (tx, within) => {
    const transitions = await foldStated(tx, within, facts);
    if (!transitions) return undefined;
    await alongside(tx);
    const changes = await storeTransitions(tx, transitions);
    await failpoint('before-commit');
    return changes.length;
  });
}

/** What the same facts would do to access if they were applied now. Nothing stays written. */
export const previewFacts = (db: Db, partition: string, facts: StatedFacts): Promise<Transition[]> =>
  underLock(db, partition, (tx, within) => foldStated(tx, within, facts), { transact: rolledBack });

export const applyObservations = (
  db: Db,
  partition: string,
  observations: readonly Observation[],
  alongside?: (tx: Tx) => Promise<void>,
): Promise<number> => applyFacts(db, partition, { observations }, alongside);
