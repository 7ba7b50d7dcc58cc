// Reads by hand-written SQL, bound to the caller's organization (I6): resolvers get these and never a client that is not
// bound. What is asked of a foreign organization answers as if there were no such organization.
import { type Head, readHead } from '../src/changes/head.ts';
import { readAfter } from '../src/changes/read-after.ts';
import type { Db } from '../src/db/client.ts';
import { countUsersWithPermission, usersWithPermission } from '../src/entitlements/holders.ts';
import type { EffectiveLookup } from '../src/entitlements/lookup.ts';
import type { EffectiveAnswer, Freshness } from '../src/entitlements/read.ts';
import { readSnapshotPage, type SnapshotPage } from '../src/entitlements/snapshot.ts';
import type { ChangeFilter, RecordedChange } from '../src/model/change.ts';
import type { Position } from '../src/model/cursor.ts';
import { type RoleRow, readRoles } from './role-rows.ts';
import { readUnknownFreshness } from './unknown-freshness.ts';

interface HoldersOf {
  organizationId: string;
  permission: string;
}

export interface Reads {
  head(): Promise<Head>;
  /** Oldest first. */
  changes(o: { after: Position; limit: number; filter: ChangeFilter }): Promise<RecordedChange[]>;
  /** undefined: unknown or foreign. */
  effectiveOf(userId: string): Promise<EffectiveAnswer | undefined>;
  /** In one statement. Unknown and foreign ids are missing from the map. */
  effective(userIds: readonly string[]): Promise<Map<string, EffectiveAnswer>>;
  /** Of an answer about a user whom nobody knows. */
  unknownFreshness(): Promise<Freshness>;
  snapshotPage(page: SnapshotPage): Promise<EffectiveAnswer[]>;
  holders(o: HoldersOf & { afterUserId: string | null; limit: number }): Promise<string[]>;
  countHolders(o: HoldersOf): Promise<number>;
  /** With an organization: what each slug means there. */
  roles(organizationId: string | null): Promise<RoleRow[]>;
}

export function createReads(db: Db, lookup: EffectiveLookup, tenant: string | null): Reads {
  const visible = (organizationId: string): boolean => tenant === null || tenant === organizationId;
  return {
    head: () => readHead(db),
    changes: (options) => readAfter(db, { ...options, tenant }),
    effectiveOf: (userId) => lookup.find(userId, tenant),
    effective: (userIds) => lookup.findAll(userIds, tenant),
    unknownFreshness: () => readUnknownFreshness(db, tenant),
    snapshotPage: async (page) => (visible(page.organizationId) ? readSnapshotPage(db, page) : []),
    holders: async (options) => (visible(options.organizationId) ? usersWithPermission(db, options) : []),
    countHolders: async (options) => (visible(options.organizationId) ? countUsersWithPermission(db, options) : 0),
    roles: async (organizationId) => (organizationId === null || visible(organizationId) ? readRoles(db, organizationId, tenant) : []),
  };
}
