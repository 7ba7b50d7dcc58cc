// A change of effective access, as it stands in the log and travels to subscribers.
import type { Position } from './cursor.ts';

export type ChangeCauseKind = 'DIRECTORY_EVENT' | 'REPLAY' | 'RECONCILIATION' | 'CATALOG_CHANGE' | 'GRANT_CHANGE' | 'GRANT_EXPIRY';

/** What brought a change about. `occurredAt` is when it happened at its source. */
export interface Cause {
  kind: ChangeCauseKind;
  eventId: string | null;
  eventType: string | null;
  replayId: string | null;
  driftReportId: string | null;
  /** Name of the caller for operator actions. */
  actor: string | null;
  reason: string | null;
  occurredAt: Date;
}

/** The net change of one user's effective access by one cause; at least one list is not empty; all are sorted. */
export interface AccessChange {
  organizationId: string;
  directoryId: string;
  userId: string;
  grantedPermissions: string[];
  revokedPermissions: string[];
  grantedRoles: string[];
  revokedRoles: string[];
  cause: Cause;
}

/** A change with its place in the log. */
export interface RecordedChange extends AccessChange {
  position: Position;
  recordedAt: Date;
}

/** All given conditions must hold; within one list any value will do. */
export interface ChangeFilter {
  organizationId?: string | null;
  directoryId?: string | null;
  userIds?: readonly string[] | null;
  permissions?: readonly string[] | null;
  roles?: readonly string[] | null;
}
