// Interactive transactions with room for a batch, and a table of what is worth another try. `work` may run several
// times: it must not touch anything outside `tx`.
import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '../lib/backoff.ts';
import { type Db, Prisma, type Tx } from './client.ts';

export interface TransactionOptions {
  /** Of the work; does not bound COMMIT. */
  timeoutMs?: number;
  /** For a free connection. */
  maxWaitMs?: number;
  isolation?: Prisma.TransactionIsolationLevel;
  /** The work uses nothing but raw statements: fewer round trips (raw-transaction.ts). */
  rawOnly?: boolean;
}

/** SQLSTATE → how many tries in all. Both mean that the transaction was rolled back whole, because of another one. */
const MAX_TRIES: Readonly<Record<string, number>> = {
  '40001': 8, // serialization_failure
  '40P01': 5, // deadlock_detected
};

const lastSteps = new AsyncLocalStorage<(tx: Tx) => Promise<void>>();

/**
 * Every transaction that `work` opens ends with `lastStep`, so that both hold or neither does. Ambient, where this code base
 * hands things on: it is for the audit, which no operation may forget.
 */
export const withLastStep = <T>(lastStep: (tx: Tx) => Promise<void>, work: () => Promise<T>): Promise<T> => lastSteps.run(lastStep, work);

export async function inTransaction<T>(db: Db, work: (tx: Tx) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
  const { timeoutMs = 60_000, maxWaitMs = 10_000, isolation, rawOnly = false } = options;
  const lastStep = lastSteps.getStore();
  const whole = async (tx: Tx): Promise<T> => {
    const result = await work(tx);
    await lastStep?.(tx);
    return result;
  };
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await db.$transaction(whole, {
        timeout: timeoutMs,
        maxWait: maxWaitMs,
        ...(isolation && { isolationLevel: isolation }),
        // A last step comes after what the work has sent, so that cannot bring its end along.
        ...(rawOnly && !lastStep && { rawOnly }),
      });
    } catch (error) {
      if (attempt >= (MAX_TRIES[sqlStateOf(error) ?? ''] ?? 1)) throw error;
      await delay(backoffMs(attempt, { minMs: 10, maxMs: 500 }));
    }
  }
}

/** Not an errno (EPIPE), not a code of the client (P2010). */
const SQL_STATE = /^(?!P[1-9]\d{3})(?=.*\d)[0-9A-Z]{5}$/;

/** The SQLSTATE behind an error of the client, wherever it was wrapped; undefined when there is none. */
export function sqlStateOf(error: unknown): string | undefined {
  // "Transaction failed due to a write conflict or a deadlock": the client's name for both, without the state.
  if (error instanceof Prisma.PrismaClientKnownRequestError && error.code === 'P2034') return '40001';
  for (let layer = error; layer instanceof Object; layer = field(layer, 'cause') ?? field(field(layer, 'meta'), 'driverAdapterError')) {
    const state = field(layer, 'originalCode') ?? field(layer, 'code');
    if (typeof state === 'string' && SQL_STATE.test(state)) return state;
  }
  return undefined;
}

const field = (value: unknown, key: string): unknown => (value instanceof Object ? (value as Record<string, unknown>)[key] : undefined);
