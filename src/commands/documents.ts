// What is sent. Generated from schema/operations by codegen.ts.

export const HEALTH = `query Health($organizationId: ID, $directoryId: ID) {
  syncHealth(organizationId: $organizationId, directoryId: $directoryId) {
    ...Health
  }
}

fragment Health on SyncHealth {
  status
  problems {
    code
    message
    since
  }
  checkedAt
  windowSeconds
  cursor {
    eventId
    eventCreatedAt
    updatedAt
    fallsOffRetentionAt
  }
  currentLagSeconds
  eventLag {
    ...Percentiles
  }
  revocationLatency {
    ...Percentiles
  }
  events {
    received
    duplicate
    pending
    applied
    stale
    ignored
    quarantined
    failedAttempts
  }
  replays {
    running
    succeeded
    failed
    successRate
  }
  drift {
    accountsChecked
    accountsDrifted
    byKind {
      kind
      count
    }
    lastReportId
    lastCheckedAt
  }
  feed {
    head
    unrelayed
    relayLagSeconds
    subscribers
    slowestSubscriberLagSeconds
    stalledReaders
  }
  webhooks {
    accepted
    refused
  }
  leases {
    job
    holder
    epoch
    since
  }
  dependencies {
    name
    ok
    latencyMs
    error
  }
}

fragment Percentiles on Latency {
  p50Seconds
  p95Seconds
  p99Seconds
  maxSeconds
  samples
}`;

export const WATCH_HEALTH = `subscription WatchHealth($organizationId: ID, $directoryId: ID) {
  syncHealth(organizationId: $organizationId, directoryId: $directoryId) {
    ...Health
  }
}

fragment Health on SyncHealth {
  status
  problems {
    code
    message
    since
  }
  checkedAt
  windowSeconds
  cursor {
    eventId
    eventCreatedAt
    updatedAt
    fallsOffRetentionAt
  }
  currentLagSeconds
  eventLag {
    ...Percentiles
  }
  revocationLatency {
    ...Percentiles
  }
  events {
    received
    duplicate
    pending
    applied
    stale
    ignored
    quarantined
    failedAttempts
  }
  replays {
    running
    succeeded
    failed
    successRate
  }
  drift {
    accountsChecked
    accountsDrifted
    byKind {
      kind
      count
    }
    lastReportId
    lastCheckedAt
  }
  feed {
    head
    unrelayed
    relayLagSeconds
    subscribers
    slowestSubscriberLagSeconds
    stalledReaders
  }
  webhooks {
    accepted
    refused
  }
  leases {
    job
    holder
    epoch
    since
  }
  dependencies {
    name
    ok
    latencyMs
    error
  }
}

fragment Percentiles on Latency {
  p50Seconds
  p95Seconds
  p99Seconds
  maxSeconds
  samples
}`;

export const DIRECTORY_EVENTS = `query DirectoryEvents($organizationId: ID, $directoryId: ID, $userId: ID, $groupId: ID, $types: [String!], $statuses: [EventStatus!], $from: DateTime, $to: DateTime, $first: Int, $after: String) {
  directoryEvents(
    organizationId: $organizationId
    directoryId: $directoryId
    userId: $userId
    groupId: $groupId
    types: $types
    statuses: $statuses
    from: $from
    to: $to
    first: $first
    after: $after
  ) {
    totalCount
    nodes {
      ...Event
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}

fragment Event on DirectoryEvent {
  id
  type
  organizationId
  directoryId
  status
  channel
  attempts
  error
  occurredAt
  receivedAt
  appliedAt
}`;

export const DIRECTORY_EVENT = `query DirectoryEvent($id: ID!) {
  directoryEvent(id: $id) {
    ...Event
    payload
    changes {
      cursor
      userId
      grantedPermissions
      revokedPermissions
      grantedRoles
      revokedRoles
    }
  }
}

fragment Event on DirectoryEvent {
  id
  type
  organizationId
  directoryId
  status
  channel
  attempts
  error
  occurredAt
  receivedAt
  appliedAt
}`;

export const RETRY_EVENTS = `mutation RetryEvents($eventIds: [ID!]!) {
  retryEvents(eventIds: $eventIds) {
    ...Event
  }
}

fragment Event on DirectoryEvent {
  id
  type
  organizationId
  directoryId
  status
  channel
  attempts
  error
  occurredAt
  receivedAt
  appliedAt
}`;

export const SKIP_EVENT = `mutation SkipEvent($eventId: ID!, $reason: String!) {
  skipEvent(eventId: $eventId, reason: $reason) {
    ...Event
  }
}

fragment Event on DirectoryEvent {
  id
  type
  organizationId
  directoryId
  status
  channel
  attempts
  error
  occurredAt
  receivedAt
  appliedAt
}`;

export const API_KEYS = `query ApiKeys {
  apiKeys {
    ...ApiKeyState
  }
}

fragment ApiKeyState on ApiKey {
  id
  name
  prefix
  scopes
  organizationId
  createdAt
  expiresAt
  lastUsedAt
  revokedAt
}`;

export const CREATE_API_KEY = `mutation CreateApiKey($name: String!, $scopes: [Scope!]!, $organizationId: ID, $expiresAt: DateTime) {
  createApiKey(
    name: $name
    scopes: $scopes
    organizationId: $organizationId
    expiresAt: $expiresAt
  ) {
    secret
    apiKey {
      ...ApiKeyState
    }
  }
}

fragment ApiKeyState on ApiKey {
  id
  name
  prefix
  scopes
  organizationId
  createdAt
  expiresAt
  lastUsedAt
  revokedAt
}`;

export const REVOKE_API_KEY = `mutation RevokeApiKey($id: ID!) {
  revokeApiKey(id: $id) {
    ...ApiKeyState
  }
}

fragment ApiKeyState on ApiKey {
  id
  name
  prefix
  scopes
  organizationId
  createdAt
  expiresAt
  lastUsedAt
  revokedAt
}`;

export const START_REPLAY = `mutation StartReplay($input: ReplayEventsInput!) {
  replayEvents(input: $input) {
    ...ReplayState
  }
}

fragment ReplayState on Replay {
  id
  status
  phase
  dryRun
  source
  requestedBy
  reason
  processed
  total
  repaired
  unchanged
  failed
  grantedPermissions
  revokedPermissions
  affectedUsers
  fetched
  missing
  confirmToken
  error
  createdAt
  startedAt
  finishedAt
}`;

export const CANCEL_REPLAY = `mutation CancelReplay($id: ID!) {
  cancelReplay(id: $id) {
    ...ReplayState
  }
}

fragment ReplayState on Replay {
  id
  status
  phase
  dryRun
  source
  requestedBy
  reason
  processed
  total
  repaired
  unchanged
  failed
  grantedPermissions
  revokedPermissions
  affectedUsers
  fetched
  missing
  confirmToken
  error
  createdAt
  startedAt
  finishedAt
}`;

export const REPLAY = `query Replay($id: ID!) {
  replay(id: $id) {
    ...ReplayState
    preview(first: 500) {
      userId
      grantedPermissions
      revokedPermissions
    }
  }
}

fragment ReplayState on Replay {
  id
  status
  phase
  dryRun
  source
  requestedBy
  reason
  processed
  total
  repaired
  unchanged
  failed
  grantedPermissions
  revokedPermissions
  affectedUsers
  fetched
  missing
  confirmToken
  error
  createdAt
  startedAt
  finishedAt
}`;

export const REPLAYS = `query Replays($first: Int, $after: String) {
  replays(first: $first, after: $after) {
    nodes {
      ...ReplayState
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}

fragment ReplayState on Replay {
  id
  status
  phase
  dryRun
  source
  requestedBy
  reason
  processed
  total
  repaired
  unchanged
  failed
  grantedPermissions
  revokedPermissions
  affectedUsers
  fetched
  missing
  confirmToken
  error
  createdAt
  startedAt
  finishedAt
}`;

export const WATCH_REPLAY = `subscription WatchReplay($id: ID!) {
  replayProgress(id: $id) {
    ...ReplayState
  }
}

fragment ReplayState on Replay {
  id
  status
  phase
  dryRun
  source
  requestedBy
  reason
  processed
  total
  repaired
  unchanged
  failed
  grantedPermissions
  revokedPermissions
  affectedUsers
  fetched
  missing
  confirmToken
  error
  createdAt
  startedAt
  finishedAt
}`;

export const APPLY_CATALOG = `mutation ApplyCatalog($catalog: CatalogInput!, $dryRun: Boolean, $prune: Boolean, $maxRevocations: Int) {
  applyCatalog(
    catalog: $catalog
    dryRun: $dryRun
    prune: $prune
    maxRevocations: $maxRevocations
  ) {
    applied
    rolesCreated
    rolesChanged
    rolesRemoved
    mappingsAdded
    mappingsRemoved
    affectedUsers
    grantedPermissions
    revokedPermissions
    preview {
      userId
      grantedPermissions
      revokedPermissions
    }
  }
}`;

export const RECONCILE = `mutation Reconcile($directoryId: ID!, $repair: Boolean, $maxRevocations: Int, $confirmToken: String) {
  reconcileDirectory(
    directoryId: $directoryId
    repair: $repair
    maxRevocations: $maxRevocations
    confirmToken: $confirmToken
  ) {
    ...DriftReportState
  }
}

fragment DriftReportState on DriftReport {
  id
  directoryId
  status
  phase
  repair
  usersRead
  groupsRead
  membershipsRead
  accountsChecked
  accountsDrifted
  byKind {
    kind
    count
  }
  repaired
  confirmToken
  error
  startedAt
  finishedAt
}`;

export const DRIFT_REPORT = `query DriftReport($id: ID!, $first: Int, $after: String) {
  driftReport(id: $id) {
    ...DriftReportState
    items(first: $first, after: $after) {
      nodes {
        kind
        userId
        groupId
        local
        source
      }
      pageInfo {
        hasNextPage
        endCursor
      }
      totalCount
    }
  }
}

fragment DriftReportState on DriftReport {
  id
  directoryId
  status
  phase
  repair
  usersRead
  groupsRead
  membershipsRead
  accountsChecked
  accountsDrifted
  byKind {
    kind
    count
  }
  repaired
  confirmToken
  error
  startedAt
  finishedAt
}`;
