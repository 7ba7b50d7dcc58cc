// The closed list of event types that we ask the Events API for (`events` is required and knows no wildcard). Names as in
// SDK 11.0.0's event union and workos.md. AuthKit's `group.*`, `user.*` and `organization_membership.*` are other things
// with similar names: not ours.

/** Types that decide access, and that every server of today knows. */
export const CORE_EVENT_TYPES: readonly string[] = [
  'dsync.activated',
  'dsync.deleted',
  'dsync.user.created',
  'dsync.user.updated',
  'dsync.user.deleted',
  'dsync.group.created',
  'dsync.group.updated',
  'dsync.group.deleted',
  'dsync.group.user_added',
  'dsync.group.user_removed',
  'role.created',
  'role.updated',
  'role.deleted',
  'organization_role.created',
  'organization_role.updated',
  'organization_role.deleted',
  'permission.created',
  'permission.updated',
  'permission.deleted',
  'organization.created',
  'organization.updated',
  'organization.deleted',
];

/** One from before the SDK's list and two from after it: a server that refuses them is asked for the core types alone. */
export const OPTIONAL_EVENT_TYPES: readonly string[] = ['dsync.deactivated', 'dsync.token.created', 'dsync.token.revoked'];

export const EVENT_TYPES: readonly string[] = [...CORE_EVENT_TYPES, ...OPTIONAL_EVENT_TYPES];
