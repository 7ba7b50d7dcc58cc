// Keeps what the state API answered (table state_read) in the transaction that applies it: with the inbox it is the full
// local log from which a replay re-derives.

import { parseRead, type StateReadPage } from '../apply/parse-read.ts';
import type { Db, Tx } from '../db/client.ts';
import type { Cause } from '../model/change.ts';
import type { Observation } from '../model/fact.ts';
import { versionAt, versionOfRead } from '../model/version.ts';
import { WorkosError } from '../workos/workos-error.ts';

/** The facts of a page as of `version`. A page that cannot be understood is a bad response: nothing of it is taken. */
export function observationOf(page: StateReadPage, version: string, cause: Cause): Observation {
  const parsed = parseRead(page);
  if (parsed.kind === 'refused')
    throw new WorkosError('bad_response', `The state API answered ${page.kind.toLowerCase()} that cannot be understood: ${parsed.reason}`);
  return { version, facts: parsed.facts, cause };
}

const idOf = (item: unknown): string[] =>
  typeof item === 'object' && item !== null && 'id' in item && typeof item.id === 'string' ? [item.id] : [];

export async function keepStateRead(tx: Tx, page: StateReadPage, version: string): Promise<void> {
  const { directoryId, kind, group, userId, items } = page;
  const entityIds = kind === 'GROUP_GONE' && group ? [group.id] : userId === null ? items.flatMap(idOf) : [userId];
  await tx.stateRead.create({ data: { directoryId, groupId: group?.id ?? null, version, kind, raw: JSON.stringify(items), entityIds } });
}

// By (directory_id, id). The stand-in ids of unusable envelopes are no versions: they would be newer than everything to come.
const LAST_EVENT =
  "SELECT max(id) AS id, clock_timestamp() AS at FROM directory_event WHERE directory_id = $1 AND id >= 'event_' AND id < 'event`'";

/** What a read of this directory that begins now counts as: newer than every event stored, older than every one to come. */
export async function versionOfReadNow(db: Db, directoryId: string, serverTime: Date): Promise<string> {
  const [row] = await db.$queryRawUnsafe<{ id: string | null; at: Date }[]>(LAST_EVENT, directoryId);
  return row?.id ? versionOfRead(row.id, row.at) : versionAt(serverTime);
}

export const causeOfRead = (reason: string, occurredAt: Date): Cause => ({
  kind: 'RECONCILIATION',
  eventId: null,
  eventType: null,
  replayId: null,
  driftReportId: null,
  actor: null,
  reason,
  occurredAt,
});
