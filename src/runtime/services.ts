// What resolvers may ask for: each service of schema/services.ts over what was opened.
import type { Services } from '../../schema/services.ts';
import type { KeyLookup } from '../auth/key-lookup.ts';
import { createKeyStore } from '../auth/key-store.ts';
import type { Revalidation } from '../auth/revalidate.ts';
import type { Config } from '../config.ts';
import { applyCatalog } from '../entitlements/catalog.ts';
import { grantRole, revokeGrant } from '../entitlements/grants.ts';
import type { Feed } from '../feed/feed.ts';
import type { Logger } from '../log.ts';
import { JOBS } from '../model/job.ts';
import { createAudit } from '../ops/audit.ts';
import { createHealth } from '../ops/health.ts';
import { createReconciliations } from '../ops/reconcile.ts';
import type { Replays } from '../ops/replay.ts';
import { retryEvents } from '../ops/retry-events.ts';
import { skipEvent } from '../ops/skip-event.ts';
import type { Wake } from '../worker/wake.ts';
import type { Storage } from './storage.ts';

export interface ServicesDeps {
  config: Config;
  storage: Storage;
  log: Logger;
  processId: string;
  feed: Feed;
  replays: Replays;
  wake: Wake['wake'];
  keyLookup: KeyLookup;
  revalidation: Revalidation;
  /** What WorkOS said last against us; null where this process does not ask it. */
  workosError: (() => string | null) | null;
}

export function composeServices(deps: ServicesDeps): Services {
  const { config, log, processId, feed, replays, wake, keyLookup, revalidation, workosError } = deps;
  const { work, api, stream, logId, databaseClock } = deps.storage;
  const clock = databaseClock.now;
  const onChanges = (): void => wake('relay');
  return {
    logId,
    feed,
    catalog: { apply: (options) => applyCatalog(work.db, { ...options, onChanges }).finally(onChanges) },
    grants: {
      grant: (options) => grantRole(api.db, options).finally(onChanges),
      revoke: (options) => revokeGrant(api.db, options).finally(onChanges),
    },
    replays,
    reconciliations: createReconciliations({ db: work.db }),
    keys: createKeyStore({ db: api.db, lookup: keyLookup, onRevoked: revalidation.nudge, clock }),
    audit: createAudit({ db: api.db, log }),
    events: {
      retry: (ids, caller) => retryEvents(api.db, ids, caller).finally(() => wake('apply')),
      skip: (id, reason, caller) => skipEvent(api.db, id, reason, caller),
    },
    health: createHealth({
      db: api.db,
      retentionDays: config.eventRetentionDays,
      feedStats: feed.statsByTenant,
      nodeId: processId,
      jobs: JOBS,
      ...config.health,
      dependencies: [{ name: 'database', check: api.ping }, ...(stream ? [{ name: 'redis', check: stream.ping }] : [])],
      workosError,
      clock,
    }),
  };
}
