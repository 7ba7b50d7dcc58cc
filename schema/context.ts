// What a resolver may reach: the caller, reads bound to its organization, and the services. There is no context without a
// caller, so nothing can be answered to nobody.
import type { Caller } from '../src/auth/caller.ts';
import type { Revalidation } from '../src/auth/revalidate.ts';
import type { Db } from '../src/db/client.ts';
import type { EffectiveLookup } from '../src/entitlements/lookup.ts';
import { decodeCursor, encodeCursor, type Position } from '../src/model/cursor.ts';
import type { Transport } from '../src/model/telemetry.ts';
import { type Budget, createBudget } from './budget.ts';
import { createLoaders, type Loaders } from './loaders.ts';
import { createReads, type Reads } from './reads.ts';
import type { Services } from './services.ts';
import { bindTenant } from './tenant.ts';

export interface Context {
  caller: Caller;
  /** The organization that the caller is bound to; null: every organization. For services; reads are bound already. */
  tenant: string | null;
  /** Tables, bound. */
  db: Db;
  /** Hand-written SQL, bound. */
  reads: Reads;
  /** Batched reads of nested fields, bound. */
  load: Loaders;
  services: Services;
  standing: Standing;
  budget: Budget;
  /** A subscription keeps its context: every item has a budget of its own. */
  renewBudget(): void;
  /** When the operation came, as performance.now() counts. */
  askedAtMs: number;
  /** Ends with the request or the socket. */
  signal: AbortSignal;
  /** Of what is subscribed to. */
  transport: Transport;
  cursorOf(position: Position): string;
  positionOf(cursor: string): Position;
}

/** Whether the caller still has the right that it came with; see src/auth/revalidate.ts. */
export interface Standing {
  holds(): boolean | Promise<boolean>;
  /** Calls `onLost` once, until what is returned is called. */
  watch(onLost: () => void): () => void;
}

export interface ContextDeps {
  db: Db;
  lookup: EffectiveLookup;
  services: Services;
  revalidation: Revalidation;
}

/** Parts are made when they are asked for: most operations need few of them. */
export function createContext(
  { db, lookup, services, revalidation }: ContextDeps,
  asking: { caller: Caller; readonly signal: AbortSignal; askedAtMs?: number; transport?: Transport },
): Context {
  const { caller, askedAtMs = performance.now(), transport = 'SSE' } = asking;
  const tenant = caller.organizationId;
  let bound: Db | undefined;
  let reads: Reads | undefined;
  let load: Loaders | undefined;
  let budget: Budget | undefined;
  const bind = (): Db => {
    bound ??= bindTenant(db, tenant);
    return bound;
  };
  return {
    caller,
    tenant,
    get db() {
      return bind();
    },
    get reads() {
      reads ??= createReads(db, lookup, tenant);
      return reads;
    },
    get load() {
      load ??= createLoaders({ bound: bind(), db, tenant });
      return load;
    },
    services,
    standing: {
      holds: () => revalidation.holds(caller),
      watch: (onLost) => revalidation.watch(caller, onLost),
    },
    get budget() {
      budget ??= createBudget();
      return budget;
    },
    renewBudget() {
      budget = undefined;
    },
    askedAtMs,
    get signal() {
      return asking.signal;
    },
    transport,
    cursorOf: (position) => encodeCursor(services.logId, position),
    positionOf: (cursor) => decodeCursor(services.logId, cursor),
  };
}
