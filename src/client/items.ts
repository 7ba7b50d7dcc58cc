// What a consumer is told: the vocabulary of the change feed, as contract.graphql has it. Times are ISO 8601 in UTC.

/** All given conditions must hold; within one list any value will do. */
export interface FeedFilter {
  organizationId?: string;
  directoryId?: string;
  userIds?: readonly string[];
  permissions?: readonly string[];
  roles?: readonly string[];
}

export interface ChangeCause {
  kind: string;
  eventId: string | null;
  eventType: string | null;
  replayId: string | null;
  actor: string | null;
  reason: string | null;
}

/** The net change of one user's effective access by one cause; never empty. */
export interface EntitlementChange {
  kind: 'change';
  cursor: string;
  organizationId: string;
  directoryId: string;
  userId: string;
  grantedPermissions: readonly string[];
  revokedPermissions: readonly string[];
  grantedRoles: readonly string[];
  revokedRoles: readonly string[];
  cause: ChangeCause;
  occurredAt: string;
  recordedAt: string;
}

/** Every match up to `cursor` was handed over. `caughtUp`: the log held nothing newer. */
export interface FeedCheckpoint {
  kind: 'checkpoint';
  cursor: string;
  caughtUp: boolean;
  at: string;
}

export type FeedItem = EntitlementChange | FeedCheckpoint;

/** One result of the subscription as an item; undefined when it is none. */
export function itemOf(data: unknown): FeedItem | undefined {
  const wire = (data as { entitlementChanges?: Record<string, unknown> } | null)?.entitlementChanges;
  if (typeof wire?.cursor !== 'string') return undefined;
  const { __typename, ...fields } = wire;
  if (__typename === 'EntitlementChange') return { kind: 'change', ...fields } as unknown as EntitlementChange;
  if (__typename === 'FeedCheckpoint') return { kind: 'checkpoint', ...fields } as unknown as FeedCheckpoint;
  return undefined;
}
