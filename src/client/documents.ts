// What is sent: word for word two of the shipped operations (schema/operations/service.graphql), so that a service which takes
// nothing else takes them. test/unit/persisted-operations.test.ts holds that; test/integration/client checks them against the schema.

export const FOLLOW = `subscription FollowChanges($filter: EntitlementChangeFilter, $after: Cursor) {
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
