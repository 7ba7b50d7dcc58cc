// One step of one user's effective access, and of one membership, in the order in which their causes count. What
// entitlements/store.ts writes.
import type { Cause } from '../model/change.ts';
import type { Effective } from '../model/entitlement.ts';

export interface AccessTransition {
  kind: 'access';
  userId: string;
  organizationId: string;
  directoryId: string;
  before: Effective;
  after: Effective;
  cause: Cause;
  /** Written even where `before` says the same: what is stored does not. */
  anew?: true;
}

export interface MembershipTransition {
  kind: 'membership';
  userId: string;
  groupId: string;
  organizationId: string;
  active: boolean;
  cause: Cause;
}

export type Transition = AccessTransition | MembershipTransition;
