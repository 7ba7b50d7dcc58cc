// What is sent. Generated from schema/operations by codegen.ts.

export const FOLLOW_CHANGES = `subscription FollowChanges($filter: EntitlementChangeFilter, $after: Cursor) {
  entitlementChanges(filter: $filter, after: $after) {
    __typename
    ... on EntitlementChange {
      ...Change
    }
    ... on FeedCheckpoint {
      cursor
      caughtUp
      at
    }
  }
}

fragment Change on EntitlementChange {
  cursor
  organizationId
  directoryId
  userId
  grantedPermissions
  revokedPermissions
  grantedRoles
  revokedRoles
  cause {
    kind
    eventId
    eventType
    replayId
    actor
    reason
  }
  occurredAt
  recordedAt
}`;

export const SNAPSHOT_PAGE = `query SnapshotPage($organizationId: ID!, $first: Int, $after: String) {
  entitlementSnapshot(
    organizationId: $organizationId
    first: $first
    after: $after
  ) {
    asOf
    nodes {
      userId
      roles {
        role
      }
      permissions {
        permission
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}`;
