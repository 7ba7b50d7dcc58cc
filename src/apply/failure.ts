// What a failed attempt means, as a table. An outage says nothing about the event: it is not counted, the loop backs off.
// Data that the database refuses will be refused again. Anything else gets a few more attempts, ever slower.
import { isOutage } from '../db/outage.ts';
import { sqlStateOf } from '../db/transaction.ts';

export type Failure = 'outage' | 'refused_by_database' | 'unexpected';

/** SQLSTATE, or its first two characters. Source: Postgres manual, appendix A. */
const BY_STATE: Readonly<Record<string, Failure>> = {
  '08': 'outage', // connection exception
  '22': 'refused_by_database', // data exception
  '23': 'refused_by_database', // integrity constraint violation
  '25': 'outage', // invalid transaction state (idle in transaction timeout)
  '40': 'outage', // rollback by a conflict
  '53': 'outage', // insufficient resources: disk full, out of memory, too many connections
  '54': 'refused_by_database', // program limit exceeded: a value too long for its index
  '57': 'outage', // operator intervention: shutdown
  '57014': 'unexpected', // query cancelled: past statement_timeout; fewer events may fit
  '58': 'outage', // system error
};

/** The client's name for a transaction that outlived its time: fewer events may fit. */
const TRANSACTION_EXPIRED = 'P2028';

export function classifyFailure(error: unknown): Failure {
  const state = sqlStateOf(error);
  if (state) return BY_STATE[state] ?? BY_STATE[state.slice(0, 2)] ?? 'unexpected';
  if (error instanceof Error && 'code' in error && error.code === TRANSACTION_EXPIRED) return 'unexpected';
  return isOutage(error) ? 'outage' : 'unexpected';
}

/** Wait after the n-th failed attempt; after the last one the event is quarantined. */
export const RETRY_DELAYS_MS: readonly number[] = [1_000, 5_000, 30_000];
