// The part of the contract that the peers of the fan-out serve, and what of it a filter means to them: a list of users.
export const typeDefs = /* GraphQL */ `
  scalar Cursor
  scalar DateTime
  type ChangeCause { kind: String! eventId: ID eventType: String replayId: ID actor: String reason: String }
  type EntitlementChange {
    cursor: Cursor!
    organizationId: ID!
    directoryId: ID!
    userId: ID!
    grantedPermissions: [String!]!
    revokedPermissions: [String!]!
    grantedRoles: [String!]!
    revokedRoles: [String!]!
    cause: ChangeCause!
    occurredAt: DateTime!
    recordedAt: DateTime!
  }
  type FeedCheckpoint { cursor: Cursor! caughtUp: Boolean! at: DateTime! }
  union EntitlementFeedItem = EntitlementChange | FeedCheckpoint
  input EntitlementChangeFilter { organizationId: ID directoryId: ID userIds: [ID!] permissions: [String!] roles: [String!] }
  type Query { hello: String }
  type Subscription { entitlementChanges(filter: EntitlementChangeFilter, after: Cursor): EntitlementFeedItem! }
`;

export const resolveType = (item) => ('caughtUp' in item ? 'FeedCheckpoint' : 'EntitlementChange');

export const matches = (change, filter) => !filter?.userIds || filter.userIds.includes(change.userId);

export const isAllowed = (params) => params?.authorization === process.env.AUTHORIZATION;
