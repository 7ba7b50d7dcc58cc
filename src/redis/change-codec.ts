// A change as the text of one stream entry. What does not decode (another version's entry, a foreign hand) is null: the
// reader then sees a hole and reads that change from the log.
import { z } from 'zod';
import type { RecordedChange } from '../model/change.ts';

const time = z.iso.datetime().transform((text) => new Date(text));
const texts = z.array(z.string());
const nullableText = z.string().nullable();

const entry = z.object({
  organizationId: z.string(),
  directoryId: z.string(),
  userId: z.string(),
  grantedPermissions: texts,
  revokedPermissions: texts,
  grantedRoles: texts,
  revokedRoles: texts,
  recordedAt: time,
  cause: z.object({
    kind: z.enum(['DIRECTORY_EVENT', 'REPLAY', 'RECONCILIATION', 'CATALOG_CHANGE', 'GRANT_CHANGE', 'GRANT_EXPIRY']),
    eventId: nullableText,
    eventType: nullableText,
    replayId: nullableText,
    driftReportId: nullableText,
    actor: nullableText,
    reason: nullableText,
    occurredAt: time,
  }),
});

/** Without the position: that is the entry's id. */
export function encodeChange({ position: _, ...rest }: RecordedChange): string {
  return JSON.stringify(rest);
}

export function decodeChange(id: string, text: string | undefined): RecordedChange | null {
  const position = /^([0-9]{1,19})-0$/.exec(id)?.[1];
  if (position === undefined || text === undefined) return null;
  try {
    const parsed = entry.safeParse(JSON.parse(text));
    return parsed.success ? { position: BigInt(position), ...parsed.data } : null;
  } catch {
    return null;
  }
}
