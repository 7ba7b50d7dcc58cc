// What is sent. test/integration/client checks these against the schema.

export const FOLLOW = `subscription FollowChanges($filter: EntitlementChangeFilter, $after: Cursor) {
  entitlementChanges(filter: $filter, after: $after) {
    __typename
    ... on EntitlementChange {
      cursor organizationId directoryId userId grantedPermissions revokedPermissions grantedRoles revokedRoles
      cause { kind eventId eventType replayId actor reason } occurredAt recordedAt
    }
    ... on FeedCheckpoint { cursor caughtUp at }
  }
}`;

export const SNAPSHOT_PAGE = `query SnapshotPage($organizationId: ID!, $first: Int, $after: String) {
  entitlementSnapshot(organizationId: $organizationId, first: $first, after: $after) {
    asOf
    nodes { userId permissions { permission } }
    pageInfo { hasNextPage endCursor }
  }
}`;
