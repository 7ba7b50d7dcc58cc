// Directories whose SCIM token was revoked: nothing is pushed any more, and nothing else tells. A token that is known and not
// revoked, or anything that the directory has pushed since, shows that it can.
import type { Tx } from '../db/client.ts';
import { MAX_LISTED, type MeasuredScope } from './health-scope.ts';

export interface TokenEvent {
  type: string;
  /** null: the event does not say. */
  tokenId: string | null;
  occurredAt: Date;
}

/** By the events about the tokens of one directory, in order; null when a token is left, or none was taken away. */
export function tokenRevokedSince(events: readonly TokenEvent[]): Date | null {
  const last = events.at(-1);
  if (last?.type !== 'dsync.token.revoked') return null;
  const revoked = new Set(events.flatMap(({ type, tokenId }) => (type === 'dsync.token.revoked' ? [tokenId] : [])));
  const left = events.some(({ type, tokenId }) => type === 'dsync.token.created' && tokenId !== null && !revoked.has(tokenId));
  return left ? null : last.occurredAt;
}

// By the partial index on events of tokens, which are few; one probe by (directory_id, id) for what came after them.
const TOKENS = `
  SELECT t.directory_id AS "directoryId", t.type, t.raw, t.occurred_at AS "occurredAt"
  FROM directory_event t JOIN directory d ON d.id = t.directory_id
  WHERE t.type IN ('dsync.token.created', 'dsync.token.revoked') AND t.status <> 'QUARANTINED'
    AND d.state = 'ACTIVE' AND ($1::text IS NULL OR d.organization_id = $1) AND ($2::text IS NULL OR d.id = $2)
    AND NOT EXISTS (
      SELECT 1 FROM directory_event e WHERE e.directory_id = t.directory_id AND (e.user_id IS NOT NULL OR e.group_id IS NOT NULL)
        AND e.id > (SELECT max(id) FROM directory_event WHERE directory_id = t.directory_id AND type IN ('dsync.token.created', 'dsync.token.revoked')))
  ORDER BY t.directory_id, t.id`;

export async function readRevokedTokens(
  tx: Tx,
  { organizationId, directoryId }: MeasuredScope,
): Promise<{ directoryId: string; since: Date }[]> {
  const rows = await tx.$queryRawUnsafe<{ directoryId: string; type: string; raw: string; occurredAt: Date }[]>(
    TOKENS,
    organizationId,
    directoryId,
  );
  return [...Map.groupBy(rows, (row) => row.directoryId)]
    .flatMap(([id, events]) => {
      const since = tokenRevokedSince(events.map(({ type, raw, occurredAt }) => ({ type, tokenId: tokenIdOf(raw), occurredAt })));
      return since ? [{ directoryId: id, since }] : [];
    })
    .slice(0, MAX_LISTED);
}

function tokenIdOf(raw: string): string | null {
  try {
    const id: unknown = JSON.parse(raw)?.data?.id;
    return typeof id === 'string' ? id : null;
  } catch {
    return null;
  }
}
