import type { Prisma } from '../src/db/client.ts';
import type { RecordedChange } from '../src/model/change.ts';

/** A row of the change log as the change that it records. */
export const toChange = (row: Prisma.EntitlementChangeGetPayload<Record<string, never>>): RecordedChange => ({
  ...row,
  cause: {
    kind: row.causeKind,
    eventId: row.eventId,
    eventType: row.eventType,
    replayId: row.replayId,
    driftReportId: row.driftReportId,
    actor: row.actor,
    reason: row.reason,
    occurredAt: row.occurredAt,
  },
});
