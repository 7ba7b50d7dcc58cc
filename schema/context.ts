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

interface Asked {
  caller: Caller;
  readonly signal: AbortSignal;
  askedAtMs?: number;
  transport?: Transport;
}

/**
 * Parts are made when they are asked for: most operations need few of them. A class, for an object with getters of its own has
 * a hidden class of its own too, which V8 makes in its old space: thousands of them a second were half of all garbage.
 */
class OperationContext implements Context {
  readonly caller: Caller;
  readonly tenant: string | null;
  readonly services: Services;
  readonly askedAtMs: number;
  readonly transport: Transport;
  readonly #deps: ContextDeps;
  readonly #asked: Asked;
  #db: Db | undefined;
  #reads: Reads | undefined;
  #load: Loaders | undefined;
  #budget: Budget | undefined;

  constructor(deps: ContextDeps, asked: Asked) {
    this.caller = asked.caller;
    this.tenant = asked.caller.organizationId;
    this.services = deps.services;
    this.askedAtMs = asked.askedAtMs ?? performance.now();
    this.transport = asked.transport ?? 'SSE';
    this.#deps = deps;
    this.#asked = asked;
  }

  get db(): Db {
    this.#db ??= bindTenant(this.#deps.db, this.tenant);
    return this.#db;
  }
  get reads(): Reads {
    this.#reads ??= createReads(this.#deps.db, this.#deps.lookup, this.tenant);
    return this.#reads;
  }
  get load(): Loaders {
    this.#load ??= createLoaders({ bound: this.db, db: this.#deps.db, lookup: this.#deps.lookup, tenant: this.tenant });
    return this.#load;
  }
  get standing(): Standing {
    const { revalidation } = this.#deps;
    return { holds: () => revalidation.holds(this.caller), watch: (onLost) => revalidation.watch(this.caller, onLost) };
  }
  get budget(): Budget {
    this.#budget ??= createBudget();
    return this.#budget;
  }
  get renewBudget() {
    return () => {
      this.#budget = undefined;
    };
  }
  get signal(): AbortSignal {
    return this.#asked.signal;
  }
  get cursorOf() {
    const { logId } = this.services;
    return (position: Position) => encodeCursor(logId, position);
  }
  get positionOf() {
    const { logId } = this.services;
    return (cursor: string) => decodeCursor(logId, cursor);
  }
}

export const createContext = (deps: ContextDeps, asked: Asked): Context => new OperationContext(deps, asked);

/** Makes `target` a context too, without making its parts. */
export function lend(context: Context, target: object): void {
  for (const name of PARTS) {
    if (name in target) continue;
    Object.defineProperty(target, name, { get: () => context[name], enumerable: true, configurable: true });
  }
}

/** Every part of a context but what a request brings itself: one that is forgotten here is an error of types. */
const PARTS = Object.keys({
  tenant: true,
  db: true,
  reads: true,
  load: true,
  services: true,
  standing: true,
  budget: true,
  renewBudget: true,
  askedAtMs: true,
  transport: true,
  cursorOf: true,
  positionOf: true,
} satisfies Record<Exclude<keyof Context, 'caller' | 'signal'>, true>) as (keyof Context)[];
