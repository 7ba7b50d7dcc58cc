// What resolvers ask of the rest of the service beyond reading tables: src/runtime.ts builds one `Services`. Each takes the
// caller, or the organization that the caller is bound to (null: every organization); foreign and unknown ids answer alike.
import type { KeyStore } from '../src/auth/key-store.ts';
import type { ApplyCatalogOptions, CatalogPlan } from '../src/entitlements/catalog.ts';
import type { GrantRoleOptions, GrantRow } from '../src/entitlements/grants.ts';
import type { Feed } from '../src/feed/feed.ts';
import type { Audit } from '../src/ops/audit.ts';
import type { EventOperations } from '../src/ops/event-operations.ts';
import type { HealthService } from '../src/ops/health.ts';
import type { Reconciliations } from '../src/ops/reconcile.ts';
import type { Replays } from '../src/ops/replay.ts';

export interface Services {
  /** Of the change log; inside every cursor. */
  logId: string;
  feed: Pick<Feed, 'open' | 'position'>;
  catalog: {
    apply(options: ApplyCatalogOptions): Promise<CatalogPlan>;
  };
  grants: {
    grant(options: GrantRoleOptions): Promise<GrantRow>;
    revoke(options: { id: string; actor: string; tenant: string | null }): Promise<GrantRow>;
  };
  replays: Pick<Replays, 'start' | 'cancel' | 'progress'>;
  reconciliations: Reconciliations;
  events: EventOperations;
  health: HealthService;
  keys: KeyStore;
  /** Of every mutation; see audit-plugin.ts. */
  audit: Audit;
}
