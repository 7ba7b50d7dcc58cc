// What a resolver may reach: the caller, reads bound to its organization, and the services. There is no context without a
// caller, so nothing can be answered to nobody.
import type { Caller } from '../src/auth/caller.ts';
import type { Revalidation } from '../src/auth/revalidate.ts';
import type { Db } from '../src/db/client.ts';
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
  services: Services;
  revalidation: Revalidation;
}

export function createContext(
  { db, services, revalidation }: ContextDeps,
  { caller, signal, transport = 'SSE' }: { caller: Caller; signal: AbortSignal; transport?: Transport },
): Context {
  const tenant = caller.organizationId;
  const bound = bindTenant(db, tenant);
  return {
    caller,
    tenant,
    db: bound,
    reads: createReads(db, tenant),
    load: createLoaders({ bound, db, tenant }),
    services,
    standing: {
      holds: () => revalidation.holds(caller),
      watch: (onLost) => revalidation.watch(caller, onLost),
    },
    budget: createBudget(),
    signal,
    transport,
    cursorOf: (position) => encodeCursor(services.logId, position),
    positionOf: (cursor) => decodeCursor(services.logId, cursor),
  };
}
