// What resolvers ask of the rest of the service beyond reading tables: src/runtime.ts builds one `Services`. Each takes the
// caller, or the organization that the caller is bound to (null: every organization); foreign and unknown ids answer alike.
import type { Caller } from '../src/auth/caller.ts';
import type { Prisma } from '../src/db/client.ts';
import type { ApplyCatalogOptions, CatalogPlan } from '../src/entitlements/catalog.ts';
import type { GrantRoleOptions, GrantRow } from '../src/entitlements/grants.ts';
import type { Feed } from '../src/feed/feed.ts';
import type { Position } from '../src/model/cursor.ts';

type Tenant = string | null;

export type ReplayRow = Prisma.ReplayGetPayload<Record<string, never>>;
export type DirectoryEventRow = Prisma.DirectoryEventGetPayload<Record<string, never>>;

export interface ReplayInput {
  organizationId: string | null;
  directoryId: string | null;
  userId: string | null;
  groupId: string | null;
  eventIds: string[] | null;
  from: Date | null;
  to: Date | null;
  afterEventId: string | null;
  untilEventId: string | null;
  eventTypes: string[] | null;
  source: 'LOG' | 'WORKOS_EVENTS';
  dryRun: boolean;
  idempotencyKey: string | null;
  reason: string | null;
}

export interface Latency {
  p50Seconds: number | null;
  p95Seconds: number | null;
  p99Seconds: number | null;
  maxSeconds: number | null;
  samples: number;
}

export type DriftKind = 'MISSING_LOCALLY' | 'MISSING_AT_SOURCE' | 'STATE' | 'ATTRIBUTES' | 'MEMBERSHIP' | 'ROLE';

export interface SyncHealth {
  status: 'HEALTHY' | 'DEGRADED' | 'FAILING';
  problems: { code: string; message: string; since: Date }[];
  checkedAt: Date;
  windowSeconds: number;
  cursor: { eventId: string | null; eventCreatedAt: Date | null; updatedAt: Date | null; fallsOffRetentionAt: Date | null };
  currentLagSeconds: number;
  eventLag: Latency;
  revocationLatency: Latency;
  events: Record<'received' | 'duplicate' | 'pending' | 'applied' | 'stale' | 'ignored' | 'quarantined' | 'failedAttempts', number>;
  replays: { running: number; succeeded: number; failed: number; successRate: number | null };
  drift: {
    accountsChecked: number;
    accountsDrifted: number;
    byKind: { kind: DriftKind; count: number }[];
    lastReportId: string | null;
    lastCheckedAt: Date | null;
  };
  feed: { head: Position; relayLagSeconds: number; subscribers: number; slowestSubscriberLagSeconds: number | null };
  dependencies: { name: string; ok: boolean; latencyMs: number | null; error: string | null }[];
}

export interface HealthScope {
  organizationId: string | null;
  directoryId: string | null;
}

export interface Services {
  /** Of the change log; inside every cursor. */
  logId: string;
  feed: Pick<Feed, 'open' | 'position'>;
  catalog: {
    apply(options: ApplyCatalogOptions): Promise<CatalogPlan>;
  };
  grants: {
    grant(options: GrantRoleOptions): Promise<GrantRow>;
    revoke(options: { id: string; actor: string; tenant: Tenant }): Promise<GrantRow>;
  };
  replays: {
    start(input: ReplayInput, caller: Caller): Promise<ReplayRow>;
    cancel(id: string, tenant: Tenant): Promise<ReplayRow>;
    /** The row now and after every step, until the replay has ended. An unknown id is NOT_FOUND. */
    progress(id: string, tenant: Tenant, signal: AbortSignal): AsyncIterableIterator<ReplayRow>;
  };
  events: {
    retry(ids: readonly string[], caller: Caller): Promise<DirectoryEventRow[]>;
    skip(id: string, reason: string, caller: Caller): Promise<DirectoryEventRow>;
  };
  health: {
    read(scope: HealthScope, tenant: Tenant): Promise<SyncHealth>;
    watch(scope: HealthScope, tenant: Tenant, signal: AbortSignal): AsyncIterableIterator<SyncHealth>;
  };
}
